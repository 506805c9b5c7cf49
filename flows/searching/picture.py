"""A search as a picture.

Share of the teacher's quality against latency, the front, the default and the winner marked.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flows.searching.front import Outcome
from flows.searching.job import COMPLETE
from flows.searching.study import Tried

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRIAL, FRONT, DEFAULT, WINNER = "#b0b0b0", "#0072b2", "#333333", "#d55e00"
MEGABYTE, AREA = 1e6, 900.0
LEAST_LABELS = 25
"""Beyond so many points only those of the front are numbered."""


def draw(found: Outcome, budget: str, file: Path) -> None:
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    done = [one for one in found.tried if one.result.state == COMPLETE]
    with mpl.rc_context({"font.size": 9}):
        figure = Figure(figsize=(8.4, 4.8), dpi=110, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.subplots()
        largest = max(one.result.figures["bytes"] for one in done)
        for one in done:
            _point(axes, one, found, largest, len(done) <= LEAST_LABELS)
        _frame(axes, done, budget)
        figure.savefig(file, metadata={"Software": None})


def _point(axes: Axes, one: Tried, found: Outcome, largest: float, numbered: bool) -> None:
    own, on_front = one.result.figures, one.number in found.front
    colour = (
        WINNER if one.number == found.winner else DEFAULT if one.number == 0 else FRONT if on_front else TRIAL
    )
    axes.vlines(
        own["latency"],
        own["quality_low"],
        own["quality_high"],
        color=colour,
        linewidth=0.8,
        alpha=0.35,
        zorder=1,
    )
    axes.scatter(
        own["latency"],
        own["quality"],
        s=AREA * own["bytes"] / largest,
        color=colour,
        alpha=0.25,
        linewidths=0,
        zorder=2,
    )
    marker = "D" if one.number == 0 else "*" if one.number == found.winner else "o"
    size = 110 if marker == "*" else 34
    axes.scatter(
        own["latency"],
        own["quality"],
        s=size,
        marker=marker,
        color=colour,
        edgecolors="white",
        linewidths=0.7,
        zorder=4,
    )
    if numbered or on_front:
        at = own["latency"], own["quality"]
        axes.annotate(
            str(one.number), at, (5, 4), textcoords="offset points", fontsize=7, color=colour, zorder=5
        )


def _frame(axes: Axes, done: list[Tried], budget: str) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter

    milliseconds = [one.result.figures["latency"] for one in done]
    low, high = min(milliseconds) / 1.15, max(milliseconds) * 1.15
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_xticks(
        [
            step * 10.0**power
            for power in range(-4, 6)
            for step in (1, 1.5, 2, 3, 4, 5, 7)
            if low <= step * 10.0**power <= high
        ]
    )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.axhline(1.0, color="#dddddd", linewidth=1, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#eeeeee", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set(
        xlabel="ms per input (log; input to answer, batch 1, 1 thread)",
        ylabel="share of the teacher's figure, validation rows",
    )
    axes.set_title(budget, loc="left", fontweight="bold", fontsize=10)
    marks = (
        ("D", DEFAULT, "committed default"),
        ("*", WINNER, "winner"),
        ("o", FRONT, "front"),
        ("o", TRIAL, "other trial"),
    )
    for marker, colour, name in marks:
        axes.scatter([], [], marker=marker, s=70 if marker == "*" else 34, color=colour, label=name)
    key = "disc: bytes\nline: 95 % interval"
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, title=key, labelspacing=0.8)
