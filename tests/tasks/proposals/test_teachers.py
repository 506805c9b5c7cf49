"""Which teacher is proposed, and how long it is trained."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.proposals.proposal import Wish
from tasks.proposals.text import classification, teachers, values
from tests.tasks.proposals.test_static import facts

CLASSES = 4


def planned(train: int, **wish: float) -> tuple[Any, float]:
    made = classification.plan(facts(30_522, train, 9_000), Wish("balanced", None, 0.01, **wish))
    return made.values, made.minutes


@pytest.mark.parametrize(
    ("train", "sentence"),
    [
        (CLASSES * teachers.FEW_LABELS, True),
        (CLASSES * teachers.FEW_LABELS + 1, False),
        (teachers.MANY_ROWS - 1, False),
        (teachers.MANY_ROWS, True),
    ],
)
def test_few_labels_and_many_rows_begin_from_what_the_encoder_knows(train: int, sentence: bool) -> None:
    run, _ = planned(train)
    assert ("sentence" in run["pretrain"]) == ("probe" in run["finetune"]) == sentence
    few = train == CLASSES * teachers.FEW_LABELS
    assert (run["finetune"]["learning_rate"].value < teachers.RATE) == few


@pytest.mark.parametrize(("train", "epochs"), [(300, 27), (2_000, 4), (3_000, 4), (8_000, 3), (40_000, 1)])
def test_epochs_follow_from_steps(train: int, epochs: int) -> None:
    """Many rows are not passed over more often than they need."""
    assert planned(train)[0]["finetune"]["epochs"].value == epochs


def test_fewer_steps_take_fewer_minutes() -> None:
    (usual, long), (short, less) = planned(100), planned(100, effort=0.5)
    assert short["pretrain"]["sentence"].value["steps"] < usual["pretrain"]["sentence"].value["steps"]
    assert less < long


@pytest.mark.parametrize("train", [CLASSES * teachers.FEW_LABELS, 2_000, 8_000])
def test_the_steps_that_minutes_follow_from_are_those_of_the_run(train: int) -> None:
    known = facts(30_522, train, 9_000)
    made = teachers.teacher(known, values.Seen.of(known), 1.0)
    steps = made.finetune["epochs"].value * train // made.finetune["batch_size"].value
    sentence = made.pretrain["sentence"].value["steps"] if made.pretrain else 0
    assert made.work.steps == steps + sentence
