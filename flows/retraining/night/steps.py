"""A night, step by step: take the inbox in; if enough has come together, train a challenger and judge it;
write down what was done.

All of it happens in a worktree, so that the checkout stays as it is until the commit is taken over, and a
refusal changes no more than what was collected. Every step can be done again after a kill: it writes the same
files, and DVC knows what was trained.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from flows.checkout import git
from flows.judging import answers
from flows.pipeline.reproduce import USERS_FAULT
from flows.retraining.arrivals import drops, filter, intake
from flows.retraining.arrivals.inbox import Drop
from flows.retraining.arrivals.intake import Baseline
from flows.retraining.night.challenge import Rows, challenge
from flows.retraining.night.night import INGEST, MODEL, Night, NotTrainedError
from flows.retraining.publishing import publish
from flows.retraining.record import card, chart, history, registry
from flows.retraining.record.history import Entry
from tasks.core import tables
from tasks.core.errors import ParamsError

NEW_CHAMPION = ("promoted", "enrolled", "rolled back")


def enroll(night: Night) -> Entry:
    """What dvc.lock holds becomes the champion, unjudged.

    Raises:
        ParamsError: the run has no model yet.
        DataError: its artifacts can be had nowhere.
    """
    model = f"data/{night.run}/{MODEL}"
    md5 = night.locked().get(model)
    if md5 is None:
        advice = f"make one with `dvc repro benchmark@{night.run}` and commit dvc.lock"
        raise ParamsError("dvc.lock", f"has no model of `{night.run}` yet; {advice}")
    publish.check_out(night.root, night.run)
    now, entries = registry.read(night.root, night.run), history.read(night.root, night.run)
    entry = night.entry(
        "enrolled", "what dvc.lock holds is the champion; it was not judged", history.versions(entries) + 1
    )
    former = now.version if now else None
    champion = registry.Champion(
        night.run, entry["version"], entry["at"], former, model, md5, None, git.who(night.root), entry["why"]
    )
    registry.write(night.root, champion)
    return written(night, entry)


def spend(night: Night, found: Sequence[Drop], scratch: Path) -> Entry:
    """The night itself, up to what is to be committed; `scratch` is an empty folder.

    Raises:
        DataError: data or artifacts of the champion cannot be had.
        NotTrainedError: the challenger could not be made.
    """
    started = time.monotonic()
    champion = registry.read(night.root, night.run)
    if champion is None:
        raise ParamsError(
            f"run {night.run}", f"has no champion yet; `slipway retrain enroll {night.run}` makes one"
        )
    for artifact in (MODEL, INGEST):
        night.fetch(artifact, night.champions_commit(), scratch / artifact)
    night.store.restore()
    entries, kind = (
        history.read(night.root, night.run),
        answers.shipped(scratch / MODEL, night.params["kind"]).kind,
    )
    rules = drops.rules_of(kind, night.params, night.policy)
    taken = intake.take_in(found, night.store, rules, night.policy, _baseline(night, entries, scratch))
    for one in taken:
        night.say(
            f"{one.drop.name}: {one.taken} of {one.rows or 0} rows "
            f"taken{f'; set aside: {one.fault}' if one.fault else ''}"
        )
    known = filter.known_of(scratch / INGEST, kind)
    use, wait = intake.ready(night.store, rules, known)
    rows = Rows(use, wait, history.waiting(entries) + sum(one.taken for one in taken))
    if rows.since < night.policy.min_new_rows:
        why = (
            f"{rows.since} rows have come since the last judgement; a challenger is trained from "
            f"{night.policy.min_new_rows} on"
        )
        entry = night.entry(
            "collected", why, champion.version, taken, collected=rows.collected, waiting=rows.since
        )
    elif not use:
        why = "all rows that are collected wait until their class is large enough"
        entry = night.entry(
            "collected", why, champion.version, taken, collected=rows.collected, waiting=rows.since
        )
    else:
        night.store.version()
        entry = _challenge(night, champion, scratch, taken, rows, rules)
    entry["seconds"] = round(time.monotonic() - started, 1)
    return written(night, entry)


def _challenge(
    night: Night,
    champion: registry.Champion,
    place: Path,
    taken: Sequence[intake.Taken],
    rows: Rows,
    rules: drops.Rules,
) -> Entry:
    """Where the data will not make a challenger, what came is collected all the same, or the same drop would
    stop every night.
    """
    try:
        return challenge(night, champion, place, taken, rows, rules)
    except NotTrainedError as error:
        if error.code != USERS_FAULT:
            raise
        night.back_to_champion()
        return night.entry(
            "collected", str(error), champion.version, taken, collected=rows.collected, waiting=rows.since
        )


def _baseline(night: Night, entries: Sequence[Entry], scratch: Path) -> Baseline:
    serving = answers.shipped(scratch / MODEL, night.params["kind"])
    raw = float(sum(one.stat().st_size for one in night.store.raw.folder.rglob("*") if one.is_file()))
    missed = np.asarray(intake.missed(serving, tables.read(scratch / INGEST / "test.parquet")))
    return Baseline(serving, scratch / INGEST, missed, history.usual_bytes(entries) or raw)


def written(night: Night, entry: Entry) -> Entry:
    """Versions what was stored, writes history, chart and card."""
    night.store.version()
    history.append(night.root, night.run, entry)
    chart.draw(history.read(night.root, night.run), night.root / history.folder(night.run) / "quality.png")
    if entry["decision"] in NEW_CHAMPION:
        text = card.markdown(night.root, night.run)
        (night.root / registry.folder(night.run) / "MODEL_CARD.md").write_text(text, encoding="utf-8")
    return entry
