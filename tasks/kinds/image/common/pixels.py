"""Between a decoded picture and the numbers that a model reads, the same in training and where the model is
served.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

MEAN = 4
"""The number PIL has for the resampling that takes the mean of each part (BOX)."""


def square(image: Image, side: int, resample: int) -> np.ndarray:
    """`side` by `side` pixels of 3 colours, 0 to 255.

    The picture is stretched, not cut: what is at its edge stays.
    """
    return np.asarray(image.resize((side, side), resample).convert("RGB"), dtype=np.uint8)


def normalized(pixels: np.ndarray, scale: float, mean: Sequence[float], std: Sequence[float]) -> np.ndarray:
    """(n, side, side, 3) whole numbers -> (n, 3, side, side) float32, laid out in memory as it came (channels
    last).
    """
    values = pixels.astype(np.float32)
    values *= np.asarray(scale / np.asarray(std), np.float32)
    values -= np.asarray(np.asarray(mean) / np.asarray(std), np.float32)
    laid_out: np.ndarray = values.transpose(0, 3, 1, 2)
    return laid_out
