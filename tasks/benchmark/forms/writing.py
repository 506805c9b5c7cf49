"""The forms in which a model writes: a checkpoint in torch, and the folder that ships. One more form is one
more class.

They look as the forms in variants.py do from outside; what they answer are texts. What is timed writes as
many pieces as the right answer has, whatever ends a text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.progress import track
from tasks.export.package import GRAPH

if TYPE_CHECKING:
    from tasks.benchmark.forms.variants import Setting, Source
    from tasks.kinds.base.generation import Writer
    from tasks.kinds.base.kind import Kind, Row

NATS_DIGITS = 3
"""Of a row: what another order of the same sums changes lies below, and all intervals far above."""
SIDE_BY_SIDE = 16
"""Rows that a checkpoint writes to at once, where no time is taken."""


class Writing:
    """What both forms have in common."""

    def __init__(
        self, name: str, writer: Writer, kind: Kind, size: int, parameters: int | None, at_once: int = 1
    ) -> None:
        self.name, self.parameters, self.bytes = name, parameters, size
        self.unended = 0.0
        """The share of answers that the greatest length ended."""
        self._writer, self._raw_input, self._at_once = writer, kind.package.raw_input, at_once

    def predict(self, rows: Sequence[Row]) -> np.ndarray:
        starts = range(0, len(rows), self._at_once)
        found = [
            one
            for at in track(starts, label=self.name)
            for one in self._writer.write([self._raw_input(row) for row in rows[at : at + self._at_once]])
        ]
        self.unended = sum(not one.ended for one in found) / max(1, len(found))
        return np.array([one.text for one in found])

    def pieces(self, rows: Sequence[Row]) -> list[int]:
        """How many the right answers have."""
        return [self._writer.count(row["label"]) for row in rows]

    def nats(self, rows: Sequence[Row]) -> np.ndarray:
        """(n, 2): how unlikely the right answer to each row is, in nats, and how many pieces it has."""
        found = []
        for row in track(rows, label=f"{self.name} reads"):
            logits = self._writer.forced(self._raw_input(row), row["label"])
            pieces = self._writer.pieces_of(row["label"])
            found.append((sum(map(_nats, logits, pieces)), len(pieces)))
        return np.round(np.array(found), NATS_DIGITS)

    def answer(self, row: Row) -> str:
        return self._writer.just([self._raw_input(row)], self.pieces([row]))[0]

    def prepare(self, rows: Sequence[Row], length: int | None) -> tuple[list[Any], list[int]]:
        """`length` pieces for each row, or as many as the right answers have."""
        counts = self.pieces(rows) if length is None else [length] * len(rows)
        return [self._raw_input(row) for row in rows], counts

    def forward(self, batch: tuple[list[Any], list[int]]) -> list[str]:
        return self._writer.just(*batch)

    def use(self, threads: int) -> None:
        self._writer.use(threads)


class WritingInTorch(Writing):
    """A checkpoint in torch, float32, as transformers generates with it."""

    def __init__(self, source: Source, setting: Setting) -> None:
        import torch

        from tasks.benchmark.forms.variants import size_of
        from tasks.models import checkpoint, low_rank

        kind = setting.load_kind()
        model = checkpoint.load_model(source.folder, kind, torch.device(setting.device))
        writer = kind.generation.checkpoint(  # type: ignore[union-attr]
            model, kind.model.load_processor(source.folder), setting.input_size
        )
        size, parameters = size_of(source.folder), low_rank.parameters(model)
        super().__init__(source.name, writer, kind, size, parameters, SIDE_BY_SIDE)


class WritingShipped(Writing):
    """A shippable folder, opened as its user opens it: without torch or transformers, a row at a time."""

    def __init__(self, source: Source, setting: Setting) -> None:
        from tasks.benchmark.forms.variants import size_of

        kind = setting.load_kind()
        writer = kind.generation.shipped(source.folder, source.folder / GRAPH)  # type: ignore[union-attr]
        super().__init__(source.name, writer, kind, size_of(source.folder), None)


def _nats(logits: np.ndarray, piece: int) -> float:
    """The negative log-probability of a piece by logits (c,)."""
    whole = logits.astype(np.float64) - logits[piece]
    highest = whole.max()
    return float(highest + np.log(np.exp(whole - highest).sum()))
