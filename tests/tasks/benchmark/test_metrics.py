from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from tasks.benchmark import metrics
from tasks.kinds.base.kind import load_kind
from tasks.kinds.base.quality import Categories
from tasks.kinds.base.rows import Truth

KIND = load_kind("text/classification")
CATEGORIES = Categories(names=list, coarse=list)


def random_answers(seed: int, rows: int = 200, classes: int = 5) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator.dirichlet(np.ones(classes), rows), generator.integers(0, classes, rows)


def plain(truth: np.ndarray, classes: int) -> Truth:
    """One decision per row."""
    return Truth(truth, [1] * len(truth), [str(number) for number in range(classes)])


def count(guess: np.ndarray, truth: np.ndarray, classes: int) -> np.ndarray:
    return KIND.quality.statistics(guess, plain(truth, classes))


@pytest.mark.parametrize("classes", [2, 5, 13])
def test_kind_figures_equal_the_metric(classes: int) -> None:
    probabilities, truth = random_answers(classes, classes=classes)
    guess = probabilities.argmax(1)
    found = KIND.quality.figures(count(guess, truth, classes).sum(0))
    library = {"macro_f1": f1_score(truth, guess, average="macro"), "accuracy": accuracy_score(truth, guess)}
    assert found == pytest.approx(library, abs=1e-12)


def test_kind_figures_equal_the_metric_where_a_class_never_occurs() -> None:
    guess, truth = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    found = KIND.quality.figures(count(guess, truth, 4).sum(0))
    assert found["macro_f1"] == pytest.approx(f1_score(truth, guess, average="macro"))


def test_calibration_error_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    truth = np.array([0, 1, 1, 1])  # at 0.9 half are right, at 0.6 all
    bins = metrics.reliability(probabilities, truth)
    assert [(one["bin"], one["rows"]) for one in bins] == [(8, 2), (13, 2)]
    assert metrics.expected_calibration_error(bins) == pytest.approx((2 * 0.4 + 2 * 0.4) / 4)


@pytest.mark.parametrize(("sure", "expected"), [(1.0, 14), (14 / 15, 13), (14 / 15 + 1e-6, 14), (0.5, 7)])
def test_a_bin_holds_its_upper_edge(sure: float, expected: int) -> None:
    assert metrics.reliability(np.array([[sure, 1 - sure]]), np.array([0]))[0]["bin"] == expected


def test_agreement_and_calibration_error_have_bounds() -> None:
    (teacher, truth), (baseline, _) = random_answers(0, rows=400), random_answers(1, rows=400)
    found = metrics.quality(
        KIND, {"baseline": baseline, "teacher": teacher}, plain(truth, 5), resamples=500, seed=0
    )["baseline"]
    agrees = teacher.argmax(1) == baseline.argmax(1)
    standard_error = agrees.std() / len(agrees) ** 0.5
    assert found["agreement"] == pytest.approx(agrees.mean(), abs=1e-6)
    assert found["agreement_high"] - found["agreement_low"] == pytest.approx(
        2 * 1.96 * standard_error, rel=0.15
    )
    generator = np.random.default_rng(0)
    draws = [generator.integers(0, 400, 400) for _ in range(500)]
    errors = [
        metrics.expected_calibration_error(metrics.reliability(baseline[rows], truth[rows])) for rows in draws
    ]
    low, high = np.quantile(errors, (0.025, 0.975))
    assert found["ece_low"] == pytest.approx(2 * found["ece"] - high, abs=0.01)
    assert found["ece_high"] == pytest.approx(2 * found["ece"] - low, abs=0.01)


def test_gaps_sum_to_the_calibration_error_where_bins_are_over_and_under_confident() -> None:
    probabilities, truth = random_answers(3, rows=300, classes=2)
    truth = np.where(
        probabilities.max(1) < 0.7, probabilities.argmax(1), truth
    )  # right where unsure, at random elsewhere
    by_bin = metrics._gaps(probabilities, truth).sum(0)
    assert by_bin.min() < 0 < by_bin.max()
    assert np.abs(by_bin).sum() / 300 == pytest.approx(
        metrics.expected_calibration_error(metrics.reliability(probabilities, truth))
    )


def test_quality_of_a_copy_of_the_teacher_is_the_teacher() -> None:
    teacher, truth = random_answers(0)
    baseline, _ = random_answers(1)
    found = metrics.quality(
        KIND,
        {"baseline": baseline, "teacher": teacher, "final": teacher.copy()},
        plain(truth, 5),
        resamples=200,
        seed=0,
    )
    final = found["final"]
    assert (final["quality_ratio"], final["quality_ratio_low"], final["quality_ratio_high"]) == (1, 1, 1)
    assert (final["difference_to_teacher_low"], final["difference_to_teacher_high"]) == (0, 0)
    assert final["agreement"] == 1
    assert found["teacher"]["macro_f1"] == final["macro_f1"]
    assert "difference_to_baseline" in found["teacher"]
    assert "quality_ratio" not in found["teacher"]


def test_paired_interval_is_narrower_than_its_parts() -> None:
    teacher, truth = random_answers(0, rows=400)
    teacher[np.arange(400), truth] += 0.7
    student = teacher.copy()
    student[:12] = student[:12, ::-1]
    found = metrics.quality(
        KIND,
        {"baseline": teacher, "teacher": teacher, "final": student},
        plain(truth, 5),
        resamples=500,
        seed=0,
    )
    own = found["final"]["macro_f1_high"] - found["final"]["macro_f1_low"]
    assert 0 < 2 * found["final"]["smallest_visible_difference"] < own


def test_quality_is_the_same_twice() -> None:
    answers, truth = (
        {name: random_answers(at)[0] for at, name in enumerate(["baseline", "teacher", "final"])},
        random_answers(0)[1],
    )
    assert metrics.quality(KIND, answers, plain(truth, 5), 300, seed=1) == metrics.quality(
        KIND, answers, plain(truth, 5), 300, seed=1
    )


def test_tables_by_class_by_hand() -> None:
    probabilities, truth = np.eye(3)[[0, 0, 1, 1]], np.array([0, 1, 1, 1])
    first, second, third = metrics.per_category(KIND, probabilities, plain(truth, 3))
    assert (first["precision"], first["recall"], first["support"]) == (0.5, 1.0, 1)
    assert second["f1"] == pytest.approx(0.8)
    assert third == {"precision": 0, "recall": 0, "f1": 0, "support": 0}
    names, counts = metrics.confusion(CATEGORIES, probabilities, plain(truth, 3))
    assert names == ["0", "1", "2"]
    assert counts.tolist() == [[1, 0, 0], [1, 2, 0], [0, 0, 0]]
