"""Pictures of a review, readable on light and on dark ground.

What changed in each category, quality against latency, reliability.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from flows.reviewing.compared.costs import HEADLINE_COURSE
from flows.reviewing.compared.quality import Quality
from flows.reviewing.pages.page import Block, Picture
from flows.reviewing.review import RunReview

INK, GRID = "#7d8794", "#7d879444"
A, B, GOOD, BAD = "#8f7ae5", "#0a9bd6", "#1f9d68", "#dc5145"
MOST = 25
VARIANTS = ("baseline", "teacher", "pruned", "distilled", "final")


def of(one: RunReview) -> Iterator[Block]:
    if one.quality is not None:
        yield Picture(
            f"{one.run}-categories.png",
            "what changed: the headline figure and F1 by category, with intervals",
            _categories(one.quality),
        )
    if all(one.costs.timings) and all(one.costs.figures):
        yield Picture(
            f"{one.run}-quality-latency.png",
            "quality against latency, A and B",
            _quality_latency(one),
            half=True,
        )
    if any(one.reliability):
        yield Picture(
            f"{one.run}-reliability.png",
            "reliability of the model that ships, A and B",
            _reliability(one),
            half=True,
        )


def _categories(quality: Quality) -> bytes:
    found = quality.comparison
    ordered = sorted(found.categories.items(), key=lambda pair: -abs(pair[1].value))[:MOST]
    lines = [(found.figure, found.difference), *ordered]
    figure, axes = _sheet(7.6, 1.3 + 0.34 * len(lines))
    axes.axvspan(
        -found.margin, found.margin, color=INK, alpha=0.13, linewidth=0, label=f"margin ± {found.margin:g}"
    )
    axes.axvline(0, color=INK, linewidth=1)
    for at, (_, gap) in enumerate(lines):
        colour = GOOD if gap.low > 0 else BAD if gap.high < 0 else INK
        axes.plot(
            [gap.low, gap.high],
            [at, at],
            color=colour,
            linewidth=3 if at == 0 else 1.8,
            solid_capstyle="round",
        )
        axes.plot([gap.value], [at], marker="o", color=colour, markersize=8 if at == 0 else 5.5)
    axes.set_yticks(range(len(lines)), [_name(name) for name, _ in lines], parse_math=False)
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_xlabel("B less A: the figure in bold, and F1 of each category; grey: within noise")
    axes.legend(frameon=False, labelcolor=INK, loc="best", fontsize=8)
    axes.grid(axis="y", visible=False)
    return _png(figure)


def _name(name: str) -> str:
    from tasks.benchmark.plots import tick_names
    from tasks.core import escape

    return (
        name
        if tick_names([name]) == [name]
        else f"{escape.line(name)[:20].encode('ascii', 'replace').decode()}…"
    )


def _quality_latency(one: RunReview) -> bytes:
    figure, axes = _sheet(5.6, 4.2)
    headline, places = one.costs.headline, {}
    for at, (side, colour) in enumerate((("A", A), ("B", B))):
        for variant in VARIANTS:
            x = one.costs.timing("latency_ms", HEADLINE_COURSE, "p50", variant=variant)[at]
            y, low, high = (
                one.costs.figure(f"{headline}{end}", variant)[at] for end in ("", "_low", "_high")
            )
            if not all(isinstance(value, int | float) for value in (x, y, low, high)):
                continue
            shipped = variant == "final"
            axes.plot([x, x], [low, high], color=colour, linewidth=1.6 if shipped else 0.8, alpha=0.9)
            label = side if shipped else None
            axes.plot(
                [x],
                [y],
                marker="o",
                color=colour,
                markersize=9 if shipped else 5,
                linestyle="none",
                label=label,
            )
            places[variant] = (x, high)
    for variant, (x, high) in places.items():
        axes.annotate(
            variant, (x, high), (0, 4), textcoords="offset points", ha="center", fontsize=8, color=INK
        )
    axes.set_xscale("log")
    _plain_ticks(axes)
    axes.margins(x=0.12, y=0.15)
    axes.set(xlabel="median ms per input (log; batch 1, 1 thread)", ylabel=f"{headline}, 95 % interval")
    if places:
        axes.legend(frameon=False, labelcolor=INK, loc="lower right", title=None)
    return _png(figure)


def _plain_ticks(axes: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _reliability(one: RunReview) -> bytes:
    figure, axes = _sheet(5.6, 4.2)
    axes.plot([0, 1], [0, 1], color=INK, linestyle="--", linewidth=1, label="as sure as right")
    for side, colour, points in zip("AB", (A, B), one.reliability, strict=True):
        if points:
            rows = sum(point["rows"] for point in points) or 1
            sizes = [12 + 260 * point["rows"] / rows for point in points]
            x, y = [point["confidence"] for point in points], [point["accuracy"] for point in points]
            axes.plot(x, y, color=colour, linewidth=1, alpha=0.45)
            axes.scatter(x, y, s=sizes, color=colour, alpha=0.75, linewidths=0, label=side)
    axes.set(
        xlabel="probability of the answer given (area: rows)",
        ylabel="share of right answers",
        xlim=(0, 1.02),
        ylim=(0, 1.04),
    )
    key = axes.legend(frameon=False, labelcolor=INK, loc="upper left")
    for handle in key.legend_handles[1:]:
        handle.set_sizes([40])
    return _png(figure)


def _sheet(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    axes.tick_params(colors=INK, labelsize=9)
    axes.xaxis.label.set(color=INK, fontsize=9)
    axes.yaxis.label.set(color=INK, fontsize=9)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GRID)
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _png(figure: Any) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", transparent=True, metadata={"Software": None})
    return file.getvalue()
