"""The sizes at which costs are measured.

One point in the middle, and for each factor a smaller and a larger one while the others stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

from tasks.core.errors import ModelError

ROWS, TOKENS, MODELS = (128, 256, 512), (16, 32, 64), ("small", "middle", "large")
"""Rows fill the batches of 64 in which a teacher labels and those of 32 in which a student learns."""
SHARES = {"small": (1 / 3, 1 / 2), "middle": (1 / 2, 2 / 3), "large": (1, 1)}
"""Model -> which shares of the teacher's layers and of its widths it has."""
NEEDED = {"layers", "hidden", "ffn"}


@dataclass(frozen=True)
class Point:
    rows: int
    tokens: int
    model: str
    """A key of SHARES."""

    @property
    def name(self) -> str:
        return f"{self.rows} rows of {self.tokens} tokens, {self.model} model"


@dataclass(frozen=True)
class Grid:
    """Three sizes of each factor, from the smallest to the largest."""

    rows: Sequence[int] = ROWS
    tokens: Sequence[int] = TOKENS

    @property
    def points(self) -> list[Point]:
        """Each once, the middle one first."""
        curves = [self.curve(factor) for factor in ("rows", "tokens", "model")]
        return list(dict.fromkeys([curves[0][1], *(point for curve in curves for point in curve)]))

    def curve(self, factor: str) -> list[Point]:
        """The points that differ in this field of theirs alone."""
        middle = {"rows": self.rows[1], "tokens": self.tokens[1], "model": MODELS[1]}
        sizes: Sequence[Any] = {"rows": self.rows, "tokens": self.tokens, "model": MODELS}[factor]
        return [Point(**{**middle, factor: size}) for size in sizes]


def of_models(config: Any) -> dict[str, dict[str, int]]:
    """Model -> its layers and widths, as `prune` takes them. Heads keep their width.

    Raises:
        ModelError: the teacher has other sizes than these.
    """
    from tasks.prune import registry

    architecture = registry.pruner(config)
    whole = architecture.sizes(config)
    if not whole.keys() >= NEEDED:
        raise ModelError(
            "finetune/out",
            f"has the sizes {', '.join(whole)}; costs are measured of models with "
            f"{', '.join(sorted(NEEDED))}",
        )
    return {
        name: {
            "layers": max(1, round(whole["layers"] * layers)),
            **{
                width: _rounded(whole[width] * widths, architecture.grain(config, width))
                for width in ("hidden", "ffn")
            },
        }
        for name, (layers, widths) in SHARES.items()
    }


def _rounded(width: float, grain: int) -> int:
    return max(1, round(width / grain)) * grain


def joined(texts: Iterable[str], rows: int, words: int) -> list[str]:
    """So many texts of so many words each.

    The given ones joined and cut, from the beginning again when they are at their end.
    """
    endless = cycle(" ".join(texts).split())
    return [" ".join(islice(endless, words)) for _ in range(rows)]
