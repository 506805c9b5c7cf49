"""A challenger.

Trained on all rows that have come together, judged against the champion, promoted if it deserves it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.checkout import overrides
from flows.judging import answers, seed_spread
from flows.judging.verdict import Spread
from flows.retraining.arrivals.drops import Rules
from flows.retraining.arrivals.intake import Taken
from flows.retraining.night import judge
from flows.retraining.night.judge import Judgement
from flows.retraining.night.night import INGEST, MODEL, TEACHER, Night
from flows.retraining.record import history, registry
from flows.retraining.record.history import Entry
from flows.retraining.record.registry import Champion
from tasks.benchmark import gates
from tasks.core import tables
from tasks.core.errors import DataError
from tasks.ingest.raw.rows import RawRow
from tasks.pretrain import locate

NIGHT = "the night's verdict"
NOT_MEASURED = Spread(0, 0.0)


@dataclass(frozen=True)
class Rows:
    """Collected rows to learn from, those that wait for more of their class, and how many came since the last
    judgement.
    """

    use: Sequence[RawRow]
    wait: Sequence[RawRow]
    since: int

    @property
    def collected(self) -> int:
        return len(self.use) + len(self.wait)


def challenge(
    night: Night, champion: Champion, place: Path, taken: Sequence[Taken], rows: Rows, rules: Rules
) -> Entry:
    """`place` holds the champion's artifacts. What was collected has its .dvc files already.

    Raises:
        NotTrainedError: a stage failed.
        DataError: the champion's test rows are not the run's any more.
    """
    seeds = _spread(night)
    if night.policy.start == "champion":
        _start_warm(night)
    night.store.learn(rows.use, rules)
    night.store.raw.version()
    night.train(night.run)
    judged = _judge(night, place, seeds)
    told = {
        "judgement": judged.as_json(),
        "spread": {"seeds": seeds.seeds, "deviation": round(seeds.deviation, 6)} if seeds.seeds else None,
    }
    if judged.promote:
        version = history.versions(history.read(night.root, night.run)) + 1
        entry = night.entry(
            "promoted",
            "; ".join([*judged.for_it, *judge.warnings(judged)]),
            version,
            taken,
            **told,
            collected=len(rows.wait),
            waiting=0,
        )
        night.store.keep_collected(rows.wait, rules)
        _crown(night, champion, entry)
        return entry
    night.back_to_champion()
    return night.entry(
        "refused", _why_not(judged), champion.version, taken, **told, collected=rows.collected, waiting=0
    )


def _crown(night: Night, champion: Champion, entry: Entry) -> None:
    model = f"data/{night.run}/{MODEL}"
    md5 = night.locked()[model]
    new = Champion(
        night.run,
        entry["version"],
        entry["at"],
        champion.version,
        model,
        md5,
        entry["judgement"],
        NIGHT,
        entry["why"],
    )
    registry.write(night.root, new)


def _why_not(judged: Judgement) -> str:
    verdicts = [
        f"{one.verdict} on the {name} test rows: {judge.describe(one)}" for name, one in judged.sets().items()
    ]
    return "; ".join([*(judged.objections or verdicts), *judge.warnings(judged)])


def _judge(night: Night, place: Path, seeds: Spread) -> Judgement:
    frozen, now = place / INGEST / "test.parquet", night.folder(INGEST) / "test.parquet"
    if frozen.read_bytes() != now.read_bytes():
        advice = f"`slipway retrain enroll {night.run}` makes what dvc.lock holds the champion"
        fault = (
            "is not the champion's any more: params or code of ingest were changed since, so nothing "
            "can be compared"
        )
        raise DataError(f"data/{night.run}/{INGEST}/test.parquet", f"{fault}; {advice}")
    fresh = night.folder(INGEST) / "fresh.parquet"
    test = {"frozen": tables.read(frozen), "fresh": tables.read(fresh) if fresh.exists() else []}
    champion, challenger = (
        answers.shipped(folder, night.params["kind"]) for folder in (place / MODEL, night.folder(MODEL))
    )
    judged = judge.judge(champion, challenger, test, seeds, night.policy, night.params["seed"])
    _, lines = gates.verdict(night.folder("benchmark"))
    return judge.beside_benchmark(judged, lines)


def _spread(night: Night) -> Spread:
    """As it was measured once, or measured now, on the champion's rows.

    Not at all if params ask for a single seed.
    """
    if night.policy.seeds < 2:
        return NOT_MEASURED
    if (kept := seed_spread.read(night.root, night.run, night.params)) is not None:
        return kept
    own, copies = night.params["seed"], night.root / ".dvc" / "tmp" / "seeds"
    copies.mkdir(parents=True, exist_ok=True)
    files = [copies / f"{number}.parquet" for number in range(night.policy.seeds)]
    for number, file in enumerate(files):
        night.say(f"measures the spread between seeds, once: training {number + 1} of {len(files)}")
        if number:
            overrides.apply(night.root / "params.yaml", [f"runs.{night.run}.seed={own + number}"])
        night.train(night.run)
        shutil.copyfile(night.folder("benchmark") / "out" / "predictions.parquet", file)
    labels = answers.shipped(night.folder(MODEL), night.params["kind"]).labels
    found, figures = seed_spread.of_predictions(files, labels, night.params["kind"], own)
    night.back_to_champion()
    seed_spread.write(night.root, night.run, night.params, found, figures)
    return found


def _start_warm(night: Night) -> None:
    """The champion's teacher becomes the pretrained model, pinned by its content."""
    teacher = night.store.teacher
    shutil.rmtree(teacher.folder, ignore_errors=True)
    night.fetch(TEACHER, night.champions_commit(), teacher.folder)
    teacher.version()
    pinned = f"{{folder: {teacher.name}, sha256: {locate.content_hash(teacher.folder)}}}"
    changed = overrides_of_warm_start(night.run, night.params["pretrain"], pinned)
    overrides.apply(night.root / "params.yaml", changed)


def overrides_of_warm_start(run: str, pretrain: Mapping[str, Any], source: str) -> list[str]:
    """Overrides with which a run begins from a teacher: its pooler has learnt more than a sentence vector."""
    found = [f"runs.{run}.pretrain.source={source}"]
    return [*found, f"runs.{run}.pretrain.sentence=null"] if pretrain.get("sentence") else found
