"""What `slipway new` and `slipway run` make of data, with nothing changed by hand between them:

    python -m benchmarks.own_data banking77 train.csv test.csv --out docs/results/anyones-data-balanced.json
    python -m benchmarks.own_data bbc data/raw/bbc/articles.jsonl --preset fast --text headline

Works on the committed state, in a scratch clone that shares this checkout's DVC cache. The figures join those
that are in the JSON already; the Markdown table that is printed is of all of them. Each call opens the test
split of the data once.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.seeds import command, scratch_clone
from flows.starting import name
from tasks.launch.command import Command
from tasks.proposals.proposal import PRESETS

PREDICTED = re.compile(r"about (\d+) minutes on this machine")
SHOWN = ("baseline", "teacher", "final")
HEADER = (
    "| set | rows train / validation / test | linear baseline | teacher | final | of its teacher | × faster "
    "| × smaller | minutes (predicted) |\n|---|---|---:|---:|---:|---:|---:|---:|---:|"
)


def measure(run: str, sources: Sequence[str], options: Sequence[str], clone: Path) -> dict[str, Any]:
    """The figures of a run that `slipway new` writes for the sources and `slipway run` makes."""
    slipway = [sys.executable, "-m", "flows"]
    told = subprocess.run(
        [*slipway, "new", run, *sources, "--yes", *options],
        cwd=clone,
        check=True,
        text=True,
        stdout=subprocess.PIPE,
    ).stdout
    print(told, flush=True)
    began = time.monotonic()
    command([*slipway, "run", run], clone)
    minutes = (time.monotonic() - began) / 60
    figures = json.loads(
        subprocess.run(
            [*slipway, "report", run, "--json"], cwd=clone, check=True, text=True, capture_output=True
        ).stdout
    )[run]
    ingested = json.loads((clone / "data" / run / "ingest" / "metrics.json").read_text(encoding="utf-8"))
    predicted = PREDICTED.search(told)
    return {
        "headline": figures["headline"],
        **{variant: figures["variants"][variant] for variant in SHOWN},
        "gates": figures["gates"],
        "rows": ingested["rows"],
        "minutes": round(minutes, 1),
        "predicted": int(predicted[1]) if predicted else None,
        "told": told.splitlines(),
    }


def table(measured: Mapping[str, Mapping[str, Any]]) -> str:
    """A Markdown table of the sets and their medians."""
    lines = [HEADER, *(_line(run, one) for run, one in measured.items())]
    finals = [one["final"] for one in measured.values()]
    lines.append(
        f"| median | | | | | {median(one['quality_ratio'] for one in finals):.1%} "
        f"| {median(one['speedup'] for one in finals):.1f} "
        f"| {median(one['size_ratio'] for one in finals):.1f} | |"
    )
    return "\n".join(lines)


def _line(run: str, one: Mapping[str, Any]) -> str:
    headline, final = one["headline"], one["final"]
    scores = " | ".join(_interval(one[name], headline) for name in SHOWN)
    rows = " / ".join(f"{one['rows'][side]:,}" for side in ("train", "validation", "test"))
    ratio = (
        f"{final['quality_ratio']:.1%} [{100 * final['quality_ratio_low']:.1f}, "
        f"{100 * final['quality_ratio_high']:.1f}]"
    )
    return (
        f"| {run}, {headline} | {rows} | {scores} | {ratio} | {final['speedup']:.1f} "
        f"| {final['size_ratio']:.1f} | {one['minutes']:.1f} ({one['predicted']}) |"
    )


def _interval(figures: Mapping[str, Any], headline: str) -> str:
    return f"{figures[headline]:.3f} [{figures[headline + '_low']:.3f}, {figures[headline + '_high']:.3f}]"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="what the run is to be called")
    parser.add_argument("source", metavar="SOURCE", nargs="+", help="as `slipway new` takes them")
    parser.add_argument("--preset", choices=PRESETS, default="balanced", help="(default: balanced)")
    for role in ("text", "label"):
        parser.add_argument(f"--{role}", metavar="COLUMN", help="as `slipway new` takes it")
    parser.add_argument("--out", type=Path, required=True, help="JSON that the figures join")


def _run(given: argparse.Namespace) -> int:
    named = {role: value for role in ("text", "label") if (value := getattr(given, role))}
    options = [
        "--preset",
        given.preset,
        *(word for role, value in named.items() for word in (f"--{role}", value)),
    ]
    measured = json.loads(given.out.read_text(encoding="utf-8")) if given.out.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        clone = scratch_clone(Path(folder))
        sources = [str(Path(one).absolute()) if Path(one).exists() else one for one in given.source]
        run = name.usable(given.run)
        measured[run] = measure(run, sources, options, clone)
    given.out.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
    print(table(measured))
    return 0


COMMAND = Command("python -m benchmarks.own_data", __doc__, _run, _arguments)
main = COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
