"""What a kind says of quality: statistics per row, and the figures that follow from their sums.

An answer to a decision is the number of a label, where answers are texts the text itself. Whatever is
measured, it is measured row by row: `statistics` gives s numbers for each row, and every figure is a function
of their sums. Sums are what the bootstrap draws, so that each figure has an interval. A mean over rows needs
a column of ones, or the length of each row, beside what is summed: exact match has (right, 1), chrF the hits
and totals of each order of n-grams.

Counts per category are the ready-made part for labels: tasks/kinds/base/counts.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.kinds.base.rows import Row, Truth

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Baseline:
    """A fitted linear model."""

    predict: Callable[[Sequence[Row]], np.ndarray]
    """Rows -> probabilities (m, c)."""
    parameters: int
    bytes: int
    """Of its weights, and of the names of its features."""


@dataclass(frozen=True)
class Categories:
    """What precision, recall and confusions are reported of, by kinds whose statistics are `counts`."""

    names: Callable[[Sequence[str]], list[str]]
    """Label names -> the k categories."""
    coarse: Callable[[Sequence[str]], list[str]]
    """Label names -> the name of each in a confusion matrix."""


@dataclass(frozen=True)
class Quality:
    """How answers are measured. `n` rows, `m` decisions, `s` statistics."""

    headline: str
    """The figure by which checkpoints and recipes are chosen, more is better; a key of `figures`."""
    statistics: Callable[[Any, Truth], np.ndarray]
    """(answers as `decided` gives them, right answers) -> (n, s) numbers for each row, whose sums decide all
    figures."""
    figures: Callable[[np.ndarray], dict[str, np.ndarray]]
    """(..., s) sums of `statistics` -> each figure, of shape (...)."""
    baseline: Callable[[Sequence[Row], Sequence[str], int], Baseline]
    """(training rows, label names, seed) -> what is fitted to them, usually a linear model."""
    baseline_is: str = "a linear model on the same training rows"
    """What the report calls the baseline."""
    categories: Categories | None = None
    """None where statistics are not counted by category: tables by category are then left out."""

    def measure(self, answers: Any, truth: Truth) -> dict[str, float]:
        """The figures of answers (m,) to some rows."""
        sums = self.statistics(answers, truth).sum(axis=0)
        return {name: float(value) for name, value in self.figures(sums).items()}

    def headline_of(self, sums: np.ndarray) -> np.ndarray:
        """(..., s) sums of `statistics` -> the headline figure (...)."""
        return self.figures(sums)[self.headline]

    def category_names(self, labels: Sequence[str]) -> list[str]:
        """The categories of these label names; none if nothing is counted by category."""
        return self.categories.names(labels) if self.categories else []


def decided(answers: Any) -> Any:
    """Answers as `statistics` takes them: the likeliest labels (m,) of probabilities or logits (m, c); texts
    (m,), and likeliest labels with their log-probabilities, as they are."""
    return answers.argmax(1) if getattr(answers, "ndim", 1) == 2 else answers
