"""Finds near duplicates among pictures: those whose thumbnails are the same but for brightness and contrast.

Two conditions, both on thumbnails brought to mean 0 and deviation 1: their correlation, which sees the whole,
and their greatest difference, which sees a detail that one has and the other lacks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tasks.core.progress import track
from tasks.ingest.near_duplicates.union import Likeness

EXTREMES = 6
"""Behind the pixels of a thumbnail: the darkest and the brightest value of each colour."""
GREATEST_DIFFERENCE = 0.4
"""Standard deviations."""
BLOCK = 256
SLACK = 1e-3
"""The quick search asks for this much less; what it finds too much is thrown out by sums of whole numbers,
the same on every machine."""
CHECKED_AT_ONCE = 4_096


def likeness(thumbnails: Sequence[np.ndarray], threshold: float) -> Likeness:
    """Whether two thumbnails are alike depends on these two alone.

    Args:
        thumbnails: as images.thumbnail makes them.
        threshold: 0.5 to 1, the correlation from which on two belong together. At 1 none are alike: equal
            thumbnails are no equal pictures.
    """
    if threshold >= 1:
        return Likeness(list(range(len(thumbnails))), iter(()))
    first: dict[bytes, int] = {}
    equal = [first.setdefault(_identity(one), index) for index, one in enumerate(thumbnails)]
    return Likeness(equal, _pairs(thumbnails, list(first.values()), threshold))


def groups(thumbnails: Sequence[np.ndarray], threshold: float) -> list[int]:
    """For each thumbnail the smallest index of its group."""
    return likeness(thumbnails, threshold).groups()


def _pairs(
    thumbnails: Sequence[np.ndarray], first: Sequence[int], threshold: float
) -> Iterator[tuple[int, int]]:
    distinct = np.array(first, dtype=np.int64)
    if len(distinct):
        small = np.stack([thumbnails[index][:-EXTREMES] for index in distinct])
        for ones, others in _alike(small, threshold):
            yield from zip(distinct[ones].tolist(), distinct[others].tolist(), strict=True)


def _identity(thumbnail: np.ndarray) -> bytes:
    """Where the small picture shows nothing, what the large one holds must be equal too."""
    small = thumbnail[:-EXTREMES]
    return thumbnail.tobytes() if small.min() == small.max() else small.tobytes()


def _alike(small: np.ndarray, threshold: float) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Indices of pairs, a stretch at a time.

    A block of rows against all before it: memory grows with the rows, not with the pairs.
    """
    unit = np.concatenate([_standard(small[start : start + BLOCK]) for start in range(0, len(small), BLOCK)])
    for start in track(range(0, len(unit), BLOCK), label="near duplicates"):
        block = unit[start : start + BLOCK]
        near = block @ unit[: start + len(block)].T >= small.shape[1] * (threshold - SLACK)
        ones, others = np.nonzero(np.tril(near, k=start - 1))
        ones += start
        for at in range(0, len(ones), CHECKED_AT_ONCE):
            pair = ones[at : at + CHECKED_AT_ONCE], others[at : at + CHECKED_AT_ONCE]
            sure = _sure(small[pair[0]], small[pair[1]], threshold)
            yield pair[0][sure], pair[1][sure]


def _standard(small: np.ndarray) -> np.ndarray:
    """Mean 0 and deviation 1; all 0 where a thumbnail is flat."""
    centred, spread = _centred(small)
    standard: np.ndarray = (centred / spread).astype(np.float32)
    return standard


def _centred(small: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers.

    Each pixel less the mean, and their standard deviation (n, 1), both times the number of pixels.
    """
    values, pixels = small.astype(np.int64), small.shape[1]
    centred = pixels * values - values.sum(axis=1, keepdims=True)
    squares = pixels * (values * values).sum(axis=1, keepdims=True) - values.sum(axis=1, keepdims=True) ** 2
    return centred, np.sqrt(np.maximum(squares, 1).astype(np.float64))


def _sure(ones: np.ndarray, others: np.ndarray, threshold: float) -> np.ndarray:
    (one, one_spread), (other, other_spread) = _centred(ones), _centred(others)
    shared = (one * other).sum(axis=1) / ones.shape[1]
    correlated = shared >= threshold * (one_spread * other_spread)[:, 0]
    close = np.abs(one / one_spread - other / other_spread).max(axis=1) <= GREATEST_DIFFERENCE
    alike: np.ndarray = correlated & close
    return alike
