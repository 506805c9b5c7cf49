"""Runs the whole pipeline of a run and prints its figures; what is up to date does not run again.

    slipway run bbc
    slipway run --json > figures.json       all runs of params.yaml

A recipe of recipes/ that is no run yet is added first. The work is done by `dvc repro`, whose options serve
for what goes beyond this.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import flows.process.environment  # noqa: F401  # isort: skip  (before DVC, which reads the environment)

from flows.process.environment import FAULT_FILE
from flows.raw_data import data, recipes
from tasks.launch import checking, results
from tasks.launch.command import Command

ALL = "all"
LAST = "benchmark"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", nargs="*", metavar="RUN", help="runs of params.yaml, or names of recipes (default: all runs)"
    )
    results.as_json(parser)


def _run(given: argparse.Namespace) -> int:
    runs = [name for name in given.runs if name != ALL]
    return make(Path.cwd(), runs, given.json)


def make(root: Path, runs: Sequence[str], as_json: bool = False) -> int:
    """Makes runs (none: all) of the project `root`, and prints their figures.

    Returns the exit status: of the stage that failed, else 0. A gate that is not passed is no failure.

    Raises:
        ParamsError: params.yaml is not in order, or there is no such run and no such recipe.
        DataError: the raw data cannot be had.
    """
    # With --json nothing but the JSON goes to the standard output.
    say = sys.stderr if as_json else sys.stdout
    for name in runs:
        data.printed(recipes.ensure(root, name), say)
    checking.all_of(root)
    data.printed(data.restore(root, runs), say)
    status = _reproduce(root, runs, as_json)
    if status == 0:
        results.print_report(root, runs, as_json)
    return status


def _reproduce(root: Path, runs: Sequence[str], quiet: bool) -> int:
    """`dvc repro`; the exit status is that of the stage that failed, which DVC hides."""
    wanted = [f"{LAST}@{name}" for name in runs] or ["--keep-going"]
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "fault.json"
        done = subprocess.run(
            [sys.executable, "-m", "dvc", "repro", *wanted],
            cwd=root,
            env={**os.environ, FAULT_FILE: str(told)},
            stdout=sys.stderr if quiet else None,
            check=False,
        )
        if done.returncode and told.is_file():
            return int(json.loads(told.read_text(encoding="utf-8"))["code"])
    return 1 if done.returncode not in (0, 130) else done.returncode


COMMAND = Command("slipway run", __doc__, _run, _arguments, data.translate)


if __name__ == "__main__":
    sys.exit(COMMAND.main())
