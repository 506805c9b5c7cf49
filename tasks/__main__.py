"""The one way a stage is run, by both doors:  python -m tasks prune bbc

    python -m tasks --list              the graph
    python -m tasks check               is params.yaml in order?
    python -m tasks STAGE RUN           run one stage whose inputs are there (`dvc repro` runs all)
    python -m tasks predict RUN INPUT   ask the shippable model; INPUT is a text, or a picture's file
    python -m tasks summary [RUN]       the table of the last benchmark; of every run that has one
    python -m tasks gate RUN            exit 0 if the last benchmark passed its gates, 1 if not

Exit status: 0 done, 1 a bug or a gate not passed, 2 a user's fault, 75 a passing one. Where
SLIPWAY_FAULT_FILE names a file, a fault is also written there as JSON, because DVC hides the status.
"""

from __future__ import annotations

from tasks.kinds.base.kind import known_kinds

from tasks.launch import parent  # isort: skip  (before what takes time to import)

import argparse
import codecs
import errno
import json
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tasks.core import documents, escape, params, stages
from tasks.core.errors import DataError, ParamsError, PassingError, SlipwayError
from tasks.launch.command import Command
from tasks.training import distributed

ENVIRONMENT = {
    # Threads that wait without spinning: beside a busy neighbour training is 9 times faster so; see
    # docs/log.md.
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "DO_NOT_TRACK": "1",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
}
LIST = "--list"


def main(arguments: list[str]) -> int:
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    return COMMAND.main(arguments)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(LIST, action="store_true", help="print the graph and stop")
    parser.add_argument(
        "command",
        nargs="?",
        choices=[*stages.load_all(), "check", "predict", "summary", "gate"],
        metavar="COMMAND",
    )
    parser.add_argument("run", nargs="?", metavar="RUN", help="a run of params.yaml")
    parser.add_argument(
        "inputs", nargs="*", metavar="INPUT", help="what to predict; without any, lines of the standard input"
    )


def _run(asked: argparse.Namespace) -> int:
    root = Path.cwd()
    graph = stages.load_all()
    if asked.command == "check":
        documents.check_files(root)
    if asked.list or asked.command is None:
        _print_graph(graph)
        return 0
    runs = params.read(root / "params.yaml")
    models = {name: stage.Params for name, stage in graph.items()}
    if asked.command == "check":
        checked = params.check(runs, models, known_kinds(), only=asked.run)
        print(f"params.yaml: {len(checked)} run(s) in order: {', '.join(checked)}")
        return 0
    if asked.command == "summary" and asked.run is None:
        _summarize_all(root / "data", list(runs))
        return 0
    if asked.run is None:
        raise ParamsError(f"python -m tasks {asked.command}", f"name a run: {', '.join(runs)}")
    checked = params.check(runs, models, known_kinds(), only=asked.run)
    if asked.command in graph:
        from tasks.launch import foresight, runner

        parent.die_with_it()
        foresight.check(asked.command, asked.run, checked[asked.run], root)
        runner.run_stage(asked.command, asked.run, checked[asked.run][asked.command], root)
        return 0
    return _read_results(asked, root / "data" / asked.run, runs[asked.run]["kind"])


def _read_results(asked: argparse.Namespace, folder: Path, kind: str) -> int:
    if asked.command == "predict":
        from tasks.export import package

        answer = package.load(folder / "quantize" / "out", kind)
        named = ((f"INPUT {number}", text) for number, text in enumerate(asked.inputs, 1))
        return _predict(answer, named if asked.inputs else _lines())
    if not (folder / "benchmark" / "metrics.json").is_file():
        raise DataError(f"{folder.name}/benchmark", "has no figures yet; make them with `dvc repro`")
    if asked.command == "gate":
        from tasks.benchmark import gates

        passed, lines = gates.verdict(folder / "benchmark")
        print("\n".join(lines))
        return 0 if passed else 1
    from tasks.benchmark import summary

    print(summary.of(folder / "benchmark"))
    return 0


def _lines() -> Iterator[tuple[str, str]]:
    """Lines of the standard input, and where each is.

    Bytes that are no UTF-8 stay: file names may have such.
    """
    for number, line in enumerate(sys.stdin.buffer, 1):
        text = line.removeprefix(codecs.BOM_UTF8 if number == 1 else b"").decode("utf-8", "surrogateescape")
        yield f"standard input, line {number}", text.rstrip("\r\n")


def _predict(answer: Callable[[Any], str], inputs: Iterable[tuple[str, str]]) -> int:
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


def _summarize_all(data: Path, runs: list[str]) -> None:
    from tasks.benchmark import summary

    for name in runs:
        there = (data / name / "benchmark" / "metrics.json").is_file()
        print(f"{name}\n{summary.of(data / name / 'benchmark') if there else 'has no figures yet'}\n")


def _print_graph(graph: dict[str, stages.Stage]) -> None:
    for name, stage in graph.items():
        summary = (sys.modules[f"tasks.{name}.stage"].__doc__ or "").split("\n\n")[0].replace("\n", " ")
        reads = ", ".join(sorted(stages.artifacts(stage).values()))
        print(f"{name:<10} reads {reads:<70} {summary}")


def _translate(error: Exception) -> SlipwayError:
    """What is no fault of ours or the user's keeps its traceback, above the message."""
    fault = _fault_of(error)
    if type(fault) is SlipwayError:
        traceback.print_exc()
    return fault


def _fault_of(error: Exception) -> SlipwayError:
    """safetensors and tokenizers hide the number of an operating system's error in their text."""
    advice = {
        errno.ENOSPC: "the disk is full; free some space and run again, finished work is kept",
        errno.EDQUOT: "the disk quota is used up; free some space and run again, finished work is kept",
        errno.EROFS: "the file system is read-only; it must be writable",
        errno.EACCES: "no permission; the folder must be readable and writable",
    }
    hidden = re.search(r"\(os error (\d+)\)", str(error))
    number = error.errno if isinstance(error, OSError) else int(hidden[1]) if hidden else None
    if number in advice:
        return DataError(str(getattr(error, "filename", None) or "data"), advice[number])
    if type(error).__name__ in {"OutOfMemoryError", "MemoryError"}:
        first = str(error).splitlines()[0] if str(error) else "no more to be had"
        return PassingError("out of memory", f"{first}; try a smaller batch_size")
    return SlipwayError(type(error).__name__, str(error))


def _tell(fault: SlipwayError) -> None:
    """Says a fault on the standard error (of one process, where several train) and in SLIPWAY_FAULT_FILE."""
    message = str(fault)
    if not distributed.is_worker():
        print(message, file=sys.stderr, flush=True)
    if file := os.environ.get("SLIPWAY_FAULT_FILE"):
        told = {"code": fault.exit_code, "message": message}
        Path(file).write_text(json.dumps(told), encoding="utf-8")


COMMAND = Command("python -m tasks", __doc__, _run, _arguments, _translate, _tell)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
