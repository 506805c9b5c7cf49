"""How good a variant is: figures with bounds, calibration, and the tables behind them.

A kind gives statistics per row, such as counts by category; every figure follows from their sums, which can
be resampled thousands of times. Tests show that the figures are those of scikit-learn and seqeval.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import datasets
import evaluate
import numpy as np
from sklearn.metrics import confusion_matrix

from tasks.benchmark.bootstrap import bounded, interval, resampled_sums, rounded
from tasks.kinds.base import counts
from tasks.kinds.base.kind import Kind
from tasks.kinds.base.quality import Categories, decided
from tasks.kinds.base.rows import Truth

BINS = 15


class Quality(evaluate.Metric):
    """The figures of a kind."""

    def __init__(self, kind: Kind, truth: Truth, **given: Any) -> None:
        self._kind, self._truth = kind, truth  # `_info` is asked for before `super().__init__` returns
        super().__init__(**given)

    def _info(self) -> evaluate.MetricInfo:
        value = datasets.Value("string" if self._truth.labels.dtype.kind == "U" else "int64")
        features = datasets.Features({"predictions": value, "references": value})
        return evaluate.MetricInfo(
            description=str(self.__doc__), citation="", inputs_description="", features=features
        )

    def _compute(self, predictions: Sequence[Any], references: Sequence[Any]) -> dict[str, float]:
        truth = replace(self._truth, labels=np.asarray(references))
        return self._kind.quality.measure(np.asarray(predictions), truth)


def quality(
    kind: Kind, answers: Mapping[str, np.ndarray], truth: Truth, resamples: int, seed: int
) -> dict[str, dict[str, float]]:
    """Per variant its figures with bounds, beside the teacher's and the baseline's on the same resampled
    rows.

    `answers` are probabilities (m, c), or texts (n,), by variant, among them `teacher` and `baseline`.
    """
    guesses = {name: decided(given) for name, given in answers.items()}
    statistics = [kind.quality.statistics(guess, truth) for guess in guesses.values()]
    sums = resampled_sums(statistics, resamples, seed)
    sampled = {name: kind.quality.figures(each) for name, each in zip(guesses, sums, strict=True)}
    with tempfile.TemporaryDirectory() as folder:  # or else it would write into the user's home
        metric = Quality(kind, truth, cache_dir=folder, keep_in_memory=True)
        points = {
            name: metric.compute(predictions=guess, references=truth.labels)
            for name, guess in guesses.items()
        }
    result: dict[str, dict[str, float]] = {}
    for name, guess in guesses.items():
        result[name] = {
            key: value
            for figure, point in points[name].items()
            for key, value in bounded(figure, point, sampled[name][figure])
        }
        result[name] |= _beside_teacher(name, kind.quality.headline, points, sampled)
        agrees = guess == guesses["teacher"]
        result[name] |= _of_the_answers(answers[name], truth, agrees, resamples, seed)
    return result


def _of_the_answers(
    answers: np.ndarray, truth: Truth, agrees: np.ndarray, resamples: int, seed: int
) -> dict[str, float]:
    """Agreement with the teacher and, where answers are probabilities, calibration error, of decisions,
    bounded on the same resampled rows as the other figures.
    """
    gaps = _gaps(answers, truth.labels) if answers.ndim == 2 else np.zeros((len(agrees), 0))
    columns = np.column_stack([np.ones(len(agrees)), agrees, gaps])
    (sums,) = resampled_sums([truth.per_row(columns)], resamples, seed)
    agreement = dict(bounded("agreement", float(agrees.mean()), sums[:, 1] / sums[:, 0]))
    if answers.ndim == 1:
        return agreement
    error = expected_calibration_error(reliability(answers, truth.labels))
    return agreement | _reflected("ece", error, np.abs(sums[:, 2:]).sum(1) / sums[:, 0])


def _reflected(name: str, point: float, samples: np.ndarray) -> dict[str, float]:
    """Bounds mirrored at the point and not below 0, for a figure that resampling drives up, as it does a sum
    of absolute values.

    The basic bootstrap interval; Davison and Hinkley, Bootstrap Methods and their Application (1997), section
    5.2.
    """
    low, high = interval(samples)
    return {
        name: rounded(point),
        f"{name}_low": rounded(max(0.0, 2 * point - high)),
        f"{name}_high": rounded(max(point, 2 * point - low)),
    }


def _gaps(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Per decision and bin (m, 15): confidence less correctness, in its own bin.

    The ECE is the sum of the sums' absolute values.
    """
    sure, right = probabilities.max(1), probabilities.argmax(1) == truth
    result = np.zeros((len(truth), BINS))
    result[np.arange(len(truth)), _bins(sure)] = sure - right
    return result


def _beside_teacher(
    name: str,
    headline: str,
    points: Mapping[str, Mapping[str, float]],
    sampled: Mapping[str, Mapping[str, np.ndarray]],
) -> dict[str, float]:
    """Ratio and paired difference of the headline figure to the teacher's.

    Of the teacher, its difference to the baseline.
    """
    other = "baseline" if name == "teacher" else "teacher"
    own, theirs = sampled[name][headline], sampled[other][headline]
    difference = bounded(
        f"difference_to_{other}", points[name][headline] - points[other][headline], own - theirs
    )
    if name == "teacher":
        return dict(difference)
    # A teacher that is never right leaves nothing to keep: the ratio is then 0.
    ratio = bounded(
        "quality_ratio", _share(points[name][headline], points[other][headline]), _share(own, theirs)
    )
    return (
        dict(ratio)
        | dict(difference)
        | {"smallest_visible_difference": rounded(float(np.ptp(interval(own - theirs))) / 2)}
    )


def _share(own: Any, theirs: Any) -> Any:
    return np.where(np.asarray(theirs) > 0, own / np.where(np.asarray(theirs) > 0, theirs, 1), 0.0)


def reliability(probabilities: np.ndarray, truth: np.ndarray) -> list[dict[str, float]]:
    """Decisions by the probability of the answer given, in 15 bins of equal width: how many, how sure, how
    often right. Empty bins go.

    A bin holds its upper edge and not its lower one.
    """
    sure, right = probabilities.max(1), probabilities.argmax(1) == truth
    bins = _bins(sure)
    return [
        {
            "bin": number,
            "rows": int(inside.sum()),
            "confidence": float(sure[inside].mean()),
            "accuracy": float(right[inside].mean()),
        }
        for number in range(BINS)
        if (inside := bins == number).any()
    ]


def _bins(sure: np.ndarray) -> np.ndarray:
    numbers: np.ndarray = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
    return numbers


def expected_calibration_error(bins: Sequence[Mapping[str, float]]) -> float:
    """The mean distance of confidence and accuracy over the rows.

    Guo et al., On Calibration of Modern Neural Networks (2017).
    """
    rows = sum(one["rows"] for one in bins)
    return sum(one["rows"] * abs(one["confidence"] - one["accuracy"]) for one in bins) / rows


def per_category(kind: Kind, answers: np.ndarray, truth: Truth) -> list[dict[str, float]]:
    """Precision, recall, F1 and support of each category, in the order of their names; empty for kinds that
    count nothing by category."""
    if kind.quality.categories is None:
        return []
    sums = kind.quality.statistics(decided(answers), truth).sum(0)
    return [
        {
            "precision": float(both / guess) if guess else 0.0,
            "recall": float(both / true) if true else 0.0,
            "f1": float(2 * both / (guess + true)) if guess + true else 0.0,
            "support": float(true),
        }
        for guess, true, both in zip(*counts.split(sums), strict=True)
    ]


def confusion(categories: Categories, answers: np.ndarray, truth: Truth) -> tuple[list[str], np.ndarray]:
    """Names, and counts (names, names): rows are what is true, columns the answers."""
    coarse = np.array(categories.coarse(truth.names))
    names = list(dict.fromkeys(categories.coarse(truth.names)))
    return names, confusion_matrix(coarse[truth.labels], coarse[decided(answers)], labels=names)


def worst(kind: Kind, answers: np.ndarray, truth: Truth, most: int) -> list[int]:
    """Numbers of the rows with wrong answers, at most so many; first those with the surest wrong answer, or
    the texts that are farthest from the right ones.
    """
    if answers.ndim == 1:
        scores = _scores(kind, answers, truth)
        return [int(row) for row in np.argsort(scores, kind="stable")[:most] if scores[row] < 1]
    return _surest_wrong(answers, truth, most)


def best(kind: Kind, answers: np.ndarray, truth: Truth, most: int) -> list[int]:
    """Numbers of the rows, at most so many, whose texts are nearest to the right ones, the nearest first;
    none where answers are no texts.
    """
    if answers.ndim != 1:
        return []
    scores = _scores(kind, answers, truth)
    return [int(row) for row in np.argsort(-scores, kind="stable")[:most] if scores[row] > 0]


def _scores(kind: Kind, answers: np.ndarray, truth: Truth) -> np.ndarray:
    """The headline figure (n,) of each text."""
    return kind.quality.headline_of(kind.quality.statistics(answers, truth))


def _surest_wrong(probabilities: np.ndarray, truth: Truth, most: int) -> list[int]:
    sure = np.where(probabilities.argmax(1) == truth.labels, 0.0, probabilities.max(1))
    starts = np.cumsum([0, *truth.decisions[:-1]])
    surest = np.maximum.reduceat(sure, starts)
    return [int(row) for row in np.argsort(-surest, kind="stable")[:most] if surest[row] > 0]
