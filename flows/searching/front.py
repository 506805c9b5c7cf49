"""What came of a search.

Which students no other beats, how they stand beside the committed one, and which of them the budget takes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.searching.budget import Budget
from flows.searching.job import COMPLETE
from flows.searching.study import Tried
from tasks.core import escape

CRITERIA = {"quality": -1.0, "latency": 1.0, "bytes": 1.0}
"""Figure -> 1 where less is better, -1 where more is."""
SLACK: dict[str, Callable[[float], float]] = {
    "quality": lambda _: 0.005,
    "latency": lambda milliseconds: 0.03 * milliseconds,
    "bytes": lambda size: 0.01 * size,
}
"""By how much two students may differ in a figure and still match: timings spread by a few percent, the share
by a row or two."""
Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """`beside`: how each trial that was completed stands beside the first, the committed one."""

    tried: Sequence[Tried]
    front: tuple[int, ...]
    keeping: tuple[int, ...]
    """Those that keep the budget."""
    winner: int | None
    beside: Mapping[int, str]


def outcome(tried: Sequence[Tried], budget: Budget) -> Outcome:
    done = {one.number: one.result.figures for one in tried if one.result.state == COMPLETE}
    front = tuple(
        number for number, own in done.items() if not any(_beats(other, own) for other in done.values())
    )
    keeping = tuple(number for number, own in done.items() if not budget.broken(own))
    winner = _winner({number: done[number] for number in keeping}, budget.objective)
    first = done.get(0)
    return Outcome(
        tried,
        front,
        keeping,
        winner,
        {number: _beside(own, first) for number, own in done.items() if first and number},
    )


def _winner(keeping: Mapping[int, Figures], objective: str) -> int | None:
    """The best by the objective; among those that match it there, the one nearest to the teacher."""
    if not keeping:
        return None
    best = min((own[objective] for own in keeping.values()), key=lambda value: CRITERIA[objective] * value)
    near = [number for number, own in keeping.items() if abs(own[objective] - best) <= SLACK[objective](best)]
    return min(near, key=lambda number: (keeping[number]["divergence"], number))


def _beats(own: Figures, other: Figures) -> bool:
    """At least as good in all, better in one."""
    gains = [CRITERIA[figure] * (other[figure] - own[figure]) for figure in CRITERIA]
    return bool(min(gains) >= 0 and max(gains) > 0)


def _beside(own: Figures, first: Figures) -> str:
    gains = {figure: CRITERIA[figure] * (first[figure] - own[figure]) for figure in CRITERIA}
    beyond = [figure for figure, gain in gains.items() if abs(gain) > SLACK[figure](first[figure])]
    if not beyond:
        return "matches"
    if _beats(own, first) or _beats(first, own):
        return "dominates" if _beats(own, first) else "is dominated"
    return "better in " + ", ".join(figure for figure in gains if gains[figure] > 0)


def as_json(found: Outcome, facts: Mapping[str, Any]) -> str:
    trials = [
        {
            "number": one.number,
            "values": one.values,
            "state": one.result.state,
            "reason": one.result.reason,
            "seconds": one.result.seconds,
            **one.result.figures,
            "on_front": one.number in found.front,
            "keeps_budget": one.number in found.keeping,
            "beside_default": found.beside.get(one.number),
        }
        for one in found.tried
    ]
    return (
        json.dumps({**facts, "winner": found.winner, "trials": trials}, indent=1, ensure_ascii=False) + "\n"
    )


def markdown(found: Outcome, facts: Mapping[str, Any]) -> str:
    """The completed trials by latency, then the others with the reason they ended."""
    keys = list(found.tried[0].values)
    done = sorted(
        (one for one in found.tried if one.result.state == COMPLETE),
        key=lambda one: one.result.figures["latency"],
    )
    head = [
        "trial",
        *keys,
        "share of the teacher [95 %]",
        "divergence",
        "ms",
        "× faster",
        "MB",
        "front",
        "budget",
        "beside the default",
    ]
    rows = [_row(one, keys, found) for one in done]
    lines = [
        f"# Search of {escape.code(facts['run'])}",
        f"Budget: {escape.code(facts['budget'])}. "
        f"{len(found.tried)} trials in {facts['minutes']:.1f} minutes, seed {facts['seed']}. Winner: "
        + (f"trial {found.winner}." if found.winner is not None else "none keeps the budget."),
        "![quality against latency](front.png)",
        _table(head, rows),
        "Quality is measured on the validation rows, paired with the teacher's; the test split was not "
        "opened. Of the trials that keep the "
        "budget the best is taken, so what it shows here flatters: `dvc repro` and the test split tell what "
        "it is worth.",
    ]
    ended = [
        [str(one.number), *_told(one.values, keys), one.result.state, escape.wrapped(one.result.reason, 60)]
        for one in found.tried
        if one not in done
    ]
    if ended:
        lines += ["## Not completed", _table(["trial", *keys, "ended", "why"], ended)]
    return "\n\n".join(lines) + "\n"


def _row(one: Tried, keys: Sequence[str], found: Outcome) -> list[str]:
    own = one.result.figures
    mark = "**" if one.number == found.winner else ""
    share = f"{own['quality']:.1%} [{own['quality_low']:.1%}, {own['quality_high']:.1%}]"
    speed = f"{own['speedup']:.1f} [{own['speedup_quartile_1']:.1f}, {own['speedup_quartile_3']:.1f}]"
    figures = [share, f"{own['divergence']:.3f}", f"{own['latency']:.3f}", speed, f"{own['bytes'] / 1e6:.2f}"]
    marks = ["yes" if one.number in found.front else "", "kept" if one.number in found.keeping else ""]
    beside = found.beside.get(one.number, "the default")
    return [f"{mark}{one.number}{mark}", *_told(one.values, keys), *figures, *marks, beside]


def _told(values: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    return [escape.markdown(values[key]) for key in keys]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)
