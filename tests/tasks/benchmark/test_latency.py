from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from tasks.benchmark import latency
from tasks.benchmark.forms.variants import lengthened
from tasks.kinds.base.kind import Row


class Sleeper:
    """Answers after so many milliseconds."""

    parameters: int | None = None
    bytes: int = 0

    def __init__(self, name: str, milliseconds: float, log: list[str]) -> None:
        self.name, self.milliseconds, self.log = name, milliseconds, log

    def predict(self, rows: Any) -> np.ndarray:
        return np.ones((len(rows), 1))

    def answer(self, row: Row) -> np.ndarray:  # noqa: ARG002
        time.sleep(self.milliseconds / 1000)
        return np.ones((1, 1))

    def prepare(self, rows: Any, length: int | None) -> Any:
        return rows, length

    def forward(self, batch: Any) -> Any:
        return self.answer(batch)

    def use(self, threads: int) -> None:
        self.log.append(f"{self.name}/{threads}")


def test_ratio_of_known_speeds_is_found_and_turns_rotate() -> None:
    log: list[str] = []
    variants = [Sleeper("teacher", 8, log), Sleeper("final", 2, log)]
    courses = latency.timing_plans([{"text": "a"}] * 4, rounds=3, threads=2, longest=64, batch=2)
    found = latency.summarize(
        {one.name: latency.measure(variants, one) for one in courses}, courses, "teacher"
    )
    assert log[:8] == [
        f"{name}/1"
        for name in ("teacher", "final", "teacher", "final", "final", "teacher", "teacher", "final")
    ]
    assert found["teacher"]["speedup"] == 1
    assert found["final"]["speedup"] == pytest.approx(4, rel=0.4)
    assert (
        found["final"]["speedup_quartile_1"]
        <= found["final"]["speedup"]
        <= found["final"]["speedup_quartile_3"]
    )
    percentiles = found["final"]["latency_ms"]["answer_1_thread"]
    assert 2 <= percentiles["p50"] <= percentiles["p95"] <= percentiles["p99"]
    assert set(found["final"]["throughput"]) == {"batch_2_1_thread", "batch_2_2_threads"}
    assert "model_only_padded_64_2_threads" in found["final"]["times_faster"]


def test_one_thread_is_measured_once() -> None:
    assert all(
        course.threads == 1 for course in latency.timing_plans([{}], 3, threads=1, longest=128, batch=4)
    )


def test_pieces_are_padded_and_pixels_left_alone() -> None:
    assert lengthened(np.array([[1, 2]]), 4).tolist() == [[1, 2, 0, 0]]
    assert lengthened(np.ones((1, 3, 2, 2)), 4).shape == (1, 3, 2, 2)
