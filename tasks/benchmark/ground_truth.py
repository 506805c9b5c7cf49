"""The right answers to rows, as figures are counted from them.

Cheap to import, unlike the metrics themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Truth:
    """Labels (m,) of all decisions, the number of decisions of each row (n,), and the label names."""

    labels: np.ndarray
    decisions: Sequence[int]
    names: Sequence[str]

    def of_row(self, row: int) -> slice:
        """Where the decisions of a row stand among all."""
        end = sum(self.decisions[: row + 1])
        return slice(end - self.decisions[row], end)

    def per_row(self, values: np.ndarray) -> np.ndarray:
        """Sums of values (m, ...) of the decisions over each row: (n, ...)."""
        starts = np.cumsum([0, *self.decisions[:-1]])
        sums: np.ndarray = np.add.reduceat(values, starts, axis=0)
        return sums
