"""What a kind says of how its rows and mistakes are shown to people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.kinds.base.rows import Row

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Report:
    """How rows are shown. `m` decisions, `c` labels."""

    mistake: Callable[[Row, np.ndarray, np.ndarray, Sequence[str]], dict[str, str]]
    """(row, probabilities (m, c), labels (m,), label names) -> a wrong answer beside the right one: a line of
    a table, by its heads."""
    shown: Callable[[Row], str | np.ndarray]
    """The row as its reader sees it: its text, or a picture (height, width, 3) of whole numbers from 0 to
    255."""
