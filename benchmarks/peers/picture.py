"""The picture of a comparison: every variant by speed and quality, and the front of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.peers.front import Point, front
from tasks.benchmark.plots import COLOURS, GRID, INK

PLAIN = "#444444"
SHAPES = ("o", "s", "D", "^", "v", "P", "X")


def draw(measured: Sequence[Point], headline: str, file: Path) -> None:
    """Without date or version, so that the same figures give the same bytes."""
    figure = Figure(figsize=(10.5, 5.6), dpi=110, layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_axisbelow(True)
    edge = sorted(front(measured), key=lambda point: point.speed)
    _line(axes, edge)
    makers = list(dict.fromkeys(point.maker for point in measured))
    makers.sort(key=lambda maker: maker == "students")  # ours above all others
    for number, maker in enumerate(makers):
        style = (COLOURS[number % len(COLOURS)], SHAPES[number // len(COLOURS) % len(SHAPES)])
        _series(axes, maker, [point for point in measured if point.maker == maker], edge, style)
    for point in edge:
        axes.annotate(
            point.name,
            (point.speed, point.quality),
            xytext=(4, 7),
            textcoords="offset points",
            fontsize=7,
            color=INK,
            parse_math=False,
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(x=0.08, y=0.08)
    axes.set(
        xlabel="times faster than the teacher in torch (log scale; input to answer, batch 1, 1 thread)",
        ylabel=headline,
    )
    axes.set_title("Quality against speed", loc="left", fontweight="bold")
    key = "large and named = on the front\nline = 95 % interval"
    figure.legend(loc="outside right center", frameon=False, labelspacing=0.9, title=key)
    figure.savefig(file, metadata={"Software": None})


def _series(
    axes: Axes, maker: str, own: Sequence[Point], edge: Sequence[Point], style: tuple[str, str]
) -> None:
    colour, marker = style
    for point in own:
        axes.vlines(point.speed, point.low, point.high, color=colour, linewidth=0.8, alpha=0.35, zorder=2)
    axes.scatter(
        [point.speed for point in own],
        [point.quality for point in own],
        s=[90 if point in edge else 28 for point in own],
        color=colour,
        marker=marker,
        edgecolors="white",
        linewidths=0.8,
        zorder=4,
        label=maker,
    )


def _line(axes: Axes, edge: Sequence[Point]) -> None:
    """Steps: up to a point's speed one can have its quality."""
    axes.step(
        [point.speed for point in edge],
        [point.quality for point in edge],
        where="pre",
        color=PLAIN,
        linewidth=1,
        linestyle="--",
        zorder=3,
    )
