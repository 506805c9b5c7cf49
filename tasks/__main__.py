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
    try:
        return _run(_parser().parse_args(arguments), Path.cwd())
    except SlipwayError as error:
        return _fault(error.exit_code, str(error))
    except OSError as error:
        return _fault(*_operating_system(error))
    except Exception as error:
        code, message = _unexpected(error)
        if code == SlipwayError.exit_code:
            traceback.print_exc()
        return _fault(code, message)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m tasks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
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
    return parser


def _run(asked: argparse.Namespace, root: Path) -> int:
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


def _operating_system(error: OSError) -> tuple[int, str]:
    advice = {
        errno.ENOSPC: "the disk is full; free some space and run again, finished work is kept",
        errno.EDQUOT: "the disk quota is used up; free some space and run again, finished work is kept",
        errno.EROFS: "the file system is read-only; it must be writable",
        errno.EACCES: "no permission; the folder must be readable and writable",
    }
    if error.errno in advice:
        return DataError.exit_code, f"{error.filename or 'data'}: {advice[error.errno]}"
    traceback.print_exc()
    return SlipwayError.exit_code, f"{type(error).__name__}: {error}"


def _unexpected(error: Exception) -> tuple[int, str]:
    """safetensors and tokenizers hide the number of an operating system's error in their text."""
    if found := re.search(r"\(os error (\d+)\)", str(error)):
        return _operating_system(OSError(int(found[1]), str(error)))
    if type(error).__name__ in {"OutOfMemoryError", "MemoryError"}:
        return (
            PassingError.exit_code,
            f"out of memory: {str(error).splitlines()[0] if str(error) else 'no more to be had'}; try a "
            "smaller batch_size",
        )
    return SlipwayError.exit_code, f"{type(error).__name__}: {error}"


def _fault(code: int, message: str) -> int:
    message = escape.visible(message, keep="\n")
    if not distributed.is_worker():
        print(message, file=sys.stderr, flush=True)
    if file := os.environ.get("SLIPWAY_FAULT_FILE"):
        Path(file).write_text(json.dumps({"code": code, "message": message}), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
