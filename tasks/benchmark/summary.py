"""The short table at the end of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.benchmark import gates
from tasks.benchmark.grid import variants, with_bounds
from tasks.benchmark.report import faster, smaller, verdict


def of(root: Path, folder: Path) -> str:
    """The table of metrics.json and timings.json in this folder of the project `root`.

    Raises:
        DataError: there are no figures yet.
    """
    figures, timings = gates.read(root / folder)
    headline = figures["measured"]["headline"]
    heads = ["variant", f"{headline} (95 % interval)", "× faster", "× smaller"]
    names = variants(figures)
    rows = [
        [name, with_bounds(figures[name], headline), faster(timings, name), smaller(figures, name)]
        for name in names
    ]
    passed, lines = gates.evaluate(figures, timings)
    said = verdict(passed, lines)
    more = f"More: {folder.as_posix()}/report/report.md"
    return "\n".join([_aligned([heads, *rows]), "", said, *(f"  {line}" for line in lines), "", more])


def figures(folder: Path) -> dict[str, Any]:
    """The figures of metrics.json and timings.json in this folder, for programs: the name of the headline
    metric, each variant's figures, and the gates.

    Raises:
        DataError: there are no figures yet.
    """
    quality, timings = gates.read(folder)
    return {
        "headline": quality["measured"]["headline"],
        "variants": {name: {**quality[name], **timings.get(name, {})} for name in variants(quality)},
        "gates": {
            name: gate
            for part in (quality, timings)
            for name, gate in part["gates"].items()
            if name != "passed"
        },
        "passed": quality["gates"]["passed"] and timings["gates"]["passed"],
    }


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    )
