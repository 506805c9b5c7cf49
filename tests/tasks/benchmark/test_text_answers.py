"""Answers that are texts, measured row by row: the figures need no categories, and have intervals all the
same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from flows.judging import verdict
from flows.judging.verdict import Spread
from tasks.benchmark import metrics
from tasks.kinds.base.kind import Baseline, Quality, Row, Truth, load_kind

RIGHT = ["rain in the north", "sun", "snow on the hills", "fog"] * 60


def common(one: str, other: str) -> int:
    return len(set(one.split()) & set(other.split()))


def statistics(answers: np.ndarray, truth: Truth) -> np.ndarray:
    """Exact match, words in common, words of the answer, words of the right one, and 1: (n, 5)."""
    return np.array(
        [
            (one == right, common(one, right), len(set(one.split())), len(set(right.split())), 1)
            for one, right in zip(answers, truth.labels, strict=True)
        ],
        dtype=float,
    )


def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    exact, both, answered, true, rows = np.moveaxis(sums, -1, 0)
    return {"word_f1": 2 * both / (answered + true), "exact": exact / rows}


def no_baseline(rows: Sequence[Row], labels: Sequence[str], seed: int) -> Baseline:
    raise NotImplementedError


KIND = replace(load_kind("text/classification"), quality=Quality("word_f1", statistics, figures, no_baseline))
TRUTH = Truth(np.array(RIGHT), [1] * len(RIGHT), [])


def answers(wrong: int) -> np.ndarray:
    """All right but for the first so many, which say one word."""
    return np.array([*["rain"] * wrong, *RIGHT[wrong:]])


def test_figures_of_texts_have_intervals_and_agreement() -> None:
    given = {"baseline": answers(200), "teacher": answers(0), "final": answers(48)}
    found = metrics.quality(KIND, given, TRUTH, 500, seed=0)
    assert found["teacher"]["exact"] == 1
    assert found["final"]["exact"] == found["final"]["agreement"] == 0.8
    assert 0.7 < found["final"]["exact_low"] < 0.8 < found["final"]["exact_high"] < 0.9
    by_hand = figures(statistics(given["final"], TRUTH).sum(0))["word_f1"]
    assert abs(found["final"]["word_f1"] - by_hand) < 1e-6
    assert found["final"]["quality_ratio"] == found["final"]["word_f1"]
    assert "ece" not in found["final"]
    assert metrics.per_category(KIND, given["final"], TRUTH) == []


def test_the_worst_and_the_best_rows_are_those_of_the_headline() -> None:
    said = np.array(["snow", "rain in the south", "sun"])
    truth = Truth(np.array(["rain", "rain in the north", "sun"]), [1] * 3, [])
    assert metrics.worst(KIND, said, truth, 9) == [0, 1]
    assert metrics.best(KIND, said, truth, 9) == [2, 1]
    assert metrics.best(KIND, np.eye(3), truth, 9) == []


def test_verdicts_on_texts_name_no_category() -> None:
    found = verdict.compare(KIND, answers(120), answers(0), TRUTH, Spread(0, 0.0), 0.01, 500, 0)
    assert (found.verdict, found.figure, found.gained, found.lost) == ("better", "word_f1", 120, 0)
    assert found.categories == {}
    spread = verdict.spread_of(KIND, [answers(10), answers(40)], TRUTH, 200, 0)
    assert spread.deviation > 0
    assert spread.categories == {}
