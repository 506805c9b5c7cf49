"""The stages of a trial, in the graph's own order: what lies between the teacher and the folder that ships.

They follow from what the stages say they read, as dvc.yaml does: a stage that is added between them is run in
every trial, and its values can be searched.
"""

from __future__ import annotations

from dataclasses import dataclass

from tasks.core import stages

TEACHER, RECOVERY, SHIPPED = "finetune", "distill", "quantize"


@dataclass(frozen=True)
class Chain:
    """The stages that a trial runs, upstream first."""

    before: tuple[str, ...]
    """Before the recovery."""
    after: tuple[str, ...]
    """After it; the last one makes the folder that ships."""
    start: str
    """The artifact that the recovery begins from, such as prune/out."""
    made: frozenset[str]
    """The artifacts of these stages that another one of them reads."""
    given: frozenset[str]
    """The artifacts that they read and that are there before the trial."""


def searched() -> list[str]:
    """The names of the stages that a trial runs: those that need the teacher, and that what ships needs."""
    needs: dict[str, set[str]] = {}
    for name, stage in stages.load_all().items():
        needs[name] = {name}.union(*(needs[other] for other in stages.upstream(stage)))
    return [name for name in needs if TEACHER in needs[name] - {name} and name in needs[SHIPPED]]


def of_trial() -> Chain:
    """The stages of a trial as the graph of now has them."""
    names = searched()
    reads = {name: set(stages.artifacts(stages.load(name)).values()) for name in names}
    every = set[str]().union(*reads.values())
    made = frozenset(artifact for artifact in every if maker(artifact) in names)
    at = names.index(RECOVERY)
    start = max(reads[RECOVERY] & made, key=lambda artifact: (names.index(maker(artifact)), artifact))
    return Chain(tuple(names[:at]), tuple(names[at + 1 :]), start, made, frozenset(every - made))


def maker(artifact: str) -> str:
    """The stage that makes an artifact."""
    return artifact.partition("/")[0]
