"""A search for a teacher as it is to be done: from params.yaml, the pretrained model and the rows, the jobs.

As for students, what its trials depend on is in the name of its folder below data/.scratch/search/<run>/: a
killed search goes on, and one with other data, code or choices begins anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.searching import chain, inputs, policy
from flows.searching.job import Job, digest
from flows.searching.plan import code, not_searched
from flows.searching.policy import Policy, TeacherPolicy
from flows.searching.study import Goal, Proposal, Study
from tasks.core import params

GOAL = Goal(("error",))


@dataclass(frozen=True)
class TeacherPlan:
    root: Path
    run: str
    policy: TeacherPolicy
    whole: Policy
    """What params.yaml says of the whole search."""
    params: Mapping[str, Any]
    """The run's section of params.yaml."""
    inputs: Mapping[str, str]
    folder: Path

    def study(self) -> Study:
        file = self.folder / "study.db"
        study = Study(file, self.policy.space, GOAL, self.whole.seed, self.whole.startup)
        study.begin_with(policy.default(self.policy.space, self.params))
        return study

    def place(self, values: Mapping[str, Any]) -> Path:
        """The folder of a trial; the same for the same values."""
        return self.folder / digest(values)

    def job(self, one: Proposal) -> Job:
        """To make a teacher of what is proposed."""
        return Job(
            number=one.place,
            run=self.run,
            values=one.values,
            params=policy.with_values(self.params, one.values),
            folder=self.place(one.values).relative_to(self.root).as_posix(),
            inputs=self.inputs,
        )


def make(root: Path, run: str, whole: Policy, rules: TeacherPolicy) -> TeacherPlan:
    """The plan of a search for a teacher whose rows and pretrained model are there."""
    section = params.read(root / "params.yaml")[run]
    found = inputs.hashes_for_teacher(root, run)
    read = {
        name: section[name] for name in (*params.RunFields.model_fields, chain.TEACHER) if name in section
    }
    identity = digest(
        [rules.space, whole.seed, whole.startup, not_searched(read, rules.space), found, code()]
    )
    return TeacherPlan(
        root,
        run,
        rules,
        whole,
        section,
        found,
        root / "data" / ".scratch" / "search" / run / f"teacher-{identity}",
    )
