"""The picture of measured costs: a panel for each job and factor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.costs.growth import Curve
from benchmarks.costs.page import MILLION, Result, curve
from benchmarks.costs.sizes import Grid
from tasks.benchmark.plots import COLOURS, GRID, INK

PANELS = {
    "labelling": ["labelling"],
    "distilling": ["distilling", "distilling with relations"],
    "benchmarking": ["benchmarking", "answers of a benchmark"],
}
UNITS = {"rows": "rows", "tokens": "tokens per row", "parameters": "parameters, million"}
STROKES = [(COLOURS[1], "o", "-"), (COLOURS[5], "s", "--")]


def draw(result: Result, grid: Grid, file: Path) -> None:
    """Jobs below each other, factors side by side.

    Without date or version, so that the same figures give the same bytes.
    """
    figure = Figure(figsize=(11, 9), dpi=110, layout="constrained")
    panels = figure.subplots(len(PANELS), len(UNITS), sharey="row", squeeze=False)
    for line, (job, series) in zip(panels, PANELS.items(), strict=True):
        for axes, (factor, unit) in zip(line, UNITS.items(), strict=True):
            _panel(
                axes,
                {name: curve(result, grid, name, factor) for name in series},
                MILLION if factor == "parameters" else 1,
            )
            axes.set_xlabel(unit)
        _room_for_keys(line[0])
        line[0].set_ylabel("wall time, seconds")
        line[0].set_title(job.capitalize(), loc="left", fontweight="bold")
    figure.supxlabel(
        "both axes logarithmic; point: median, bar: least to greatest of the rounds, line: the power law",
        fontsize=9,
        color=INK,
    )
    figure.savefig(file, metadata={"Software": None})


def _panel(axes: Axes, drawn: Mapping[str, Curve], unit: float) -> None:
    axes.set(xscale="log", yscale="log")
    for (name, one), (colour, marker, dashes) in zip(drawn.items(), STROKES, strict=False):
        sizes, middle = [size / unit for size in one.sizes], one.medians
        bars = [
            [at - min(each) for at, each in zip(middle, one.seconds, strict=True)],
            [max(each) - at for at, each in zip(middle, one.seconds, strict=True)],
        ]
        axes.plot(
            sizes, one.fitted(one.sizes), color=colour, linestyle=dashes, linewidth=1.2, alpha=0.7, zorder=2
        )
        label = f"{name}: exponent {one.law[1]:.2f}"
        axes.errorbar(
            sizes,
            middle,
            bars,
            color=colour,
            marker=marker,
            linestyle="none",
            capsize=4,
            zorder=3,
            label=label,
        )
    _ticks(axes, sorted({size / unit for one in drawn.values() for size in one.sizes}))
    axes.margins(x=0.12, y=0.12)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, fontsize=8, loc="upper left")


def _ticks(axes: Axes, sizes: Sequence[float]) -> None:
    """At the sizes along; up, 1, 2 and 5 of each power of ten."""
    axes.set_xticks(sizes, [f"{size:.3g}" for size in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def _room_for_keys(axes: Axes) -> None:
    """Above the highest point of the line of panels, which share this axis."""
    low, high = axes.get_ylim()
    axes.set_ylim(low, high * max(1.5, (high / low) ** 0.3))
