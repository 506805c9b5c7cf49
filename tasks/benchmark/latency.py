"""How fast the variants answer, on this machine and on this day.

Every variant is timed in short blocks that take turns, so that what else the machine does meets all of them
alike; each round begins with another variant. A ratio is taken within a round, and the median of the rounds'
ratios is what is told.
"""

from __future__ import annotations

import gc
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tasks.benchmark.forms.variants import Variant
from tasks.core.progress import track
from tasks.kinds.base.kind import Row

PADDED = 128
PERCENTILES = (50, 95, 99)
HEADLINE = "answer_1_thread"
WARM_UP = 10
FIRST_PIECE = "first_piece"


@dataclass(frozen=True)
class TimingPlan:
    """One way to ask: `calls` says what is called, and with what, for a variant and its share of the rows."""

    name: str
    threads: int
    rounds: int
    calls: Callable[[Variant, Sequence[Row]], tuple[Callable[[Any], Any], list[Any]]]
    rows: Sequence[Row]
    batch: int = 1
    warm_up: int = WARM_UP


def writing_plans(rows: Sequence[Row], rounds: int, threads: int, batch: int) -> list[TimingPlan]:
    """Of models that write: to the whole answer, to its first piece, and to several answers side by side."""
    few = max(3, rounds // 2)
    batches = [rows[at % len(rows)] for at in range(batch)]
    result = []
    for count in sorted({1, threads}):
        on = f"{count}_thread{'s' if count > 1 else ''}"
        result += [
            TimingPlan(f"answer_{on}", count, rounds if count == 1 else few, _answer, rows, warm_up=1),
            TimingPlan(f"{FIRST_PIECE}_{on}", count, few, _model_only(1), rows, warm_up=1),
            TimingPlan(f"batch_{batch}_{on}", count, 3, _model_only(None, batch), batches, batch, warm_up=1),
        ]
    return result


def timing_plans(
    rows: Sequence[Row], rounds: int, threads: int, longest: int | None, batch: int
) -> list[TimingPlan]:
    """The headline gets all rounds and rows; what stands beside it gets fewer, so that the whole takes about
    twice the headline's time.

    `longest`: of inputs that differ in length; None if they do not.
    """
    few, some, fewer_rows = (
        max(3, rounds // 5),
        rows[: max(1, len(rows) // 3)],
        rows[: max(1, len(rows) // 8)],
    )
    batches = [rows[at % len(rows)] for at in range(2 * batch)]
    result = []
    for count in sorted({1, threads}):
        on = f"{count}_thread{'s' if count > 1 else ''}"
        answers = (rounds, rows) if count == 1 else (few, some)
        result += [
            TimingPlan(f"answer_{on}", count, answers[0], _answer, answers[1]),
            TimingPlan(f"model_only_{on}", count, few, _model_only(None), some),
            *_padded(count, on, few, longest, fewer_rows),
            TimingPlan(f"batch_{batch}_{on}", count, few, _model_only(None, batch), batches, batch),
        ]
    return result


def _padded(count: int, on: str, rounds: int, longest: int | None, rows: Sequence[Row]) -> list[TimingPlan]:
    if longest is None:
        return []
    length = min(PADDED, longest)
    return [TimingPlan(f"model_only_padded_{length}_{on}", count, rounds, _model_only(length), rows)]


def _answer(variant: Variant, rows: Sequence[Row]) -> tuple[Callable[[Any], Any], list[Any]]:
    return variant.answer, list(rows)


def _model_only(
    length: int | None, batch: int = 1
) -> Callable[[Variant, Sequence[Row]], tuple[Callable[[Any], Any], list[Any]]]:
    def calls(variant: Variant, rows: Sequence[Row]) -> tuple[Callable[[Any], Any], list[Any]]:
        return variant.forward, [
            variant.prepare(rows[at : at + batch], length) for at in range(0, len(rows), batch)
        ]

    return calls


def measure(variants: Sequence[Variant], course: TimingPlan) -> dict[str, np.ndarray]:
    """Milliseconds (rounds, calls) of every variant."""
    work = {variant.name: course.calls(variant, course.rows) for variant in variants}
    for variant in variants:
        variant.use(course.threads)
        call, inputs = work[variant.name]
        _block(call, inputs[: course.warm_up])
    taken: dict[str, list[list[float]]] = {variant.name: [] for variant in variants}
    for turn in track(range(course.rounds), label=course.name):
        first = turn % len(variants)
        for variant in [*variants[first:], *variants[:first]]:
            variant.use(course.threads)
            taken[variant.name].append(_block(*work[variant.name]))
    return {name: np.array(blocks) for name, blocks in taken.items()}


def _block(call: Callable[[Any], Any], inputs: Sequence[Any]) -> list[float]:
    """Milliseconds of each call. The garbage collector waits, as in `timeit`."""
    gc.disable()
    try:
        call(inputs[0])  # wakes threads and caches
        taken = []
        for one in inputs:
            start = time.perf_counter_ns()
            call(one)
            taken.append((time.perf_counter_ns() - start) / 1e6)
        return taken
    finally:
        gc.enable()


def summarize(
    taken: Mapping[str, Mapping[str, np.ndarray]], course_list: Sequence[TimingPlan], reference: str
) -> dict[str, dict[str, Any]]:
    """(course -> variant -> milliseconds) -> per variant.

    `speedup` with its quartiles, percentiles, ratios and throughput per course.
    """
    result: dict[str, dict[str, Any]] = {
        name: {"latency_ms": {}, "throughput": {}, "times_faster": {}} for name in taken[HEADLINE]
    }
    for course in course_list:
        for name, blocks in taken[course.name].items():
            ratios = taken[course.name][reference].sum(1) / blocks.sum(1)
            low, middle, high = (round(float(value), 3) for value in np.quantile(ratios, (0.25, 0.5, 0.75)))
            if course.name == HEADLINE:
                result[name] = {
                    "speedup": middle,
                    "speedup_quartile_1": low,
                    "speedup_quartile_3": high,
                    **result[name],
                }
            if course.batch > 1:
                result[name]["throughput"][course.name] = round(
                    float(np.median(course.batch * 1000 / blocks)), 1
                )
            else:
                values = np.percentile(blocks, PERCENTILES)
                result[name]["latency_ms"][course.name] = {
                    f"p{p}": round(float(v), 4) for p, v in zip(PERCENTILES, values, strict=True)
                }
            result[name]["times_faster"][course.name] = middle
    return result


def add_pieces(
    timings: dict[str, Any],
    taken: Mapping[str, Mapping[str, np.ndarray]],
    variants: Sequence[Variant],
    rows: Sequence[Row],
) -> None:
    """Adds to the timings of models that write how many pieces they wrote, and the milliseconds of each
    behind the first.
    """
    whole, first = taken[HEADLINE], taken[f"{FIRST_PIECE}_1_thread"]
    for variant in variants:
        if (pieces := getattr(variant, "pieces", None)) is None:
            continue
        count = sum(pieces(rows))
        behind = np.median(whole[variant.name].sum(1)) - np.median(first[variant.name].sum(1))
        timings[variant.name]["pieces"] = {
            "of_an_answer": round(count / len(rows), 3),
            "milliseconds": round(float(behind) / max(1, count - len(rows)), 4),
        }


def hardware(threads: int) -> dict[str, Any]:
    packages = {name: version(name) for name in ("torch", "onnxruntime", "transformers", "tokenizers")}
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "threads": threads,
        "system": platform.system(),
        "python": platform.python_version(),
        **packages,
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def load() -> float:
    """How many processes wanted a processor in the last minute, those of this run among them."""
    return round(os.getloadavg()[0], 2)


def others(rest_seconds: float = 1.0) -> float | None:
    """How many processors others keep busy while this process rests. None where the system does not tell."""
    ticks = Path("/proc/stat")
    if not ticks.is_file():
        return None
    before = _ticks(ticks)
    time.sleep(rest_seconds)
    passed = [after - old for after, old in zip(_ticks(ticks), before, strict=True)]
    idle = passed[3] + passed[4]
    return round((os.cpu_count() or 1) * (1 - idle / max(1, sum(passed))), 2)


def _ticks(file: Path) -> list[int]:
    """Of all processors since the start.

    User, nice, system, idle, waiting for a disk, interrupts, stolen by other machines.
    """
    return [int(word) for word in file.read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
