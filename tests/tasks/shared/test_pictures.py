from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.shared import pictures


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        (["sport", "tech"], ["sport", "tech"]),
        (["спорт", "größe"], ["спорт", "größe"]),
        (["体育", "科技"], ["0", "1"]),
        (["a" * 25, "b"], ["0", "1"]),
        ([f"label {n}" for n in range(31)], [str(n) for n in range(31)]),
    ],
)
def test_labels_that_would_not_be_readable_are_numbered(labels: list[str], shown: list[str]) -> None:
    assert pictures.tick_names(labels) == shown


@pytest.mark.parametrize("labels", [["a", "$x_1$"], [f"体育{n}" for n in range(13)], [f"intent_{n}" for n in range(77)]])
def test_pictures_are_drawn_and_the_same_twice(tmp_path: Path, labels: list[str]) -> None:
    counts = np.random.default_rng(0).integers(0, 9, (len(labels), len(labels)))
    bins = {"teacher": [{"bin": 14, "rows": 3, "confidence": 0.97, "accuracy": 1.0}], "final": []}
    for name in ("one", "two"):
        pictures.confusion(counts, labels, tmp_path / f"{name}-confusion.png")
        pictures.reliability(bins, tmp_path / f"{name}-reliability.png")
    for picture in ("confusion", "reliability"):
        assert (tmp_path / f"one-{picture}.png").read_bytes() == (tmp_path / f"two-{picture}.png").read_bytes()
