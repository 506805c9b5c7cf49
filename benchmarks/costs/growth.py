"""How seconds grow with a size: the power law through the points, and what it says in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

HARDLY, LESS, MORE = 0.2, 0.85, 1.15
"""Exponents below which seconds hardly grow, up to which they grow less than the size, and above which more.
"""


@dataclass(frozen=True)
class Curve:
    """Of one series and one factor: sizes from small to large, and the seconds of each in every round."""

    sizes: Sequence[float]
    seconds: Sequence[Sequence[float]]

    @property
    def medians(self) -> list[float]:
        return [median(each) for each in self.seconds]

    @property
    def law(self) -> tuple[float, float]:
        """(a, b) of seconds = a · size ** b, by least squares of the medians' logarithms."""
        return _law(self.sizes, self.medians)

    @property
    def exponents(self) -> tuple[float, float]:
        """The least and the greatest of those of single rounds."""
        each = [_law(self.sizes, one)[1] for one in zip(*self.seconds, strict=True)]
        return min(each), max(each)

    @property
    def miss(self) -> float:
        """By what share of itself the farthest median is off the law."""
        return max(
            abs(at / seconds - 1) for at, seconds in zip(self.fitted(self.sizes), self.medians, strict=True)
        )

    @property
    def times(self) -> tuple[float, float]:
        """How many times the smallest the largest size is, and its seconds."""
        return self.sizes[-1] / self.sizes[0], self.medians[-1] / self.medians[0]

    def fitted(self, sizes: Sequence[float]) -> list[float]:
        factor, exponent = self.law
        return [factor * size**exponent for size in sizes]

    def reading(self) -> str:
        """In a line."""
        (size, seconds), exponent = self.times, self.law[1]
        doubled = f"twice the size takes {2**exponent:.2f} × the time"
        if exponent < HARDLY:
            how = "hardly grows"
        elif exponent < LESS:
            how = "grows less than the size"
        else:
            how = "grows more than the size" if exponent > MORE else "grows as the size does"
        return f"{how}: {size:.1f} × the size took {seconds:.2f} × the time; by the law, {doubled}"


def _law(sizes: Sequence[float], seconds: Sequence[float]) -> tuple[float, float]:
    exponent, height = np.polyfit(np.log(sizes), np.log(seconds), 1)
    return float(np.exp(height)), float(exponent)
