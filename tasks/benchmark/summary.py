"""The short table at the end of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tasks.benchmark import gates
from tasks.benchmark.report import faster, smaller, variants, verdict, with_bounds


def of(folder: Path) -> str:
    """The table of metrics.json and timings.json in this folder.

    Raises:
        DataError: there are no figures yet.
    """
    figures, timings = gates.read(folder)
    headline = figures["measured"]["headline"]
    heads = ["variant", f"{headline} (95 % interval)", "× faster", "× smaller"]
    names = variants(figures)
    rows = [
        [name, with_bounds(figures[name], headline), faster(timings[name]), smaller(figures, name)]
        for name in names
    ]
    passed, lines = gates.evaluate(figures, timings)
    said = verdict(passed, lines)
    more = f"More: {folder.as_posix()}/report/report.md"
    return "\n".join([_aligned([heads, *rows]), "", said, *(f"  {line}" for line in lines), "", more])


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    )
