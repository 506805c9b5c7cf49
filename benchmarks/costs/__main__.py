"""How the cost of labelling, of distilling and of benchmarking grows with rows, tokens and parameters, on
this machine:

    python -m benchmarks.costs --run bbc --rounds 3 --out costs

The run's teacher must be made. Around one point in the middle, each factor has a smaller and a larger size
while the others stay. Rows are made of the run's own texts so that each has just as many tokens, models are
the teacher pruned, and the stages are the true ones; the test split is not opened. All sizes are measured in
turns, benchmarks in every other round. Writes docs/results/OUT.json, docs/results/OUT.md and
docs/pictures/OUT.png. What is measured stands in the JSON at once: started again, this goes on, and begins
anew if the run, the code or the machine is another.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.ablation import Bench
from benchmarks.costs.sizes import Grid, Point
from tasks.core import params
from tasks.core.errors import DataError
from tasks.launch.command import Command
from tasks.launch.environment import ENVIRONMENT
from tasks.pretrain.locate import content_hash

HERE = Path(__file__).resolve().parent
MEASURED_BY = ("sizes.py", "workshop.py", "jobs.py")
SECTIONS = ("finetune", "prune", "distill", "quantize", "benchmark")


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--run", default="bbc", help="a run of params.yaml: texts with one label each, its teacher made"
    )
    parser.add_argument("--rounds", type=_at_least_one, default=3, help="how often each size is measured")
    parser.add_argument(
        "--out", type=_name, default="costs", help="name of the page, the JSON and the picture below docs/"
    )


def _run(given: argparse.Namespace) -> int:
    os.environ.update({name: value for name, value in ENVIRONMENT.items() if name not in os.environ})
    measured(Path.cwd(), given.run, Grid(), given.rounds, given.out, given.call)
    return 0


def _at_least_one(text: str) -> int:
    if (count := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"{count} rounds measure nothing; at least 1")
    return count


def _name(text: str) -> str:
    if not re.fullmatch(r"[\w.-]*\w[\w.-]*", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no name of a file: letters, digits, `_`, `-` and `.` are allowed, no folder"
        )
    return text


def measured(root: Path, run: str, grid: Grid, rounds: int, name: str, command: str) -> None:
    """Measures what is missing and writes JSON, page and picture.

    Raises:
        DataError: the run has no teacher yet, or its rows are not texts with one label each.
        ModelError: its teacher cannot be cut to these sizes.
        ParamsError: its params are not in order.
    """
    from benchmarks.costs import page, picture

    bench = Bench(root, run)
    values = bench.values
    _must_be_made(bench)
    results, pictures = root / "docs" / "results", root / "docs" / "pictures"
    for folder in (results, pictures):
        folder.mkdir(parents=True, exist_ok=True)
    file = results / f"{name}.json"
    kept = _begun(file, {"run": run, "threads": values["threads"], "made_of": _made_of(bench, grid)})
    measure(bench, grid, rounds, kept, file)
    result = {
        **kept,
        "command": command,
        "date": datetime.now(UTC).date().isoformat(),
        "growth": page.growth(kept, grid),
    }
    _write(file, result)
    (results / f"{name}.md").write_text(
        page.markdown(result, grid, f"../pictures/{name}.png"), encoding="utf-8"
    )
    picture.draw(result, grid, pictures / f"{name}.png")
    print(f"docs/results/{name}.md, docs/results/{name}.json, docs/pictures/{name}.png")


def _must_be_made(bench: Bench) -> None:
    missing = [
        name
        for name in ("ingest/out/train.parquet", "finetune/out/config.json")
        if not (bench.at(name)).is_file()
    ]
    if missing:
        raise DataError(
            f"data/{bench.run}",
            *(f"{name} is missing; `dvc repro finetune@{bench.run}` makes it" for name in missing),
        )


def _made_of(bench: Bench, grid: Grid) -> str:
    """Hash of all that the seconds depend on, the machine among it."""
    from tasks.benchmark import latency
    from tasks.core import stages

    values = {name: bench.values[name] for name in (*params.RunFields.model_fields, *SECTIONS)}
    told = [
        json.dumps([values, latency.hardware(bench.values["threads"])]),
        repr(grid),
        content_hash(bench.at("finetune/out")),
    ]
    files = [*sorted(stages.TASKS.rglob("*.py")), *(HERE / name for name in MEASURED_BY)]
    files += [bench.at("ingest/out") / f"{split}.parquet" for split in ("train", "pool")]
    told += [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:16]


def _begun(file: Path, told: dict[str, Any]) -> dict[str, Any]:
    """What stands in the file if it is of these things; else a new beginning."""
    if file.exists():
        kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if kept.get("made_of") == told["made_of"]:
            return kept
        print(
            f"{file.name} is of another run, other rows, code or another machine: measured anew", flush=True
        )
    return {**told, "models": {}, "load": [], "others": [], "seconds": {}}


def measure(bench: Bench, grid: Grid, rounds: int, kept: dict[str, Any], file: Path) -> None:
    """Adds to `kept` the seconds of each round that are not there yet, point by point in turns, and writes it
    to `file` as they come.
    """
    from benchmarks.costs.jobs import JOBS
    from benchmarks.costs.workshop import Workshop
    from tasks.benchmark import latency

    kept["hardware"] = latency.hardware(bench.values["threads"])
    with tempfile.TemporaryDirectory() as home:
        shop = Workshop(bench, Path(home))
        for turn in range(rounds):
            todo = [
                (point, job)
                for point in _from(grid.points, turn)
                for job in JOBS
                if not _is_done(kept, point, job, turn)
            ]
            if todo:
                kept["load"].append(latency.load())
                kept["others"].append(latency.others())
            for point, job in todo:
                print(f"round {turn + 1}/{rounds}: {point.name}: {job}", flush=True)
                place = shop.place(point)
                if point.model not in kept["models"]:
                    kept["models"][point.model] = shop.sizes_of(place.model)
                for series, seconds in JOBS[job](shop, place).items():
                    kept["seconds"].setdefault(point.name, {}).setdefault(series, []).append(
                        round(seconds, 4)
                    )
                _write(file, kept)


def _from(points: Sequence[Point], turn: int) -> list[Point]:
    """All of them, each round beginning with another."""
    first = turn % len(points)
    return [*points[first:], *points[:first]]


def _is_done(kept: dict[str, Any], point: Point, job: str, turn: int) -> bool:
    from benchmarks.costs.jobs import SELDOM

    return len(kept["seconds"].get(point.name, {}).get(job, [])) > (turn // 2 if job in SELDOM else turn)


def _write(file: Path, kept: dict[str, Any]) -> None:
    part = file.with_suffix(".part")
    part.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    part.replace(file)


COMMAND = Command("python -m benchmarks.costs", __doc__, _run, _arguments)
main = COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
