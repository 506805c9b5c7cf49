from __future__ import annotations

import json
from pathlib import Path

import pytest

from tasks.benchmark import gates
from tasks.core.errors import DataError

FINAL = {"quality_ratio": 0.98, "quality_ratio_low": 0.96, "quality_ratio_high": 1.0, "bytes": 4_000_000}
SPEED = {"speedup": 12.0, "speedup_quartile_1": 11.0, "speedup_quartile_3": 13.0}


@pytest.mark.parametrize(
    ("min_quality_ratio", "max_bytes", "min_speedup", "missed"),
    [
        (0.97, 4_000_000, 12.0, set()),
        (0.981, 5_000_000, 10.0, {"quality"}),
        (0.97, 3_999_999, 10.0, {"size"}),
        (0.97, 5_000_000, 12.01, {"speed"}),
        (0.99, 1, 99.0, {"quality", "size", "speed"}),
    ],
)
def test_verdict_names_what_was_missed(
    tmp_path: Path, min_quality_ratio: float, max_bytes: int, min_speedup: float, missed: set[str]
) -> None:
    figures = {"gates": gates.of_figures(FINAL, "macro_f1", min_quality_ratio, max_bytes)}
    timings = {"gates": gates.of_timings(SPEED, min_speedup)}
    for name, content in zip(gates.FILES, (figures, timings), strict=True):
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    passed, lines = gates.verdict(tmp_path)
    assert passed == (not missed)
    assert {line.split(":")[0] for line in lines if "NOT PASSED" in line} == missed
    assert len(lines) == 3  # the figures know no baseline


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no such file"), ("{", "not readable"), ("[]", "no `gates`"), ("{}", "no `gates`")],
)
def test_missing_or_broken_figures_are_told(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "metrics.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        gates.verdict(tmp_path)


def test_a_bound_that_only_the_figure_keeps_is_said() -> None:
    assert "the interval does not" in gates.of_figures(FINAL, "macro_f1", 0.97, 1)["quality"]["reason"]
    assert "is also above it" in gates.of_figures(FINAL, "macro_f1", 0.95, 1)["quality"]["reason"]


def told_of(final: float, linear: float) -> tuple[bool, list[str]]:
    """What is told of a model whose gates are all passed, beside a linear baseline."""
    figures = {
        name: {"macro_f1": value, "macro_f1_low": value - 0.02, "macro_f1_high": value + 0.02}
        for name, value in (("final", final), ("baseline", linear))
    }
    held = {
        "gates": gates.of_figures(FINAL, "macro_f1", 0.9, 5_000_000),
        "measured": {"headline": "macro_f1"},
    }
    return gates.evaluate({**figures, **held}, {"gates": gates.of_timings(SPEED, 1.0)})


@pytest.mark.parametrize(
    ("final", "linear", "standing"),
    [
        (0.9, 0.8, "the model is above it"),
        (0.82, 0.8, "the model is above it, not beyond noise"),
        (0.8, 0.8, gates.BELOW),
        (0.5, 0.8, gates.BELOW),
    ],
)
def test_the_linear_baseline_stands_beside_the_gates(final: float, linear: float, standing: str) -> None:
    passed, lines = told_of(final, linear)
    assert passed
    assert lines[-1].startswith(f"baseline: {standing}: macro_f1 {final:.4f} (95 % interval ")
    assert f"a linear model on the same training rows has {linear:.4f}" in lines[-1]


@pytest.mark.parametrize(
    "found",
    [
        {},
        {"measured": 3},
        {"measured": {"headline": "f1"}, "final": {"f1": 10**400}, "baseline": {"f1": "x"}},
    ],
)
def test_figures_that_know_no_baseline_say_nothing_of_it(found: dict[str, object]) -> None:
    assert gates.beside_baseline(found) == ""
