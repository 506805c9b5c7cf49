"""Variations of a picture: mirrored, turned, shifted, brighter, of more contrast, with a patch erased."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from tasks.core.params import Section


class Augment(Section):
    """How far a picture may be varied.

    Each variation is drawn anew; all at their least (false or 0): none.
    """

    mirror: bool = Field(description="left and right exchanged, in half of the cases")
    flip: bool = Field(description="top and bottom exchanged, in half of the cases")
    quarter_turns: bool = Field(description="turned by 0, 90, 180 or 270 degrees")
    shift: float = Field(
        ge=0, le=0.5, description="greatest shift, share of the side; what comes in continues the edge"
    )
    brightness: float = Field(ge=0, le=1, description="greatest change, share of the full range")
    contrast: float = Field(ge=0, le=1, description="greatest change of the distances from the mean, share")
    erase: float = Field(ge=0, le=0.5, description="greatest side of a grey patch, share of the side")


def varied(pixels: np.ndarray, seed: int, augment: Augment) -> np.ndarray:
    """A variation of `pixels` (side, side, 3), 0 to 255; the same for the same seed."""
    chance = np.random.default_rng(seed)
    turns, mirror, flip = chance.integers(4), chance.random() < 0.5, chance.random() < 0.5
    down, right, light, contrast = chance.uniform(-1, 1, size=4)
    if augment.quarter_turns:
        pixels = np.rot90(pixels, int(turns))
    if augment.mirror and mirror:
        pixels = pixels[:, ::-1]
    if augment.flip and flip:
        pixels = pixels[::-1]
    if augment.shift:
        pixels = _shifted(
            pixels, round(down * augment.shift * len(pixels)), round(right * augment.shift * len(pixels))
        )
    if augment.brightness or augment.contrast:
        pixels = _lit(pixels, light * augment.brightness * 255, 1 + contrast * augment.contrast)
    if augment.erase:
        pixels = _erased(pixels, chance, augment.erase)
    return pixels


def _shifted(pixels: np.ndarray, down: int, right: int) -> np.ndarray:
    side = np.arange(len(pixels))
    rows, columns = np.clip(side - down, 0, side[-1]), np.clip(side - right, 0, side[-1])
    return pixels[rows][:, columns]


def _lit(pixels: np.ndarray, light: float, contrast: float) -> np.ndarray:
    changed = (pixels.astype(np.float32) - pixels.mean()) * contrast + pixels.mean() + light
    lit: np.ndarray = np.clip(changed.round(), 0, 255).astype(np.uint8)
    return lit


def _erased(pixels: np.ndarray, chance: np.random.Generator, greatest: float) -> np.ndarray:
    """Zhong et al., Random Erasing Data Augmentation (2017), with the mean in place of noise."""
    side = len(pixels)
    height, width = (round(share * side) for share in chance.uniform(0, greatest, size=2))
    top, left = chance.integers(0, side - height + 1), chance.integers(0, side - width + 1)
    result = pixels.copy()
    result[top : top + height, left : left + width] = round(float(pixels.mean()))
    return result
