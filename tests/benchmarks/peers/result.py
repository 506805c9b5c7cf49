"""A small result of a comparison, as the command writes it.

One peer with a broken fast recipe and a good slower one, and a student.
"""

from __future__ import annotations

from typing import Any

COURSES = ("answer_1_thread", "model_only_1_thread")
SHARES = {
    "baseline": 0.8,
    "teacher": 1.0,
    "slipway/int8": 1.0,
    "olive/broken": 0.5,
    "olive/good": 0.995,
    "student/bbc": 0.99,
}
SPEEDS = {
    "baseline": 20.0,
    "teacher": 1.0,
    "slipway/int8": 4.0,
    "olive/broken": 6.0,
    "olive/good": 4.0,
    "student/bbc": 18.0,
}


def result(split: str = "validation") -> dict[str, Any]:
    return {
        "run": "bbc",
        "split": split,
        "date": "2026-11-25",
        "command": "python -m benchmarks.peers --run bbc",
        "instructions": ["avx2"],
        "versions": {"measuring": {"onnxruntime": "1.31.1"}, "olive": {"olive-ai": "0.13.0"}},
        "entries": [
            entry("slipway", "int8"),
            entry("olive", "broken"),
            entry("olive", "good"),
            entry("optimum", "int8", error="Traceback\nValueError: cannot"),
        ],
        "students": ["student/bbc"],
        "figures": {name: quality(name) for name in SHARES},
        "timings": {name: speed(name) for name in SPEEDS}
        | {
            "hardware": {"cpu": "a CPU", "cores": 2, "system": "Linux", "python": "3.11.7"},
            "load": {"before": 0.1, "after": 1.2, "others": 0.0},
        },
        "against": {
            "student/bbc": {
                course: {"olive/broken": [2.8, 3.0, 3.2], "olive/good": [4.0, 4.5, 5.0]} for course in COURSES
            }
        },
        "failed": {},
        "measured": {"headline": "macro_f1", "rows": 250, "resamples": 200, "rounds": 15},
    }


def entry(peer: str, recipe: str, error: str | None = None) -> dict[str, Any]:
    seconds = None if error else 12.3
    return {
        "name": f"{peer}/{recipe}",
        "peer": peer,
        "recipe": recipe,
        "does": f"{recipe} of {peer}",
        "own_runtime": peer == "fasttext",
        "seconds": seconds,
        "cpu_seconds": seconds,
        "error": error,
    }


def quality(name: str) -> dict[str, float]:
    share, size = SHARES[name], 1_000_000 if name.startswith("student") else 20_000_000
    figures = {"macro_f1": 0.88 * share, "quality_ratio": share}
    bounds = {
        f"{key}_{end}": value + step
        for key, value in figures.items()
        for end, step in (("low", -0.01), ("high", 0.01))
    }
    return figures | bounds | {"bytes": size, "size_ratio": 91_000_000 / size}


def speed(name: str) -> dict[str, Any]:
    times = SPEEDS[name]
    return {
        "speedup": times,
        "speedup_quartile_1": times - 0.1,
        "speedup_quartile_3": times + 0.1,
        "times_faster": dict.fromkeys(COURSES, times),
        "latency_ms": {"answer_1_thread": {"p50": 20 / times}},
        "peak_rss_mb": 100.0,
    }
