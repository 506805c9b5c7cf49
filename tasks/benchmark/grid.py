"""What the sections of the report have in common: tables, and figures with their bounds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Figures = Mapping[str, Any]
NOT_KNOWN = "–"
NOT_VARIANTS = frozenset({"gates", "measured", "hardware", "load", "categories", "points"})


def variants(figures: Figures) -> list[str]:
    return [name for name in figures if name not in NOT_VARIANTS]


def timed(figures: Figures, timings: Figures) -> list[str]:
    """The variants that are models, and have times; an answer without one has none."""
    return [name for name in variants(figures) if name in timings]


def with_bounds(figures: Mapping[str, float], name: str) -> str:
    return f"{figures[name]:.3f} [{figures[f'{name}_low']:.3f}, {figures[f'{name}_high']:.3f}]"


def grid(heads: Sequence[str], rows: Iterable[Sequence[str]], alignment: str = "---:") -> str:
    """A table of Markdown; cells are Markdown already."""
    lines = [heads, ["---", *[alignment] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
