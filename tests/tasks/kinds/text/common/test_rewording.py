"""Variations of texts.

What each share does, that shares are kept, and that chance comes from the seed alone.
"""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from tasks.core.errors import ModelError
from tasks.kinds.base.kind import Rewording
from tasks.kinds.text.common.rewording import reworded
from tests import tiny

ROWS = tiny.rows(200)
MASK = "[MASK]"
TOKENIZER = SimpleNamespace(mask_token=MASK)
NONE = {"drop": 0.0, "mask": 0.0, "replace": 0.0, "swap": 0.0}


def varied(rows: list[dict[str, Any]] = ROWS, seed: int = 0, **how: Any) -> list[dict[str, Any]]:
    return reworded(rows, Rewording(**{"copies": 1, **NONE, **how}), seed, TOKENIZER)


def words(rows: list[dict[str, Any]]) -> list[str]:
    return [word for row in rows for word in row["text"].split()]


def test_without_shares_texts_stay_and_their_labels_go() -> None:
    assert varied(copies=2) == [
        {**row, "id": f"{row['id']}~{copy}", "label": None} for copy in range(2) for row in ROWS
    ]


def test_dropped_words_are_missing_and_the_others_stay_in_their_order() -> None:
    result = varied(drop=0.3)
    assert 0.6 < len(words(result)) / len(words(ROWS)) < 0.8
    for row, before in zip(result, ROWS, strict=True):
        rest = iter(before["text"].split())
        assert all(word in rest for word in row["text"].split())
        assert row["text"]


def test_masked_words_stand_where_they_stood() -> None:
    before, after = words(ROWS), words(varied(mask=0.2))
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert set(changed) == {MASK}
    assert 0.15 < len(changed) / len(before) < 0.25


def test_replacing_words_are_those_of_other_rows() -> None:
    before, after = words(ROWS), words(varied(replace=0.2))
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert set(changed) <= set(before)
    assert 0.15 < len(changed) / len(before) < 0.25


def test_exchanged_words_stay_in_their_text() -> None:
    result = varied(swap=0.3)
    assert result != varied()
    for row, before in zip(result, ROWS, strict=True):
        assert Counter(row["text"].split()) == Counter(before["text"].split())


def test_a_text_of_one_word_is_never_empty() -> None:
    one = [{"id": "a", "text": "word", "label": "tech"}] * 100
    assert {row["text"] for row in varied(one, drop=0.3)} == {"word"}


def test_languages_without_blanks_get_none() -> None:
    result = varied([{"id": "a", "text": "今天天气很好", "label": "x"}] * 50, drop=0.3, swap=0.3)
    assert not any(" " in row["text"] for row in result)
    assert len({row["text"] for row in result}) > 20


def test_same_seed_same_texts_and_further_copies_leave_the_first_ones_alone() -> None:
    how: dict[str, Any] = {"drop": 0.1, "mask": 0.1, "replace": 0.1, "swap": 0.1}
    one, two = varied(copies=1, **how), varied(copies=2, **how)
    assert two[: len(one)] == one
    assert two[len(one) :] != one
    assert varied(copies=1, seed=1, **how) != one


def test_tokenizer_without_a_mask_piece_cannot_mask() -> None:
    with pytest.raises(
        ModelError, match=r"distill\.rewording\.mask = 0\.1: the tokenizer has no mask piece; write 0\.0"
    ):
        reworded(ROWS, Rewording(copies=1, **{**NONE, "mask": 0.1}), 0, SimpleNamespace(mask_token=None))
