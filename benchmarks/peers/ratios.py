"""How many times faster a student is than its peers, from blocks of calls that took turns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

QUARTILES = (0.25, 0.5, 0.75)
Taken = Mapping[str, Mapping[str, np.ndarray]]
"""Course -> variant -> milliseconds (rounds, calls), as latency.measure gives them."""


def against(taken: Taken, students: Sequence[str], peers: Sequence[str]) -> dict[str, Any]:
    """Student -> course -> peer -> the quartiles, over the rounds, of the peer's time through the student's
    in the same round.
    """
    return {
        student: {
            course: {peer: _quartiles(blocks[peer], blocks[student]) for peer in peers}
            for course, blocks in taken.items()
        }
        for student in students
        if all(student in blocks for blocks in taken.values())
    }


def _quartiles(theirs: np.ndarray, own: np.ndarray) -> list[float]:
    return [round(float(value), 3) for value in np.quantile(theirs.sum(1) / own.sum(1), QUARTILES)]


def fastest(of_course: Mapping[str, Sequence[float]]) -> tuple[str, Sequence[float]]:
    """The peer that a student is least ahead of, whatever its quality, and the quartiles by which it is."""
    name = min(of_course, key=lambda peer: of_course[peer][1])
    return name, of_course[name]
