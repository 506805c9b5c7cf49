"""Where the time of one answer goes, in the folder that ships: what is around the graph, and in it operator
by operator.

    python -m benchmarks.operators --run bbc --rows 40 --rounds 50

Asks with the first validation rows, one at a time, with one thread. Each part is timed with the clock; the
shares of the operators are the profiler's, which itself takes time at each of them, so they are told as
shares of the graph's time without it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import onnxruntime

from tasks.core import tables
from tasks.core.errors import DataError
from tasks.export import package
from tasks.kinds.base.kind import load_kind
from tasks.launch.command import Command

ROOT = Path(__file__).resolve().parents[1]
OPERATOR = "_kernel_time"
"""How the profiler's events of an operator end."""


def parts(folder: Path, kind: str, values: Sequence[Any], rounds: int) -> dict[str, float]:
    """Microseconds of a typical answer: of each value the median over the rounds, and of these the mean."""
    graph, request = (
        package.session(folder / package.GRAPH, threads=1),
        load_kind(kind).package.request(folder),
    )
    asked = [request(value) for value in values]
    logits = [package.logits(graph, request, value) for value in values]
    return {
        "input to arrays, tokenizer included": _each(request, values, rounds),
        "the graph, Python's call included": _each(lambda one: graph.run(["logits"], one[0]), asked, rounds),
        "softmax": _each(package.softmax, logits, rounds),
    }


def _each(call: Callable[[Any], Any], values: Sequence[Any], rounds: int) -> float:
    took: dict[int, list[int]] = defaultdict(list)
    for _ in range(rounds):
        for place, value in enumerate(values):
            begun = time.perf_counter_ns()
            call(value)
            took[place].append(time.perf_counter_ns() - begun)
    return sum(median(one) for one in took.values()) / len(took) / 1000


def operators(folder: Path, kind: str, values: Sequence[Any], rounds: int) -> dict[str, tuple[int, float]]:
    """Operator -> how many of it a graph's run has, and its share of their time; the longest first."""
    request = load_kind(kind).package.request(folder)
    with tempfile.TemporaryDirectory() as home:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = 1, 1
        options.enable_profiling, options.profile_file_prefix = True, str(Path(home) / "profile")
        graph = onnxruntime.InferenceSession(
            folder / package.GRAPH, options, providers=["CPUExecutionProvider"]
        )
        for _ in range(rounds):
            for value in values:
                graph.run(["logits"], request(value)[0])
        events = json.loads(Path(graph.end_profiling()).read_text(encoding="utf-8"))
    nodes: dict[str, list[int]] = defaultdict(list)
    kinds = {}
    for event in events:
        if event["name"].endswith(OPERATOR):
            nodes[event["name"]].append(event["dur"])
            kinds[event["name"]] = event["args"]["op_name"]
    counts, times = Counter(kinds.values()), Counter[str]()
    for name, took in nodes.items():
        times[kinds[name]] += sum(took)
    return {kind: (counts[kind], took / times.total()) for kind, took in times.most_common()}


def page(around: dict[str, float], inside: dict[str, tuple[int, float]]) -> str:
    whole, graph = sum(around.values()), around["the graph, Python's call included"]
    lines = ["| part of an answer | µs | share |", "|---|---:|---:|"]
    lines += [f"| {name} | {took:.0f} | {took / whole:.0%} |" for name, took in around.items()]
    lines += [
        f"| **all** | **{whole:.0f}** | |",
        "",
        "| operator | how many | µs, as its share of the graph | share |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| {kind} | {count} | {share * graph:.0f} | {share:.0%} |" for kind, (count, share) in inside.items()
    ]
    return "\n".join(lines)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", required=True, help="of params.yaml, quantized")
    parser.add_argument("--rows", type=int, default=40, help="validation rows to ask with")
    parser.add_argument("--rounds", type=int, default=50, help="how often each is asked")


def _run(given: argparse.Namespace) -> int:
    folder = ROOT / "data" / given.run / "quantize" / "out"
    if not (folder / package.GRAPH).is_file():
        raise DataError(
            folder.relative_to(ROOT).as_posix(), f"is not made yet; `dvc repro quantize@{given.run}`"
        )
    kind = package.preprocessing(folder)["kind"]
    rows = tables.read(ROOT / "data" / given.run / "ingest" / "out" / "validation.parquet")[: given.rows]
    values = [load_kind(kind).package.raw_input(row) for row in rows]
    print(page(parts(folder, kind, values, given.rounds), operators(folder, kind, values, given.rounds)))
    return 0


COMMAND = Command("python -m benchmarks.operators", __doc__, _run, _arguments)
main = COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
