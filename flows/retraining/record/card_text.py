"""What comes from data, as Markdown that says just that.

No link, picture, tag or table line can be smuggled in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from tasks.core import escape

LONGEST = 300
NOT_KNOWN = "–"


def literal(value: Any) -> str:
    """One line in which every sign stands for itself, at most `LONGEST` of them."""
    return escape.markdown(value, LONGEST)


def paragraphs(text: str) -> list[str]:
    """A text of several lines, literally; an empty line begins a new paragraph."""
    parts = (" ".join(part.split()) for part in re.split(r"\n\s*\n", text))
    return [" ".join(literal(piece) for piece in _pieces(part)) for part in parts if part]


def _pieces(text: str) -> list[str]:
    """At spaces, so that `literal` cuts none short unless a word alone is too long."""
    pieces: list[str] = []
    for word in text.split():
        if pieces and len(pieces[-1]) + len(word) < LONGEST:
            pieces[-1] += f" {word}"
        else:
            pieces.append(word)
    return pieces


def code(value: Any) -> str:
    """In the letters of code; for hashes, paths and names."""
    return escape.code(value, LONGEST) or NOT_KNOWN


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Cells are Markdown already."""
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, ["---"] * len(heads), *rows])


def megabytes(count: Any) -> str:
    return f"{count / 1e6:.2f} MB" if isinstance(count, (int, float)) else NOT_KNOWN


def named(values: Any) -> str:
    """`{"a": 1, "b": {"c": 2}}` as `a: 1, b: (c: 2)`."""
    if isinstance(values, dict):
        inner = (
            f"{literal(name)}: {f'({named(value)})' if isinstance(value, dict) else named(value)}"
            for name, value in values.items()
        )
        return ", ".join(inner)
    if isinstance(values, list):
        return ", ".join(map(named, values))
    return literal(values)
