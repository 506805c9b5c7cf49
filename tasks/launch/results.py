"""The commands that ask what a run has made: `slipway report`, `slipway predict`, `slipway gate`."""

from __future__ import annotations

import argparse
import codecs
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tasks.core import escape, params, stages
from tasks.core.errors import DataError
from tasks.kinds.base.kind import known_kinds
from tasks.launch import faults
from tasks.launch.command import Command


def checked(run: str, root: Path) -> str:
    """The name of the run's kind.

    Raises:
        ParamsError: params.yaml has no such run, or it is not in order.
    """
    runs = params.read(root / "params.yaml")
    params.check(
        runs, {name: stage.Params for name, stage in stages.load_all().items()}, known_kinds(), only=run
    )
    kind: str = runs[run]["kind"]
    return kind


def report(given: argparse.Namespace) -> int:
    """Prints the table of the last benchmark of a run, or of every run, or all figures as JSON."""
    print_report(Path.cwd(), [given.run] if given.run else [], getattr(given, "json", False))
    return 0


def print_report(root: Path, runs: Sequence[str], as_json: bool) -> None:
    """Prints the figures of runs of the project `root`; of all that have some, when none is named.

    Raises:
        ParamsError: there is no such run.
        DataError: a run that is named has no figures yet.
    """
    from tasks.benchmark import summary

    for name in runs:
        checked(name, root)
        _require_figures(root / "data" / name)
    folders = {name: Path("data", name, "benchmark") for name in runs or params.read(root / "params.yaml")}
    measured = {name: folder for name, folder in folders.items() if _has_figures(root / folder)}
    if as_json:
        print(json.dumps({name: summary.figures(root / one) for name, one in measured.items()}, indent=1))
        return
    for name, folder in folders.items():
        shown = summary.of(root, folder) if name in measured else "has no figures yet"
        print(shown if len(runs) == 1 else f"{name}\n{shown}\n")


def gate(given: argparse.Namespace) -> int:
    """Prints whether the last benchmark passed its gates; the exit status is 1 if it did not."""
    from tasks.benchmark import gates, summary

    root = Path.cwd()
    checked(given.run, root)
    _require_figures(root / "data" / given.run)
    folder = root / "data" / given.run / "benchmark"
    passed, lines = gates.verdict(folder)
    if getattr(given, "json", False):
        print(json.dumps({"passed": passed, "gates": summary.figures(folder)["gates"]}, indent=1))
    else:
        print("\n".join(lines))
    return 0 if passed else 1


def predict(given: argparse.Namespace) -> int:
    """Prints an answer for each input, or for each line of the standard input."""
    from tasks.export import package

    root = Path.cwd()
    kind = checked(given.run, root)
    load = package.load_structured if getattr(given, "json", False) else package.load
    answer = load(root / "data" / given.run / "quantize" / "out", kind)
    named = ((f"INPUT {number}", text) for number, text in enumerate(given.inputs, 1))
    return _print_answers(answer, named if given.inputs else _lines())


def _has_figures(folder: Path) -> bool:
    return (folder / "metrics.json").is_file()


def _require_figures(run: Path) -> None:
    if not _has_figures(run / "benchmark"):
        raise DataError(
            f"{run.name}/benchmark", f"has no figures yet; make them with `slipway run {run.name}`"
        )


def _lines() -> Iterator[tuple[str, str]]:
    """Lines of the standard input, and where each is.

    Bytes that are no UTF-8 stay: file names may have such.
    """
    for number, line in enumerate(sys.stdin.buffer, 1):
        text = line.removeprefix(codecs.BOM_UTF8 if number == 1 else b"").decode("utf-8", "surrogateescape")
        yield f"standard input, line {number}", text.rstrip("\r\n")


def _print_answers(answer: Callable[[Any], str], inputs: Iterable[tuple[str, str]]) -> int:
    """Each answer as soon as it is there. Who closed the pipe wants no more of them.

    Raises:
        DataError: an input cannot be used, with its place.
    """
    sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape")  # type: ignore[union-attr]
    for place, text in inputs:
        try:
            told = answer(text)
        except DataError as error:
            raise DataError(f"{place} ({error.where})", *error.faults) from None
        try:
            print(escape.visible(told, keep="\t\n") if sys.stdout.isatty() else told, flush=True)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
    return 0


def run_name(parser: argparse.ArgumentParser, optional: bool = False) -> None:
    """Adds the argument RUN; `optional`: None where none is named."""
    parser.add_argument("run", metavar="RUN", nargs="?" if optional else None, help="a run of params.yaml")


def as_json(parser: argparse.ArgumentParser) -> None:
    """Adds --json."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def _report_arguments(parser: argparse.ArgumentParser) -> None:
    run_name(parser, optional=True)
    as_json(parser)


def _gate_arguments(parser: argparse.ArgumentParser) -> None:
    run_name(parser)
    as_json(parser)


def _predict_arguments(parser: argparse.ArgumentParser) -> None:
    run_name(parser)
    parser.add_argument(
        "inputs",
        nargs="*",
        metavar="INPUT",
        help="a text, or an image file; without any, the lines of the standard input",
    )
    as_json(parser)


REPORT = Command(
    "slipway report",
    """Prints the figures of the last benchmark of a run, or of every run.

    slipway report bbc
    slipway report --json > figures.json
""",
    report,
    _report_arguments,
    faults.translate,
    faults.tell,
)
GATE = Command(
    "slipway gate",
    """Says whether the last benchmark of a run passed its gates: exit status 0, or 1.

    slipway gate bbc && deploy data/bbc/quantize/out
""",
    gate,
    _gate_arguments,
    faults.translate,
    faults.tell,
)
PREDICT = Command(
    "slipway predict",
    """Asks the shipped model of a run.

    slipway predict bbc "Shares fall as oil prices rise"
    slipway predict bbc --json < headlines.txt
""",
    predict,
    _predict_arguments,
    faults.translate,
    faults.tell,
)
