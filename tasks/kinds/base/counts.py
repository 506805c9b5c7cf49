"""Statistics that are counts per category: (n, 3 k), for each row and category how often it was answered,
true, and both. The ready-made part for kinds whose answers are labels."""

from __future__ import annotations

import numpy as np


def split(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(..., 3 k) -> how often each category was answered, true, and both: three of (..., k)."""
    answered, true, both = np.split(sums, 3, axis=-1)
    return answered, true, both


def f1(sums: np.ndarray) -> np.ndarray:
    """(..., 3 k) -> F1 (..., k) of each category; 0 where it neither occurs nor is answered."""
    answered, true, both = split(sums)
    result: np.ndarray = 2 * both / np.where(answered + true > 0, answered + true, 1)
    return result
