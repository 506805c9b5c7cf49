"""What DVC shows of a benchmark when two are compared: few figures under names that stay, and the points of
its plots.

The figures of all variants, with all that explains them, stand in metrics.json and timings.json; these here
are taken from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.benchmark import latency
from tasks.benchmark.grid import timed

Figures = Mapping[str, Any]
MEGABYTE = 1e6


def quality(figures: Figures) -> dict[str, Any]:
    """The same for the same inputs."""
    headline, final = figures["measured"]["headline"], figures["final"]
    return {
        headline: {
            "final": final[headline],
            "low": final[f"{headline}_low"],
            "high": final[f"{headline}_high"],
        }
        | {name: figures[name][headline] for name in ("teacher", "baseline")},
        "share_of_teacher": final["quality_ratio"],
        "agreement_with_teacher": final["agreement"],
        **({"calibration_error": final["ece"]} if "ece" in final else {}),
        "megabytes": round(final["bytes"] / MEGABYTE, 4),
        "gates_passed": int(figures["gates"]["passed"]),
    }


def speed(timings: Figures) -> dict[str, Any]:
    """Of the day and the machine."""
    final, times = timings["final"], timings["final"]["latency_ms"][latency.HEADLINE]
    return {
        "times_faster": {
            "final": final["speedup"],
            "quartile_1": final["speedup_quartile_1"],
            "quartile_3": final["speedup_quartile_3"],
        },
        "milliseconds": {"p50": times["p50"], "p95": times["p95"]},
        "peak_megabytes": final["peak_rss_mb"],
        "gates_passed": int(timings["gates"]["passed"]),
    }


def points(figures: Figures, timings: Figures) -> list[dict[str, Any]]:
    """Quality against latency: one point per variant."""
    headline = figures["measured"]["headline"]
    return [
        {
            "name": name,
            "milliseconds": timings[name]["latency_ms"][latency.HEADLINE]["p50"],
            "quality": figures[name][headline],
            "low": figures[name][f"{headline}_low"],
            "high": figures[name][f"{headline}_high"],
            "bytes": figures[name]["bytes"],
        }
        for name in timed(figures, timings)
    ]


def categories(names: Sequence[str], scores: Sequence[Mapping[str, float]]) -> list[dict[str, Any]]:
    """F1 of each category: `scores` are those of `metrics.per_category`."""
    return [
        {"category": name, "f1": round(one["f1"], 6), "rows": int(one["support"])}
        for name, one in zip(names, scores, strict=True)
    ]
