from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.benchmark import plots
from tests.pictures import picture

NO_FONT_HAS_IT = chr(0x0378)
"""No character: Unicode has none of this number."""


@pytest.mark.parametrize(
    ("labels", "shown"),
    [
        (["sport", "tech"], ["sport", "tech"]),
        (["спорт", "größe"], ["спорт", "größe"]),
        ([NO_FONT_HAS_IT, "b"], ["0", "1"]),
        (["a" * 25, "b"], ["0", "1"]),
        (["pay\u202epal", "b"], ["0", "1"]),
        (["pay\u200bpal", "b"], ["0", "1"]),
        ([f"label {n}" for n in range(31)], [str(n) for n in range(31)]),
    ],
)
def test_labels_that_would_not_be_readable_are_numbered(labels: list[str], shown: list[str]) -> None:
    assert plots.tick_names(labels) == shown


@pytest.mark.parametrize(
    "labels",
    [["a", "$x_1$"], [f"{NO_FONT_HAS_IT}{n}" for n in range(13)], [f"intent_{n}" for n in range(77)]],
)
def test_pictures_are_drawn_and_the_same_twice(tmp_path: Path, labels: list[str]) -> None:
    counts = np.random.default_rng(0).integers(0, 9, (len(labels), len(labels)))
    bins = {"teacher": [{"bin": 14, "rows": 3, "confidence": 0.97, "accuracy": 1.0}], "final": []}
    for name in ("one", "two"):
        plots.confusion(counts, labels, tmp_path / f"{name}-confusion.png")
        plots.reliability(bins, tmp_path / f"{name}-reliability.png")
    for drawn in ("confusion", "reliability"):
        assert (tmp_path / f"one-{drawn}.png").read_bytes() == (tmp_path / f"two-{drawn}.png").read_bytes()


@pytest.mark.parametrize("caption", ["label: cat\nanswer: dog (0.99)", r"label: $\a$", NO_FONT_HAS_IT])
def test_thumbnails_bear_any_caption(tmp_path: Path, caption: str) -> None:
    plots.thumbnails([np.asarray(picture(seed)) for seed in range(7)], [caption] * 7, tmp_path / "sheet.png")
    plots.thumbnails([np.asarray(picture(seed)) for seed in range(7)], [""] * 7, tmp_path / "bare.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > sheet.height > 300
    assert (tmp_path / "sheet.png").read_bytes() != (tmp_path / "bare.png").read_bytes()
