"""A budget in one line: what a student must keep, then what is wanted most.

quality >= 99% of teacher, then least latency
latency <= 1 ms and size <= 3 MB, then best quality

budget      = limit { ("," | "and") limit } ", then" objective
limit       = "quality" ">=" number "% of teacher"   share of the teacher's headline figure, on the validation rows
            | "latency" "<=" number "ms"             input to answer, batch 1, 1 thread
            | "speedup" ">=" number "x"              times faster than the teacher in torch, the same way
            | "size" "<=" number ("MB" | "kB" | "bytes")   of the shippable folder
objective   = "least latency" | "best quality" | "least size"
"""  # noqa: E501

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from tasks.core.errors import ParamsError

NUMBER = r"(?P<number>\d+(?:\.\d+)?)"
AT_LEAST, AT_MOST = r"\s*(?:>=|≥)\s*", r"\s*(?:<=|≤)\s*"
LIMITS = {
    "quality": re.compile(rf"quality{AT_LEAST}{NUMBER}\s*% of (?:the )?teacher(?:'s)?"),
    "latency": re.compile(rf"latency{AT_MOST}{NUMBER}\s*ms"),
    "speedup": re.compile(rf"speedup{AT_LEAST}{NUMBER}\s*(?:x|×|times)"),
    "bytes": re.compile(rf"size{AT_MOST}{NUMBER}\s*(?P<unit>MB|kB|bytes)"),
}
GREATER_IS_BETTER = frozenset({"quality", "speedup"})
UNITS = {"MB": 1e6, "kB": 1e3, "bytes": 1.0}
OBJECTIVES = {"least latency": "latency", "best quality": "quality", "least size": "bytes"}
ALLOWED = "allowed: quality >= N% of teacher, latency <= N ms, speedup >= N x, size <= N MB"
SHAPE = "must be limits, then what is wanted most, as in `quality >= 99% of teacher, then least latency`"

Figures = Mapping[str, float]
"""Of a trial: quality (share of the teacher's), latency (ms), speedup, bytes, as far as they are known."""


@dataclass(frozen=True)
class Limit:
    figure: str
    value: float
    said: str
    """As the budget says it."""

    def excess(self, figures: Figures) -> float:
        """By which share of the limit it is broken; 0 or less if it is kept."""
        beyond = figures[self.figure] / self.value - 1 if self.value else figures[self.figure]
        return -beyond if self.figure in GREATER_IS_BETTER else beyond


@dataclass(frozen=True)
class Budget:
    limits: tuple[Limit, ...]
    objective: str
    """The figure that is wanted most: quality, latency or bytes."""

    def broken(self, figures: Figures) -> list[Limit]:
        """The limits that are not kept, of those whose figure is known."""
        return [limit for limit in self.limits if limit.figure in figures and limit.excess(figures) > 0]

    def limits_of(self, figure: str) -> list[Limit]:
        return [limit for limit in self.limits if limit.figure == figure]


def parse(text: str) -> Budget:
    """The budget that a line says.

    Raises:
        ParamsError: with every clause that is no limit, and the objective if it is none.
    """
    head, then, objective = text.partition(", then ")
    if not then:
        raise ParamsError("budget", f"{text!r}: {SHAPE}")
    faults: list[str] = []
    limits = [
        limit
        for clause in re.split(r",|\band\b", head)
        if (limit := _limit(clause.strip(), faults)) is not None
    ]
    figures = [limit.figure for limit in limits]
    faults += [
        f"{figure} is limited twice; once is meant"
        for figure in dict.fromkeys(figures)
        if figures.count(figure) > 1
    ]
    if objective.strip() not in OBJECTIVES:
        faults.append(f"{objective.strip()!r}: is no objective; allowed: {', '.join(OBJECTIVES)}")
    if faults:
        raise ParamsError("budget", *faults)
    return Budget(tuple(limits), OBJECTIVES[objective.strip()])


def _limit(clause: str, faults: list[str]) -> Limit | None:
    for figure, pattern in LIMITS.items():
        if found := pattern.fullmatch(clause):
            unit = UNITS[found["unit"]] if figure == "bytes" else 0.01 if figure == "quality" else 1.0
            return Limit(figure, float(found["number"]) * unit, clause)
    faults.append(f"{clause!r}: is no limit; {ALLOWED}")
    return None
