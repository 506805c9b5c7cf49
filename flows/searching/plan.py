"""A search as it is to be done: from params.yaml, the teacher's artifacts and what earlier trials left, the
jobs of the next ones.

All it keeps is below data/.scratch/search/<run>/. A folder there is one study: whatever its trials depend on
is in the folder's name, so that other data, code, budget or seed begin anew, and more trials or minutes go
on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.searching import budget, inputs, policy
from flows.searching.job import StudentJob, digest
from flows.searching.policy import Policy
from flows.searching.study import Goal, Proposal, Study, Tried
from tasks.core import params, stages
from tasks.launch.runner import CODE

NO_MATTER = {"trials", "minutes", "runner", "dask_address", "teacher"}
"""Values of a search that change how long it goes on, and where, but nothing of what it proposes; and the
search for a teacher, which is over by then."""
SPEED = ("speedup", "speedup_quartile_1", "speedup_quartile_3", "teacher_ms")


class Speeds:
    """How fast each shape was on this machine: timed once, whatever is searched after."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.of: dict[str, dict[str, float]] = (
            json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        )

    def learn(self, figures: Mapping[str, Any]) -> None:
        if "timed" not in figures or figures["timed"] in self.of:
            return
        self.of[figures["timed"]] = {name: figures[name] for name in SPEED}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(self.of, indent=1), encoding="utf-8")
        part.replace(self._file)


@dataclass(frozen=True)
class Plan:
    root: Path
    run: str
    policy: Policy
    budget: budget.Budget
    params: Mapping[str, Any]
    """The run's section of params.yaml."""
    inputs: Mapping[str, str]
    folder: Path
    speeds: Speeds

    def study(self) -> Study:
        rules = self.policy
        file, goal = self.folder / "study.db", Goal.of(self.budget)
        study = Study(file, rules.space, goal, rules.seed, rules.startup)
        study.begin_with(policy.default(rules.space, self.params))
        return study

    def place(self, values: Mapping[str, Any]) -> Path:
        """The folder of a trial.

        The same for the same values, so that one that was killed is gone on with.
        """
        return self.folder / digest(values)

    def jobs(self, proposals: Sequence[Proposal], tried: Sequence[Tried]) -> list[StudentJob]:
        bars: dict[str, list[list[float]]] = {}
        for one in tried:
            for rung, reached in one.result.figures.get("rungs", {}).items():
                bars.setdefault(rung, []).append([one.result.figures["cost"], reached])
        teacher_ms = tried[0].result.figures.get("teacher_ms") if tried else None
        return [
            StudentJob(
                number=one.place,
                run=self.run,
                values=one.values,
                params=policy.with_values(self.params, one.values),
                folder=self.place(one.values).relative_to(self.root).as_posix(),
                inputs=self.inputs,
                budget=self.policy.budget,
                rungs=tuple(self.policy.rungs),
                rung_slack=self.policy.rung_slack,
                bars=bars,
                speeds=self.speeds.of,
                teacher_ms=teacher_ms,
            )
            for one in proposals
        ]


def make(root: Path, run: str) -> Plan:
    """The plan of a search.

    Raises:
        ParamsError: it is not said how the run is searched, or with every fault in it.
        DataError: the run has no teacher.
    """
    from tasks.benchmark import latency

    rules, section = policy.read(root, run), params.read(root / "params.yaml")[run]
    found, home = inputs.hashes(root, run), root / "data" / ".scratch" / "search" / run
    machine = digest([latency.hardware(1), section["benchmark"], found])
    told = {name: value for name, value in rules.model_dump().items() if name not in NO_MATTER}
    identity = digest([told, not_searched(section, rules.space), found, code()])
    return Plan(
        root,
        run,
        rules,
        budget.parse(rules.budget),
        section,
        found,
        home / identity,
        Speeds(home / f"speeds-{machine}.json"),
    )


def not_searched(section: Mapping[str, Any], space: Iterable[str]) -> dict[str, Any]:
    """What is searched may have been changed by the search itself, which must not make it another."""
    return policy.with_values(section, dict.fromkeys(space))


def code() -> str:
    """A hash of the code of the stages."""
    files: Iterable[Path] = (file for pattern in CODE for file in sorted(stages.TASKS.parent.glob(pattern)))
    return hashlib.sha256(b"".join(file.name.encode() + file.read_bytes() for file in files)).hexdigest()
