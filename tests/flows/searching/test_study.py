"""The same seed proposes the same, whatever the clock says and whenever it is killed.

Nothing is proposed twice.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flows.searching import budget
from flows.searching.job import COMPLETE, FAILED, GIVEN_UP, Result
from flows.searching.study import Goal, Proposal, Study

SPACE: dict[str, list[Any]] = {
    "prune.layers": [1, 2, 3, 4],
    "prune.ffn": [64, 128, 256, 512],
    "prune.widths": [[8, 8], [16, 8]],
    "quantize.format": ["int8-dynamic", "fp32"],
}
FIRST = {"prune.layers": 3, "prune.ffn": 256, "prune.widths": [16, 8], "quantize.format": "int8-dynamic"}
TRIALS = 14


def opened(folder: Path, seed: int = 0, space: dict[str, list[Any]] = SPACE) -> Study:
    study = Study(
        folder / "study.db",
        space,
        Goal.of(budget.parse("quality >= 90% of teacher, then least latency")),
        seed,
        startup=4,
    )
    study.begin_with({key: FIRST[key] for key in space})
    return study


def result(values: dict[str, Any], latency: float = 1.0) -> Result:
    """What a student of these sizes might come to; every third shape is given up, and one fails."""
    size = values["prune.layers"] * values["prune.ffn"]
    if size == 64:
        return Result(FAILED, "too small", 1.0)
    if size % 3 == 1 and values != FIRST:
        return Result(GIVEN_UP, "hopeless", 1.0, {"cost": float(size), "rungs": {}})
    figures = {
        "quality": 1 - 30 / size,
        "divergence": 40 / size,
        "cost": float(size),
        "bytes": 10 * size,
        "latency": latency * size,
    }
    return Result(COMPLETE, "", 2.0, figures)


def searched(study: Study, latency: float = 1.0, workers: int = 1) -> list[dict[str, Any]]:
    while len(study.tried()) < TRIALS and (batch := study.propose(workers)):
        for proposal in batch:
            study.tell(proposal, result(proposal.values, latency))
    return [one.values for one in study.tried()]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return searched(opened(tmp_path_factory.mktemp("unbroken")))


def test_it_begins_with_the_committed_student(unbroken: list[dict[str, Any]]) -> None:
    assert unbroken[0] == FIRST


def test_nothing_is_proposed_twice(unbroken: list[dict[str, Any]]) -> None:
    assert len(unbroken) == TRIALS
    assert len({json.dumps(values) for values in unbroken}) == TRIALS


def test_the_same_seed_proposes_the_same_however_fast_the_machine_was(
    unbroken: list[dict[str, Any]], tmp_path: Path
) -> None:
    assert searched(opened(tmp_path), latency=17.3) == unbroken


def test_another_seed_proposes_others(unbroken: list[dict[str, Any]], tmp_path: Path) -> None:
    assert searched(opened(tmp_path, seed=1)) != unbroken


def test_what_came_of_a_trial_changes_what_is_proposed(
    unbroken: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Or else the sampler would not learn, and all of this would hold of mere chance."""
    study = opened(tmp_path)
    for _ in range(TRIALS):
        (proposal,) = study.propose(1)
        size = proposal.values["prune.layers"] * proposal.values["prune.ffn"]
        study.tell(
            proposal,
            Result(
                COMPLETE,
                "",
                2.0,
                {"quality": 1.0, "divergence": float(size), "cost": -float(size), "bytes": 1},
            ),
        )
    assert [one.values for one in study.tried()] != unbroken


@pytest.mark.parametrize("killed_at", [0, 3, 9])
def test_killed_and_opened_again_it_proposes_the_same(
    unbroken: list[dict[str, Any]], tmp_path: Path, killed_at: int
) -> None:
    study = opened(tmp_path)
    for _ in range(killed_at):
        (proposal,) = study.propose(1)
        study.tell(proposal, result(proposal.values))
    (interrupted,) = study.propose(1)
    again = opened(tmp_path)
    assert again.revived == 1
    (revived,) = again.propose(5)
    assert revived.values == interrupted.values
    assert revived.place == interrupted.place == killed_at
    again.tell(revived, result(revived.values))
    assert searched(again) == unbroken


@pytest.mark.parametrize("killed_at", [0, 3, 9])
def test_trial_killed_between_its_result_and_the_samplers_learning_of_it(
    unbroken: list[dict[str, Any]], tmp_path: Path, killed_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = opened(tmp_path)
    for _ in range(killed_at):
        (proposal,) = study.propose(1)
        study.tell(proposal, result(proposal.values))
    (interrupted,) = study.propose(1)
    with monkeypatch.context() as kill:
        kill.setattr(Study, "_close", lambda *_: None)
        study.tell(interrupted, result(interrupted.values))
    again = opened(tmp_path)
    assert again.revived == 0
    assert len(again.tried()) == killed_at + 1
    assert searched(again) == unbroken


def test_a_batch_that_was_killed_is_done_by_itself_first(tmp_path: Path) -> None:
    whole = searched(opened(tmp_path / "whole"), workers=3)
    study = opened(tmp_path / "killed")
    _told(study, study.propose(3))
    batch = study.propose(3)
    _told(study, batch[:1])
    again = opened(tmp_path / "killed")
    assert [one.values for one in again.propose(3)] == [one.values for one in batch[1:]]
    last = opened(tmp_path / "killed")
    assert last.revived == 2
    assert searched(last, workers=3) == whole


def _told(study: Study, batch: list[Proposal]) -> None:
    for proposal in batch:
        study.tell(proposal, result(proposal.values))


def test_a_space_that_is_used_up_ends_the_search(tmp_path: Path) -> None:
    small = {key: SPACE[key] for key in ("prune.layers", "prune.ffn")}
    study = opened(tmp_path, space={**small, "prune.ffn": [256, 512]})
    found = [proposal.values for _ in range(8) for proposal in _one(study)]
    assert len({json.dumps(values) for values in found}) == 8
    assert study.propose(1) == []


def _one(study: Study) -> list[Proposal]:
    batch = study.propose(1)
    _told(study, batch)
    return batch


def test_time_spent_is_kept(tmp_path: Path) -> None:
    study = opened(tmp_path)
    assert study.seconds == 0
    study.spend(12.5)
    study.spend(1)
    assert opened(tmp_path).seconds == 13.5
