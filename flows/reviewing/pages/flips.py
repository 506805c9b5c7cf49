"""The rows that turned wrong and those that turned right, the surest of the wrong answers first."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flows.reviewing.compared.quality import Flip, Quality
from flows.reviewing.pages.page import Block, Paragraph, Picture, Section, Table, foreign

if TYPE_CHECKING:
    import numpy as np


def sections(run: str, quality: Quality) -> Iterator[Block]:
    for name, title, flips, count in (
        ("lost", "Rows that became wrong", quality.lost, quality.lost_rows),
        ("gained", "Rows that became right", quality.gained, quality.gained_rows),
    ):
        if flips:
            shown = f", the {len(flips)} with the surest wrong answer" if count > len(flips) else ""
            yield Section(f"{title}: {count}{shown}", list(_blocks(f"{run}-{name}.png", flips)))
        else:
            yield Paragraph(f"{title}: none.")


def _blocks(name: str, flips: Sequence[Flip]) -> Iterator[Block]:
    if pictures := [flip.picture for flip in flips if flip.picture is not None]:
        yield Picture(name, "the rows as pictures, numbered as below", _sheet(pictures))
    heads = ["no.", *flips[0].cells]
    yield Table(
        heads,
        [
            [str(at), *(foreign(flip.cells.get(head, "")) for head in heads[1:])]
            for at, flip in enumerate(flips, 1)
        ],
        left=len(heads),
    )


def _sheet(pictures: Sequence[np.ndarray]) -> bytes:
    from tasks.benchmark.plots import thumbnails

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "sheet.png"
        thumbnails(pictures, [""] * len(pictures), file)
        return file.read_bytes()
