"""Kept answers: they come back as they were, and only to the rows that were asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from tasks.core.errors import DataError
from tasks.kinds.base import answers
from tasks.kinds.base.answers import Likeliest
from tasks.kinds.base.rows import IGNORED, Features, Row
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
    assert np.array_equal(np.asarray(found.of(ROWS, FEATURES)), LOGITS)
    assert np.array_equal(np.asarray(found.first_of(ROWS[:1], FEATURES[:1])), LOGITS[:2])
    first = (tmp_path / "outputs" / "train.safetensors").read_bytes()
    kept(tmp_path)
    assert (tmp_path / "outputs" / "train.safetensors").read_bytes() == first


def test_no_rows_have_no_ids(tmp_path: Path) -> None:
    outputs.write(Outputs.to([], [], LOGITS[:0]), tmp_path / "outputs" / "pool.safetensors")
    assert outputs.read(tmp_path / "outputs" / "pool.safetensors").logits.shape == (0, 2)


def test_the_likeliest_labels_come_back_too(tmp_path: Path) -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0, 3.0], [2.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 9.0]])
    made = answers.of(logits, torch.tensor([2, IGNORED, 3]), 2)
    outputs.write(Outputs.to(ROWS, FEATURES, made), tmp_path / "outputs" / "train.safetensors")
    found = outputs.read(tmp_path / "outputs" / "train.safetensors")
    kept = found.of(ROWS, FEATURES)
    assert isinstance(kept, Likeliest)
    assert kept.labels.tolist() == [[1, 3], [0, 3], [3, 0]]
    wanted = logits.log_softmax(-1)
    of_kept = wanted.gather(1, torch.from_numpy(kept.labels).long())
    assert torch.allclose(torch.from_numpy(kept.logs), of_kept)
    assert np.allclose(kept.right, [float(wanted[0, 2]), np.nan, float(wanted[2, 3])], equal_nan=True)
    assert len(found.first_of(ROWS[:1], FEATURES[:1])) == 2
    with pytest.raises(DataError, match=r"train\.safetensors: holds the likeliest labels alone"):
        _ = found.logits


def test_answers_of_batches_are_put_in_order() -> None:
    logits, truth = (
        torch.randn(5, 4, generator=torch.Generator().manual_seed(0)),
        torch.tensor([0, 1, 2, 3, 0]),
    )
    for count in (None, 3):
        whole = answers.of(logits, truth, count)
        places = [np.array([4, 2]), np.array([0, 1, 3])]
        parts = [answers.of(logits[at], truth[at], count) for at in places]
        for made in (
            answers.in_order(parts, places),
            answers.joined([answers.none(count, 4), whole[:2], whole[2:]]),
        ):
            for one, other in zip(_tensors(made), _tensors(whole), strict=True):
                assert torch.equal(one, other)


def _tensors(found: answers.Answers) -> list[torch.Tensor]:
    made = answers.tensors(found)
    return [made] if isinstance(made, torch.Tensor) else [made.labels, made.logs]


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
