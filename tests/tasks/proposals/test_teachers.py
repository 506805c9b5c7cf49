"""Which teacher is proposed: another one where labels are few."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.proposals.proposal import Wish
from tasks.proposals.text import classification, teachers
from tests.tasks.proposals.test_static import facts

CLASSES = 4


def planned(train: int, **wish: float) -> tuple[Any, float]:
    made = classification.plan(facts(30_522, train, 9_000), Wish("balanced", None, 0.01, **wish))
    return made.values, made.minutes


@pytest.mark.parametrize(
    ("train", "few"), [(CLASSES * teachers.FEW_LABELS, True), (CLASSES * teachers.FEW_LABELS + 1, False)]
)
def test_few_labels_begin_from_what_the_encoder_knows(train: int, few: bool) -> None:
    run, _ = planned(train)
    assert ("sentence" in run["pretrain"]) == ("probe" in run["finetune"]) == few
    assert (run["finetune"]["learning_rate"].value < 0.0001) == few


def test_fewer_steps_take_fewer_minutes() -> None:
    (usual, long), (short, less) = planned(100), planned(100, effort=0.5)
    assert short["pretrain"]["sentence"].value["steps"] < usual["pretrain"]["sentence"].value["steps"]
    assert less < long
