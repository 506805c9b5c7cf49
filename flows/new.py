"""Looks at data, says what it sees, brings them in, and writes a run for them into params.yaml: every value
stands there, with the reason for it.

    slipway new support messages.csv
    slipway new reviews reviews.jsonl --text body --label stars --preset best
    slipway new sms data/sms --yes --minutes 20 --run
    slipway new intents train.csv test.csv --preset fast

What is in doubt is asked on a terminal. Elsewhere it ends with one message, unless --yes takes what is
likeliest or the options name it. Nothing is changed before all is known to be in order.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flows.process.environment  # noqa: F401  # isort: skip  (before DVC, which reads the environment)

from flows import run as run_command
from flows import search as search_command
from flows.checkout import added_run
from flows.raw_data import data, several
from flows.raw_data.sources import NEWS
from flows.searching import budget, policy
from flows.starting import (
    ask,
    choice,
    drafted,
    facts,
    general_texts,
    look,
    name,
    searched,
    seen,
    written,
)
from flows.starting.choice import Choice
from flows.starting.facts import Taken
from flows.starting.look import Looked
from flows.starting.searched import Searched
from tasks.core import escape, params
from tasks.core.errors import DataError, ParamsError
from tasks.launch.command import Command
from tasks.proposals.proposal import PRESETS, Plan

ROLES = ("text", "label", "pool", "image", "tokens", "tags", "spans")
SPLITS = ("given", "sticky")
UNLABELLED = ("news", "none")


@dataclass(frozen=True)
class Draft:
    """A run that could be written."""

    looked: Looked
    choice: Choice
    taken: Taken
    plan: Plan
    run: Mapping[str, Any]
    """Key -> value with its reason, as flows/starting/written.py takes it."""
    searched: Searched | None
    """What is searched before it is made."""
    news: bool
    """Unlabelled texts were brought in beside the data."""


def draft(root: Path, folder: Path, asked: argparse.Namespace, scratch: Path) -> Draft:
    """The run for the raw data in a folder; nothing of the project `root` is changed.

    Raises:
        DataError: the data cannot be read, look like no kind, or are too few.
        ParamsError: the options name what is not there, or leave a doubt.
    """
    looked = look.look(folder)
    given = {role: column for role in ROLES if (column := getattr(asked, role))}
    chosen = choice.choose(looked, asked.kind, given, ask.answers(asked.yes))
    Searched.check(asked, chosen.kind)
    is_given = _split_given(looked, asked.split)
    news = general_texts.bring(folder, looked, chosen, asked.unlabelled)
    taken = facts.take(folder, looked, chosen, is_given, scratch)
    plan, values = drafted.plan(root, chosen, taken, asked, scratch)
    wanted = Searched.of(asked, len(taken.rows()["validation"]))
    return Draft(looked, chosen, taken, plan, wanted.run(values) if wanted else values, wanted, news)


def _split_given(looked: Looked, asked: str | None) -> bool:
    if asked == "given" and not looked.sides:
        raise ParamsError(
            "slipway new",
            "--split given: neither the names of the files nor a column say which rows train and which "
            "test; name files train and test, or take --split sticky",
        )
    return bool(looked.sides) if asked is None else asked == "given"


def make(root: Path, asked: argparse.Namespace, say: Callable[[str], None]) -> str:
    """Writes the run and brings its data in; the run's name.

    Raises:
        SlipwayError: of what is amiss; nothing is changed then.
    """
    if asked.budget:
        budget.parse(asked.budget)
    wanted = _new_name(root, asked.run, say)
    with tempfile.TemporaryDirectory(dir=_scratch(root), prefix="new-") as there:
        raw = Path(there) / wanted
        raw.mkdir()
        brought = ", ".join(several.bring(asked.source, raw))
        made = draft(root, raw, asked, Path(there))
        for line in seen.lines(brought, made.looked, made.choice, made.taken):
            say(line)
        if made.news:
            brought = f"{brought}, {NEWS}"
            say(general_texts.told())
        about = drafted.about(brought, asked, made.plan)
        lines = written.section(wanted, about, made.run)
        found = made.searched
        search = found.section(wanted, made.plan, made.run) if found else ""
        if asked.dry_run:
            say(f"\n{lines}\n{search}".rstrip())
            return wanted
        beside = [NEWS] * made.news
        run, bring = written.plain(made.run), lambda: data.add(root, wanted, asked.source, beside=beside)
        said = added_run.put(root, wanted, lines, run, bring, search)
    say(said)
    for remark in made.plan.remarks:
        say(f"look at this: {remark}")
    say(f"params.yaml: run `{wanted}` written, every value with its reason")
    if found:
        say(f"first {found.what}, in about {found.minutes:g} minutes: slipway search {wanted}")
    say(f"about {made.plan.minutes:.0f} minutes on this machine: slipway run {wanted}")
    return wanted


def _new_name(root: Path, asked: str, say: Callable[[str], None]) -> str:
    """What the run can be called.

    Raises:
        SlipwayError: there is such a run, or such data.
    """
    wanted = name.usable(asked)
    if wanted != asked:
        say(f"run `{wanted}`: {asked!r} as a name that folders, git and DVC can all have")
    if wanted in params.read(root / "params.yaml"):
        raise ParamsError(
            f"run {wanted}",
            f"is in params.yaml already; `slipway run {wanted}` makes it, or choose another name",
        )
    if (root / "data" / "raw" / wanted).exists():
        raise DataError(
            f"data/raw/{wanted}",
            "holds data already; choose another name, or move the folder and its .dvc file away",
        )
    return wanted


def _scratch(root: Path) -> Path:
    (folder := root / "data" / ".scratch").mkdir(parents=True, exist_ok=True)
    return folder


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="what the run is to be called")
    parser.add_argument(
        "source",
        metavar="SOURCE",
        nargs="+",
        help='files, folders, a pattern in quotes ("news/*.csv"), or hub:OWNER/NAME@REVISION',
    )
    columns = parser.add_argument_group("what the data are (default: what they look like)")
    columns.add_argument("--kind", help="kind of task, a folder of tasks/kinds")
    for role in ROLES:
        several = ', or "TITLE + BODY" to read several as one' if role == "text" else ""
        columns.add_argument(f"--{role}", metavar="COLUMN", help=f"column of the role {role}{several}")
    columns.add_argument("--split", choices=SPLITS, help="by the data's own split, or by a hash of each row")
    columns.add_argument(
        "--unlabelled",
        choices=UNLABELLED,
        help="English news beside the data, for the student to learn on, or none (default: where it helps)",
    )
    wishes = parser.add_argument_group("what the run is to be")
    wishes.add_argument(
        "--preset",
        choices=PRESETS,
        default="balanced",
        help="fastest, balanced, or best, which is searched for (default: balanced)",
    )
    wishes.add_argument(
        "--minutes",
        type=searched.minutes,
        metavar="M",
        help="the run is to take about so long at most, a search likewise",
    )
    wishes.add_argument("--budget", metavar="TEXT", help='as "size <= 3 MB, then best quality"')
    wishes.add_argument("--like", metavar="OTHERRUN", help="with the values of this run, as far as they suit")
    parser.add_argument("--yes", action="store_true", help="ask nothing; take what is likeliest")
    parser.add_argument("--dry-run", action="store_true", help="print the run; write nothing")
    parser.add_argument("--run", action="store_true", dest="then_run", help="then make it: slipway run RUN")


def _run(given: argparse.Namespace) -> int:
    def say(line: str) -> None:
        print(escape.visible(line, keep="\n"), flush=True)

    made = make(Path.cwd(), given, say)
    if not given.then_run or given.dry_run:
        return 0
    if policy.is_told(Path.cwd(), made) and (status := search_command.COMMAND.main([made])):
        return status
    return run_command.make(Path.cwd(), [made])


COMMAND = Command("slipway new", __doc__, _run, _arguments, data.translate)


if __name__ == "__main__":
    sys.exit(COMMAND.main())
