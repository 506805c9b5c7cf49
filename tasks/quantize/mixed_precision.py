"""Operators that int8 hurts most stay in float, one after another, until the graph answers as the student
does often enough.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.core.progress import track


@dataclass(frozen=True)
class Shipped:
    agreement: float
    """Share of decisions on which the graph answers as the student."""
    spared: dict[str, float]
    """Operators left in float -> the harm int8 does there alone: root mean square distance of a logit, each
    decision's centred."""


@dataclass(frozen=True)
class Trial:
    """How a graph is made and asked, the same each time."""

    write: Callable[[Path, Collection[str], Collection[str]], None]
    """(file, spared, only) -> writes the graph with these operators in float, or only those in int8."""
    ask: Callable[[Path], np.ndarray]
    """The logits (m, c) of a graph on validation rows."""
    wanted: np.ndarray
    """The student's (m, c)."""

    def agreement(self, file: Path) -> float:
        return float((self.ask(file).argmax(-1) == self.wanted.argmax(-1)).mean())

    def harm(self, file: Path, operator: str) -> float:
        self.write(file, (), [operator])
        return float(f"{np.sqrt(np.square(_centred(self.ask(file)) - _centred(self.wanted)).mean()):.3e}")


def _centred(logits: np.ndarray) -> np.ndarray:
    """What moves all logits of a decision alike changes no answer."""
    centred: np.ndarray = logits - logits.mean(axis=-1, keepdims=True)
    return centred


def ship(file: Path, trial: Trial, operators: Collection[str], at_most: int, least: float) -> Shipped:
    """Writes `file` with as few operators in float as the least agreement needs."""
    trial.write(file, (), ())
    best = Shipped(trial.agreement(file), {})
    if best.agreement >= least or not at_most or not operators:
        return best
    harms = {
        name: trial.harm(file, name) for name in track(sorted(operators), label="operators in int8 alone")
    }
    worst = sorted(harms, key=lambda name: (-harms[name], name))[:at_most]
    for count in range(1, len(worst) + 1):
        trial.write(file, worst[:count], ())
        best = Shipped(trial.agreement(file), {name: harms[name] for name in worst[:count]})
        if best.agreement >= least:
            break
    return best
