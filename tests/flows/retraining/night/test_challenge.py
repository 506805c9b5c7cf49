"""How a challenger begins."""

from __future__ import annotations

import pytest

from flows.retraining.night import challenge

SOURCE = "runs.a.pretrain.source={folder: x, sha256: y}"


@pytest.mark.parametrize(
    ("pretrain", "changed"),
    [
        ({"sentence": {"steps": 5}}, [SOURCE, "runs.a.pretrain.sentence=null"]),
        ({"sentence": None}, [SOURCE]),
        ({}, [SOURCE]),
    ],
)
def test_a_teacher_that_begins_from_the_champion_learns_no_sentence_vector_anew(
    pretrain: dict[str, object], changed: list[str]
) -> None:
    assert challenge.overrides_of_warm_start("a", pretrain, "{folder: x, sha256: y}") == changed
