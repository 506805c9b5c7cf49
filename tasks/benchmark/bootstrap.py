"""How far a figure could have come out otherwise on other rows of the same kind: the percentile bootstrap,
paired.

Every variant is summed over the same resampled rows, so that the difference of two variants has a narrower
interval than either alone. Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

DIGITS = 6
INTERVAL = (0.025, 0.975)
WEIGHTS_AT_ONCE = 8_000_000


def resampled_sums(statistics: Sequence[np.ndarray], resamples: int, seed: int) -> list[np.ndarray]:
    """Per-row statistics (n, k) of several variants on the same rows -> of each, the sums (resamples, k) over
    rows drawn with replacement.

    A resample is a vector of how often each row was drawn, so that all of them are one matrix product.
    """
    rows = len(statistics[0])
    generator = np.random.default_rng(seed)
    step = max(1, WEIGHTS_AT_ONCE // rows)
    parts: list[list[np.ndarray]] = [[] for _ in statistics]
    for start in range(0, resamples, step):
        drawn = generator.multinomial(
            rows, np.full(rows, 1 / rows), size=min(step, resamples - start)
        ).astype(np.float64)
        for part, values in zip(parts, statistics, strict=True):
            part.append(drawn @ values)
    return [np.concatenate(part) for part in parts]


def interval(samples: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile interval of a figure's values (resamples,)."""
    low, high = np.quantile(samples, INTERVAL)
    return float(low), float(high)


def bounded(name: str, point: float, samples: np.ndarray) -> list[tuple[str, float]]:
    """`name`, `name_low` and `name_high`, rounded."""
    low, high = interval(samples)
    return [(name, rounded(float(point))), (f"{name}_low", rounded(low)), (f"{name}_high", rounded(high))]


def rounded(value: float) -> float:
    """As figures stand in metrics.json."""
    return round(value, DIGITS)
