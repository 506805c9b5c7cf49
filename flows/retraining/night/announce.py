"""How a night is told.

The message of its commit, its page in the UI, the text of a pull request, an event.
"""

from __future__ import annotations

import re
from pathlib import Path

from prefect.artifacts import create_markdown_artifact

from flows.pipeline import events, flow_run, pages
from flows.retraining.publishing.push import Say
from flows.retraining.record import history
from flows.retraining.record.card_text import literal
from flows.retraining.record.history import Entry
from tasks.core import escape

PULL_REQUEST = ".dvc/tmp/pull-request-{run}.md"
REFERENCE = re.compile(r"\\#|\\?@")


def message(entry: Entry) -> str:
    """Of the commit, and as it stands of a pull request."""
    subject = {
        "promoted": f"Promote {entry['run']} to v{entry['version']}",
        "refused": f"Refuse a challenger of {entry['run']} v{entry['version']}",
        "collected": f"Collect rows for {entry['run']}",
        "enrolled": f"Make what is there the champion {entry['run']} v{entry['version']}",
        "rolled back": f"Roll {entry['run']} back to v{entry['version']}",
    }[entry["decision"]]
    rows, why = entry["rows"], escape.visible(entry["why"], keep="\n")
    return (
        f"{subject}\n\n{why}\n\n{rows['arrived']} rows arrived, {rows['taken']} taken, "
        f"{rows['set_aside']} set aside.\n"
    )


def show(folder: Path, run: str, entry: Entry) -> None:
    """The page of the night: an artifact of the run."""
    place = folder / history.folder(run)
    text = history.page(entry, history.read(folder, run))
    create_markdown_artifact(
        pages.with_pictures(text, place), key=f"{run}-night", description=literal(history.headline(entry))
    )


def tags(entry: Entry) -> list[str]:
    """For the list of runs.

    The decision, and where a challenger was judged its figure and the verdict on the frozen test rows.
    """
    said = [f"{entry['run']}: {entry['decision']}, champion v{entry['version']}"]
    if judged := entry["judgement"]:
        one = judged["frozen"]
        said.append(
            f"{entry['run']}: {one['figure']} {one['challenger']:.3f}, {one['verdict']} "
            f"{one['difference']:+.3f}"
        )
    return said


def offer(root: Path, run: str, entry: Entry, say: Say) -> None:
    """The text of a pull request, where commits go to a branch.

    In it `@` and `#` out of data make no mention and no reference.
    """
    file = root / PULL_REQUEST.format(run=run)
    picture = f"(`{history.folder(run).as_posix()}/quality.png` shows quality over time.)"
    text = history.page(entry, [entry]).replace(history.PICTURE, picture)
    file.write_text(
        REFERENCE.sub(lambda found: f"<span>&#{ord(found[0][-1])};</span>", text), encoding="utf-8"
    )
    say(
        f"branch retrain/{run} is ready for review; {file.relative_to(root)} holds the text of the pull "
        "request"
    )


def announce(entry: Entry) -> None:
    """Events of the server, for automations: what was decided, and which drops were set aside whole."""
    events.emit(
        f"{events.RETRAIN}{entry['decision'].replace(' ', '-')}",
        entry["run"],
        entry["why"],
        version=entry["version"],
    )
    if refused := [f"{one['name']}: {one['fault']}" for one in entry["files"] if one["fault"]]:
        events.emit(events.SET_ASIDE, entry["run"], "; ".join(refused))


def published(root: Path, run: str, entry: Entry, to_branch: bool, say: Say) -> str:
    """What is told of a night that is done, also of one that was killed before it could tell.

    Its headline.
    """
    if to_branch:
        offer(root, run, entry, say)
    announce(entry)
    flow_run.tag(*tags(entry))
    return history.headline(entry)
