"""Shipped models against each other: what speaks for a challenger, and what forbids it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.judging import answers
from flows.judging.answers import Shipped
from flows.judging.verdict import Spread
from flows.retraining.night import judge
from tasks.benchmark.gates import BELOW
from tests import tiny
from tests.flows.retraining.conftest import KIND, policy

NO_SPREAD = Spread(0, 0.0)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return tiny.rows(500, start=700)


def test_better_model_is_promoted_and_the_worse_one_is_not(
    models: dict[str, Shipped], rows: list[dict[str, Any]]
) -> None:
    dull, keen = models["dull"], models["keen"]
    better = judge.judge(dull, keen, {"frozen": rows, "fresh": []}, NO_SPREAD, policy(), 0)
    assert (better.frozen.verdict, better.fresh, better.objections, better.promote) == (
        "better",
        None,
        (),
        True,
    )
    assert better.for_it[0].startswith("better on the frozen test rows: macro_f1 ")
    assert "could not have been seen" in better.for_it[0]
    worse = judge.judge(
        keen, dull, {"frozen": rows, "fresh": rows[:100]}, NO_SPREAD, policy(max_class_fall=0.05), 0
    )
    assert not worse.promote
    assert worse.objections[0].startswith("worse on the frozen test rows: ")
    assert any("falls beyond noise" in one for one in worse.objections)


def test_same_model_is_no_different_and_promoted_only_if_that_is_enough(
    models: dict[str, Shipped], rows: list[dict[str, Any]]
) -> None:
    keen = models["keen"]
    same = judge.judge(keen, keen, {"frozen": rows, "fresh": []}, NO_SPREAD, policy(), 0)
    assert (same.frozen.verdict, same.promote, same.frozen.gained, same.frozen.lost) == (
        "no difference",
        False,
        0,
        0,
    )
    assert judge.judge(keen, keen, {"frozen": rows}, NO_SPREAD, policy(promote_if="no worse"), 0).promote
    assert not judge.judge(
        keen, keen, {"frozen": rows}, Spread(3, 0.05), policy(promote_if="no worse"), 0
    ).promote


def test_the_linear_baseline_stands_in_the_judgement_and_below_it_in_the_reason(
    models: dict[str, Shipped], rows: list[dict[str, Any]]
) -> None:
    judged = judge.judge(models["dull"], models["keen"], {"frozen": rows}, NO_SPREAD, policy(), 0)
    for standing, warned in (("the model is above it", []), (BELOW, [f"the challenger is {BELOW}"])):
        beside = judge.beside_benchmark(
            judged, ["size: NOT PASSED: 9 MB", f"baseline: {standing}: macro_f1 0.5"]
        )
        assert beside.objections == ("misses its own gate: size: NOT PASSED: 9 MB",)
        assert beside.as_json()["baseline"] == f"baseline: {standing}: macro_f1 0.5"
        assert judge.warnings(beside) == warned
    assert "baseline" not in judged.as_json()


def test_size_and_time_forbid_a_promotion(
    models: dict[str, Shipped], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    import shutil

    dull, keen = models["dull"], models["keen"]
    shutil.copytree(keen.folder, tmp_path / "large")
    (tmp_path / "large" / "ballast").write_bytes(bytes(10_000_000))
    large = answers.shipped(tmp_path / "large", KIND)
    found = judge.judge(dull, large, {"frozen": rows}, NO_SPREAD, policy(), 0)
    assert [one for one in found.objections if "times the champion's bytes; at most 2 is allowed" in one]
    assert not found.promote
    slow = judge.Speed(median=0.5, quartile_1=0.4, quartile_3=0.6)
    assert judge._slower(slow, policy(max_slowdown=1.25)) == [
        "takes 2.00 times the champion's time; at most 1.25 is allowed"
    ]
    assert judge._slower(judge.Speed(0.5, 0.4, 0.9), policy(max_slowdown=1.25)) == []


def test_challenger_with_a_new_label_is_compared_on_what_both_can_be_asked(
    models: dict[str, Shipped], rows: list[dict[str, Any]]
) -> None:
    keen = models["keen"]
    science = [{**row, "label": "science"} for row in rows[:60]]
    found = judge.judge(
        keen, keen, {"frozen": rows, "fresh": [*rows[60:120], *science]}, NO_SPREAD, policy(), 0
    )
    assert found.fresh is not None
    assert found.fresh.categories["science"].champion == 0.0
    assert set(found.fresh.categories) == {*tiny.LABELS, "science"}


def test_latency_is_taken_side_by_side(models: dict[str, Shipped], rows: list[dict[str, Any]]) -> None:
    speed = judge.side_by_side(models["keen"], models["keen"], rows, 0)
    assert 0.2 < speed.quartile_1 <= speed.median <= speed.quartile_3 < 5
