"""Kept answers: they come back as they were, and only to the rows that were asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from tasks.core.errors import DataError
from tasks.kinds.base.rows import Features, Row
from tasks.models import outputs
from tasks.models.outputs import Outputs

ROWS: list[Row] = [{"id": "a1"}, {"id": "pool:é"}, {"id": "c3~2"}]
FEATURES: list[Features] = [{"where": [1, 2]}, {"where": [1]}, {"where": []}]
LOGITS = np.arange(6, dtype=np.float32).reshape(3, 2)


def kept(folder: Path) -> Outputs:
    outputs.write(Outputs.to(ROWS, FEATURES, LOGITS), folder / "outputs" / "train.safetensors")
    return outputs.read(folder / "outputs" / "train.safetensors")


def test_answers_come_back_with_the_ids_of_their_rows(tmp_path: Path) -> None:
    found = kept(tmp_path)
    assert (found.ids, found.decisions) == (["a1", "pool:é", "c3~2"], [2, 1, 0])
    assert np.array_equal(found.of(ROWS, FEATURES), LOGITS)
    assert np.array_equal(found.first_of(ROWS[:1], FEATURES[:1]), LOGITS[:2])
    first = (tmp_path / "outputs" / "train.safetensors").read_bytes()
    kept(tmp_path)
    assert (tmp_path / "outputs" / "train.safetensors").read_bytes() == first


def test_no_rows_have_no_ids(tmp_path: Path) -> None:
    outputs.write(Outputs.to([], [], LOGITS[:0]), tmp_path / "outputs" / "pool.safetensors")
    assert outputs.read(tmp_path / "outputs" / "pool.safetensors").of([], []).shape == (0, 2)


@pytest.mark.parametrize(
    ("rows", "features", "said"),
    [
        (ROWS[::-1], FEATURES, "outputs/train.safetensors: row 1 is `a1`, and is paired with `c3~2`"),
        (ROWS[:2], FEATURES[:2], "answers 3 rows, and is paired with 2"),
        (ROWS, [{}, {}, {}], "row `a1` has 2 answers, and 1 decisions"),
    ],
)
def test_answers_to_other_rows_are_refused(
    tmp_path: Path, rows: list[Row], features: list[Features], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        kept(tmp_path).of(rows, features)


def test_answers_without_ids_are_refused(tmp_path: Path) -> None:
    save_file({"logits": LOGITS}, tmp_path / "old.safetensors")
    with pytest.raises(DataError, match="holds no decisions and no ids: it is of an older Slipway"):
        outputs.read(tmp_path / "old.safetensors")
