"""Figures that the benchmarks of two sides kept.

Speed with its spread and its machine, size, calibration, gates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.reviewing.inputs.sides import Side
from tasks.benchmark import gates

SHIPPED, TEACHER, LINEAR = "final", "teacher", "baseline"
HEADLINE_COURSE = "answer_1_thread"
MACHINE = ("cpu", "cores", "threads", "system", "python", "torch", "onnxruntime")
FILES = ("metrics", "timings")
Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Gate:
    """`passed` is None where a side has no such gate."""

    name: str
    a: bool | None
    b: bool | None
    told_a: str
    told_b: str


@dataclass(frozen=True)
class Costs:
    """`figures` and `timings` hold what each side kept, A first; {} where a side has none."""

    figures: tuple[Figures, Figures]
    timings: tuple[Figures, Figures]
    gates: list[Gate]
    warnings: list[str]

    def figure(self, name: str, variant: str = SHIPPED) -> tuple[Any, Any]:
        return _pair(self.figures, variant, name)

    def timing(self, *path: str, variant: str = SHIPPED) -> tuple[Any, Any]:
        return _pair(self.timings, variant, *path)

    def hardware(self, *path: str) -> tuple[Any, Any]:
        """What timings tell of the machine: `hardware` or `load`, and a key of it."""
        return _pair(self.timings, *path)

    def baseline(self, at: int) -> str:
        """How a side's model that ships stands beside the linear baseline; empty where that is not known."""
        return gates.beside_baseline(self.figures[at])

    @property
    def below(self) -> bool:
        """Whether the model of B is no better than the linear baseline."""
        return gates.BELOW in self.baseline(1)

    @property
    def headline(self) -> str:
        """Its name."""
        named = (_at(one, "measured", "headline") for one in self.figures[::-1])
        return next(
            (name for name in named if isinstance(name, str) and re.fullmatch(r"\w{1,40}", name)), "quality"
        )

    @property
    def faster(self) -> int:
        """1 if B's ratio to its teacher lies above A's, quartile for quartile, -1 if below, 0 if neither is
        seen.
        """
        lows, highs = self.timing("speedup_quartile_1"), self.timing("speedup_quartile_3")
        if not all(isinstance(one, int | float) for one in (*lows, *highs)):
            return 0
        return int(lows[1] > highs[0]) - int(highs[1] < lows[0])


def compare(a: Side, b: Side, run: str) -> Costs:
    figures, timings = (
        tuple(side.json(f"data/{run}/benchmark/{name}.json") or {} for side in (a, b)) for name in FILES
    )
    old, new = ({**_gates(figures[at]), **_gates(timings[at])} for at in (0, 1))
    both = [
        Gate(name, _passed(old, name), _passed(new, name), _told(old, name), _told(new, name))
        for name in old | new
    ]
    return Costs((figures[0], figures[1]), (timings[0], timings[1]), both, _warnings(figures, timings))


def _gates(figures: Figures) -> dict[str, Any]:
    found = figures.get("gates")
    return (
        {name: gate for name, gate in found.items() if isinstance(gate, dict)}
        if isinstance(found, dict)
        else {}
    )


def _passed(found: Mapping[str, Any], name: str) -> bool | None:
    return found[name].get("passed") is True if name in found else None


def _told(found: Mapping[str, Any], name: str) -> str:
    return str(found.get(name, {}).get("reason", ""))


def _warnings(figures: Sequence[Figures], timings: Sequence[Figures]) -> list[str]:
    said = []
    machines = [[_at(one, "hardware", key) for key in MACHINE] for one in timings]
    if all(any(each) for each in machines) and machines[0] != machines[1]:
        pairs = zip(MACHINE, *machines, strict=True)
        told = "; ".join(f"{key}: {_plain(old)} and {_plain(new)}" for key, old, new in pairs if old != new)
        said.append(
            f"Timed on unlike machines ({told}). Ratios to a side's own teacher can be compared, "
            "milliseconds cannot."
        )
    for name, one in zip("AB", timings, strict=True):
        before, others, cores = (
            _at(one, "load", "before"),
            _at(one, "load", "others"),
            _at(one, "hardware", "cores"),
        )
        busy = (
            others
            if isinstance(others, int | float)
            else before / 2
            if isinstance(before, int | float)
            else 0
        )
        if isinstance(cores, int) and busy > cores / 4:
            said.append(
                f"{name} was timed on a busy machine (about {busy:.1f} of {cores} processors at other "
                "work): distrust its milliseconds."
            )
    teachers = [_at(one, TEACHER, "parameters") for one in figures]
    if all(isinstance(one, int) for one in teachers) and teachers[0] != teachers[1]:
        said.append(
            f"The teachers differ in size ({teachers[0]:,} and {teachers[1]:,} parameters): ratios to them "
            "cannot be compared either."
        )
    splits = [_at(one, "measured", "split") for one in figures]
    if all(splits) and splits[0] != splits[1]:
        said.append(f"A was measured on the {_plain(splits[0])} split, B on the {_plain(splits[1])} split.")
    return said


def _plain(found: Any) -> str:
    """As part of a sentence of ours: nothing that could be a link."""
    return re.sub(r"[^\w .,()+-]|(?<=www)\.", "?", str(found))[:60]


def _pair(figures: tuple[Figures, Figures], *path: str) -> tuple[Any, Any]:
    return _at(figures[0], *path), _at(figures[1], *path)


def _at(tree: Any, *path: str) -> Any:
    for key in path:
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree
