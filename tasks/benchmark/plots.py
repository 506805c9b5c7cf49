"""The pictures of a benchmark's report, as PNG without date or version, so that the same figures give the
same bytes.

Labels that the font cannot write, that are too long or too many are shown by their numbers; the report's
table of labels explains them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from tasks.core import escape

COLOURS = ("#7f7f7f", "#0072b2", "#56b4e9", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#000000")
EAST_ASIAN = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Microsoft YaHei",
    "Noto Sans CJK JP",
)
INK, GRID = "#333333", "#dddddd"
PER_LINE = 5
LONGEST_LABEL, MOST_LABELS, MOST_COUNTS = 24, 30, 20
SMALLEST_AREA, AREA_OF_LARGEST = 40.0, 1600.0
MEGABYTE = 1e6


def tick_names(labels: Sequence[str]) -> list[str]:
    """The labels, or their numbers where labels would not be readable."""
    readable = all(len(label) <= LONGEST_LABEL and _writable(label) for label in labels)
    return (
        list(labels)
        if readable and len(labels) <= MOST_LABELS
        else [str(number) for number in range(len(labels))]
    )


@cache
def _characters() -> frozenset[int]:
    """What the fonts of this machine can write.

    Matplotlib's own, and of East Asian ones those that are installed.
    """
    installed = {font.name for font in fontManager.ttflist}
    families = ["DejaVu Sans", *(name for name in EAST_ASIAN if name in installed)]
    rcParams["font.family"] = families
    return frozenset(
        sign for name in families for sign in get_font(findfont(FontProperties(family=name))).get_charmap()
    )


def _writable(label: str) -> bool:
    """Some fonts have signs for what nobody sees, or what turns the direction of writing."""
    return label == escape.visible(label) and all(ord(sign) in _characters() for sign in label)


def quality_and_latency(points: Sequence[Mapping[str, Any]], headline: str, file: Path) -> None:
    """`points`: name, milliseconds, quality, low, high, bytes."""
    figure, axes = _sheet(8.4, 4.6, right=0.68)
    largest = max(point["bytes"] for point in points)
    for colour, point in zip(COLOURS * len(points), points, strict=False):
        x, y = point["milliseconds"], point["quality"]
        area = max(SMALLEST_AREA, AREA_OF_LARGEST * point["bytes"] / largest)
        axes.vlines(x, point["low"], point["high"], color=colour, linewidth=1.2, alpha=0.8, zorder=2)
        axes.scatter([x], [y], s=area, color=colour, alpha=0.3, linewidths=0, zorder=3)
        label = f"{point['name']}\n{point['milliseconds']:.2f} ms, {point['bytes'] / MEGABYTE:.1f} MB"
        axes.scatter([x], [y], s=28, color=colour, edgecolors="white", linewidths=0.8, zorder=4, label=label)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    _wide_enough(axes, [point["milliseconds"] for point in points])
    axes.set(
        xlabel="median time per input, ms (log scale; batch 1, 1 thread, preparation of the input included)",
        ylabel=headline,
    )
    axes.set_title("Quality against latency", loc="left", fontweight="bold")
    key = "area of the disc = size\nline = 95 % interval"
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, labelspacing=0.9, title=key)
    _save(figure, file)


def _wide_enough(axes: Axes, milliseconds: Sequence[float]) -> None:
    """Room for the discs, and 1-2-5 ticks however narrow the range is."""
    low, high = min(milliseconds) / 1.8, max(milliseconds) * 1.8
    axes.set_xlim(low, high)
    axes.set_xticks(
        [
            digit * 10.0**power
            for power in range(-4, 7)
            for digit in (1, 2, 5)
            if low <= digit * 10.0**power <= high
        ]
    )
    axes.margins(y=0.12)


def confusion(counts: np.ndarray, labels: Sequence[str], file: Path) -> None:
    """`counts` (c, c): rows are the true labels; the shade is the share of the row."""
    names, size = tick_names(labels), len(labels)
    side = min(12.0, max(4.2, 2.4 + 0.42 * size))
    figure, axes = _sheet(side + 1.0, side)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the true label's decisions", shrink=0.8)
    if size <= MOST_COUNTS:
        for row, column in np.ndindex(size, size):
            colour = "white" if shares[row, column] > 0.55 else INK
            axes.text(
                column,
                row,
                str(counts[row, column]),
                ha="center",
                va="center",
                color=colour,
                fontsize=9 if size <= 10 else 7,
            )
    step = max(1, size // MOST_LABELS)
    upright = (
        {"rotation": 0, "ha": "center"} if max(map(len, names)) <= 2 else {"rotation": 40, "ha": "right"}
    )
    axes.set_xticks(range(0, size, step), names[::step], parse_math=False, **upright)
    axes.set_yticks(range(0, size, step), names[::step], parse_math=False)
    axes.grid(visible=False)
    numbered = "" if names == list(labels) else " (numbers: see the report's table of labels)"
    axes.set(xlabel="answer of the final model" + numbered, ylabel="true label")
    axes.set_title("Confusion: counts of decisions", loc="left", fontweight="bold")
    _save(figure, file)


def reliability(bins: Mapping[str, Sequence[Mapping[str, float]]], file: Path) -> None:
    """Variant -> its bins of confidence.

    Above, how often it is right; below, how many rows are in each bin.
    """
    figure, axes = _sheet(6.2, 6.0, rows=2)
    upper, lower = axes
    upper.plot([0, 1], [0, 1], color=INK, linestyle="--", linewidth=1, label="as sure as right")
    width = 1 / (15 * (len(bins) + 1))
    for place, (colour, (name, each)) in enumerate(
        zip((COLOURS[1], COLOURS[5], COLOURS[4]), bins.items(), strict=False)
    ):
        sure, right = [one["confidence"] for one in each], [one["accuracy"] for one in each]
        upper.plot(sure, right, marker="o", markersize=4.5, color=colour, label=name)
        centres = [(one["bin"] + 0.5) / 15 + (place - (len(bins) - 1) / 2) * width for one in each]
        lower.bar(centres, [one["rows"] for one in each], width=width, color=colour)
    upper.set(ylabel="share of right answers", xlim=(0, 1), ylim=(0, 1.02))
    upper.legend(frameon=False, loc="upper left")
    upper.set_title("Reliability: is it right as often as it is sure?", loc="left", fontweight="bold")
    lower.set(xlabel="probability of the answer given", ylabel="decisions", xlim=(0, 1))
    lower.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    _save(figure, file)


def thumbnails(images: Sequence[np.ndarray], captions: Sequence[str], file: Path) -> None:
    """Pictures (height, width, 3) side by side, numbered from 1, a caption below each."""
    columns = min(PER_LINE, len(images))
    lines = -(-len(images) // columns)
    figure = Figure(figsize=(1.9 * columns, 2.5 * lines), dpi=100, layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid:
        axes.axis("off")
    for number, (axes, image, caption) in enumerate(zip(grid, images, captions, strict=False), 1):
        axes.imshow(image)
        shown = caption if all(map(_writable, caption.split("\n"))) else f"no. {number}"
        axes.set_title(f"{number}", loc="left", fontsize=8, color=INK)
        axes.text(
            0.5,
            -0.04,
            shown,
            transform=axes.transAxes,
            ha="center",
            va="top",
            fontsize=8,
            color=INK,
            parse_math=False,
        )
    _save(figure, file)


def _sheet(width: float, height: float, rows: int = 1, right: float | None = None) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), dpi=110, layout=None if right else "constrained")
    FigureCanvasAgg(figure)
    if right:
        figure.subplots_adjust(left=0.09, right=right, bottom=0.13, top=0.91)
    axes = (
        figure.subplots(rows, 1, sharex=rows > 1, gridspec_kw={"height_ratios": [3, 1][:rows]})
        if rows > 1
        else figure.subplots()
    )
    for one in np.atleast_1d(np.asarray(axes)):
        one.spines[["top", "right"]].set_visible(False)
        one.grid(color=GRID, linewidth=0.7)
        one.set_axisbelow(True)
    return figure, axes


def _save(figure: Figure, file: Path) -> None:
    figure.savefig(file, metadata={"Software": None})
