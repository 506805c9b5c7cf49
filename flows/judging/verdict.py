"""Whether a challenger is better than a champion, worse, no different, or whether the data are too few to
tell.

Two sources of chance stand between two figures: other rows would have been asked, and the same recipe trained
with another seed would have come out otherwise. The first is estimated by the paired bootstrap over rows
(Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13), the second from models of one
recipe that differ by their seed alone (`spread_of`). Both variances are added.

A spread of few seeds is itself uncertain, so the quantile is that of a t distribution. The spread is what the
figures vary over seeds less what rows explain of that; with the rows' variance added again, the sum is as
uncertain as the figures' own variance and has its `seeds - 1` degrees of freedom (Gaylor and Hopper,
Estimating the Degrees of Freedom for Linear Combinations of Mean Squares by Satterthwaite's Formula, 1969).
That holds if the spread was measured on about as many rows as are compared, and is on the safe side if on
more. Where rows explain all the variation over seeds, theirs is the only variance and the quantile is the
normal one. How often such verdicts err: docs/results/calibration.md.

"No difference" is a claim, too: the whole interval lies within the margin (Schuirmann, two one-sided tests,
1987; here with the 95 % interval, which is stricter than the usual 90 %).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

import numpy as np

from tasks.benchmark.bootstrap import resampled_sums
from tasks.kinds.base import counts
from tasks.kinds.base.kind import Kind
from tasks.kinds.base.rows import Truth

Verdict = Literal["better", "worse", "no difference", "not enough data"]
CONFIDENCE = 0.95
LEAST_ROWS = 50
"""Below that the bootstrap's picture of chance is itself chance."""


@dataclass(frozen=True)
class Spread:
    """How far trainings of one recipe lie apart that differ by their seed alone, the rows' part of it taken
    out.

    `deviation` is of the headline figure, `categories` of each category's F1; `seeds` is how many models it
    was estimated from.
    """

    seeds: int
    deviation: float
    categories: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Difference:
    """Challenger less champion, with its 95 % interval."""

    champion: float
    challenger: float
    low: float
    high: float

    @property
    def value(self) -> float:
        return self.challenger - self.champion

    @property
    def visible(self) -> float:
        """Half the interval's width: a smaller true difference could not have been told from none."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Comparison:
    """`gained` and `lost` count the decisions that only the challenger, or only the champion, makes right;
    `rows` those compared.

    `categories` holds the differences in F1 by category, each with an interval so wide that all of them hold
    together (Bonferroni).
    """

    figure: str
    verdict: Verdict
    difference: Difference
    rows: int
    gained: int
    lost: int
    margin: float
    categories: Mapping[str, Difference]

    def fallen(self, bound: float) -> list[str]:
        """Categories whose F1 fell by more than `bound`, and beyond noise."""
        return [name for name, one in self.categories.items() if one.value < -bound and one.high < 0]


def compare(
    kind: Kind,
    champion: np.ndarray,
    challenger: np.ndarray,
    truth: Truth,
    spread: Spread,
    margin: float,
    resamples: int,
    seed: int,
) -> Comparison:
    """Compares two models on the same rows.

    Args:
        champion: The numbers (m,) of the labels it answered, one per decision; `challenger` likewise.
        truth: The right labels of the same decisions.
        spread: Of the run's recipe; `Spread(0, 0.0)` if only these two models are meant, not the recipes
            behind them.
        margin: Differences of the headline figure up to this size do not matter.
    """
    statistics = [kind.quality.statistics(guess, truth) for guess in (champion, challenger)]
    sums = resampled_sums(statistics, resamples, seed)
    points = [one.sum(0) for one in statistics]
    headline = [np.asarray(kind.quality.headline_of(one)) for one in (*points, *sums)]
    difference = _difference(headline, spread.deviation, spread.seeds, CONFIDENCE)
    names = kind.quality.category_names(truth.names)
    by_category = [counts.f1(one) for one in (*points, *sums)] if names else []
    confidence = 1 - (1 - CONFIDENCE) / max(1, len(names))
    categories = {
        name: _difference(
            [one[..., at] for one in by_category], spread.categories.get(name, 0.0), spread.seeds, confidence
        )
        for at, name in enumerate(names)
    }
    right = [guess == truth.labels for guess in (champion, challenger)]
    return Comparison(
        figure=kind.quality.headline,
        verdict=_verdict(difference, margin, len(truth.decisions)),
        difference=difference,
        rows=len(truth.decisions),
        gained=int((right[1] & ~right[0]).sum()),
        lost=int((right[0] & ~right[1]).sum()),
        margin=margin,
        categories=categories,
    )


def spread_of(kind: Kind, answers: Sequence[np.ndarray], truth: Truth, resamples: int, seed: int) -> Spread:
    """The spread of models of one recipe that differ by their seed; `answers` are what each of them, at least
    two, says to the same rows.

    The variance of the figures over seeds holds half the paired variance over rows, which is subtracted.
    """
    statistics = [kind.quality.statistics(guess, truth) for guess in answers]
    sums = resampled_sums(statistics, resamples, seed)
    points = [one.sum(0) for one in statistics]
    headline = _deviation(*([kind.quality.headline_of(one) for one in each] for each in (points, sums)))
    names = kind.quality.category_names(truth.names)
    f1, sampled = ([counts.f1(one) for one in each] if names else [] for each in (points, sums))
    by_category = {
        name: _deviation([one[at] for one in f1], [one[:, at] for one in sampled])
        for at, name in enumerate(names)
    }
    return Spread(len(answers), headline, by_category)


def _deviation(points: Sequence[np.ndarray], sampled: Sequence[np.ndarray]) -> float:
    of_rows = np.mean([np.var(one - other) for one, other in combinations(sampled, 2)])
    return float(np.sqrt(max(0.0, np.var(points, ddof=1) - of_rows / 2)))


def _difference(values: Sequence[np.ndarray], deviation: float, seeds: int, confidence: float) -> Difference:
    """From champion's and challenger's figure and the resampled figures of each."""
    champion, challenger, *sampled = values
    of_rows, of_seeds = float(np.var(sampled[1] - sampled[0])), 2 * deviation**2
    half = _quantile(of_seeds, seeds, confidence) * np.sqrt(of_rows + of_seeds)
    middle = float(challenger - champion)
    return Difference(float(champion), float(challenger), float(middle - half), float(middle + half))


def _quantile(of_seeds: float, seeds: int, confidence: float) -> float:
    from scipy.stats import norm, t

    at = 1 - (1 - confidence) / 2
    return float(norm.ppf(at) if of_seeds == 0 else t.ppf(at, max(1, seeds - 1)))


def _verdict(difference: Difference, margin: float, rows: int) -> Verdict:
    if rows < LEAST_ROWS:
        return "not enough data"
    if -margin <= difference.low and difference.high <= margin:
        return "no difference"
    if difference.low > 0:
        return "better"
    return "worse" if difference.high < 0 else "not enough data"
