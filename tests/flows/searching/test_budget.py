"""What a budget may say, and what is said of one that is none."""

from __future__ import annotations

import pytest

from flows.searching import budget
from tasks.core.errors import ParamsError


def test_a_line_becomes_limits_and_an_objective() -> None:
    found = budget.parse("quality >= 99% of teacher, then least latency")
    assert [(limit.figure, limit.value) for limit in found.limits] == [("quality", 0.99)]
    assert found.objective == "latency"


@pytest.mark.parametrize(
    ("text", "limits", "objective"),
    [
        ("latency ≤ 1 ms, then best quality", {"latency": 1.0}, "quality"),
        (
            "quality ≥ 99 % of the teacher and size <= 3 MB, then least latency",
            {"quality": 0.99, "bytes": 3e6},
            "latency",
        ),
        ("speedup >= 15x, size <= 900 kB, then best quality", {"speedup": 15.0, "bytes": 9e5}, "quality"),
        (
            "latency <= 0.35 ms, speedup >= 12.5 times, then least size",
            {"latency": 0.35, "speedup": 12.5},
            "bytes",
        ),
    ],
)
def test_what_may_be_said(text: str, limits: dict[str, float], objective: str) -> None:
    found = budget.parse(text)
    assert {limit.figure: limit.value for limit in found.limits} == pytest.approx(limits)
    assert found.objective == objective


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ParamsError) as raised:
        budget.parse("quality > 99%, latency <= 1 ms, latency <= 2 ms, then fastest")
    said = str(raised.value)
    assert "'quality > 99%': is no limit; allowed: quality >= N% of teacher" in said
    assert "latency is limited twice" in said
    assert "'fastest': is no objective; allowed: least latency, best quality, least size" in said


@pytest.mark.parametrize("text", ["", "quality >= 99% of teacher", "least latency"])
def test_a_line_without_limits_or_objective_is_shown_one(text: str) -> None:
    with pytest.raises(ParamsError, match="as in `quality >= 99% of teacher, then least latency`"):
        budget.parse(text)


def test_a_limit_is_broken_by_a_share_of_itself() -> None:
    found = budget.parse("quality >= 80% of teacher, latency <= 2 ms, then least size")
    figures = {"quality": 0.76, "latency": 2.0}
    assert [limit.figure for limit in found.broken(figures)] == ["quality"]
    assert found.limits[0].excess(figures) == pytest.approx(0.05)
    assert found.limits[1].excess({"latency": 3.0}) == pytest.approx(0.5)


def test_what_is_not_known_yet_breaks_nothing() -> None:
    found = budget.parse("quality >= 99% of teacher, speedup >= 10 x, then least size")
    assert found.broken({"bytes": 1e6}) == []
    assert [limit.figure for limit in found.broken({"speedup": 9.9})] == ["speedup"]
