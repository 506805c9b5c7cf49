"""How good a variant is: figures with bounds, calibration, and the tables behind them.

The point figures are scikit-learn's, through a local `evaluate.Metric` (`evaluate.load` would ask the hub). The bounds come from the kind's
own sums, which can be resampled thousands of times; a test shows that the two agree.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import datasets
import evaluate
import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

from tasks.kinds.base import Kind
from tasks.shared.bootstrap import interval, resampled_sums

BINS = 15
DIGITS = 6


class Classification(evaluate.Metric):
    """Macro-F1 over the classes that occur, and accuracy."""

    def _info(self) -> evaluate.MetricInfo:
        features = datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")})
        return evaluate.MetricInfo(description=str(self.__doc__), citation="", inputs_description="", features=features)

    def _compute(self, predictions: Sequence[int], references: Sequence[int]) -> dict[str, float]:
        return {
            "macro_f1": float(f1_score(references, predictions, average="macro")),
            "accuracy": float(accuracy_score(references, predictions)),
        }


def quality(kind: Kind, answers: Mapping[str, np.ndarray], truth: np.ndarray, resamples: int, seed: int) -> dict[str, dict[str, float]]:
    """Per variant its figures with bounds, beside the teacher's and the baseline's on the same resampled rows.

    `answers` are probabilities (n, c) by variant, among them `teacher` and `baseline`; `truth` (n,) the numbers of the labels.
    """
    guesses = {name: probabilities.argmax(1) for name, probabilities in answers.items()}
    classes = next(iter(answers.values())).shape[1]
    sums = resampled_sums([kind.statistics(guess, truth, classes) for guess in guesses.values()], resamples, seed)
    sampled = {name: kind.figures(each) for name, each in zip(guesses, sums, strict=True)}
    with tempfile.TemporaryDirectory() as folder:  # or else it would write into the user's home
        metric = Classification(cache_dir=folder, keep_in_memory=True)
        points = {name: metric.compute(predictions=guess, references=truth) for name, guess in guesses.items()}
    result: dict[str, dict[str, float]] = {}
    for name, guess in guesses.items():
        result[name] = {
            key: value for figure, point in points[name].items() for key, value in bounded(figure, point, sampled[name][figure])
        }
        result[name] |= _beside_teacher(name, kind.headline, points, sampled)
        result[name] |= _of_the_answers(answers[name], truth, guess == guesses["teacher"], resamples, seed)
    return result


def _of_the_answers(probabilities: np.ndarray, truth: np.ndarray, agrees: np.ndarray, resamples: int, seed: int) -> dict[str, float]:
    """Agreement with the teacher and calibration error, bounded on the same resampled rows as the other figures."""
    agreed, gaps = resampled_sums([agrees[:, None].astype(float), _gaps(probabilities, truth)], resamples, seed)
    error = expected_calibration_error(reliability(probabilities, truth))
    rows = len(truth)
    return dict(bounded("agreement", float(agrees.mean()), agreed[:, 0] / rows)) | _reflected("ece", error, np.abs(gaps).sum(1) / rows)


def _reflected(name: str, point: float, samples: np.ndarray) -> dict[str, float]:
    """Bounds mirrored at the point and not below 0, for a figure that resampling drives up, as it does a sum of absolute values.

    The basic bootstrap interval; Davison and Hinkley, Bootstrap Methods and their Application (1997), section 5.2.
    """
    low, high = interval(samples)
    return {name: _round(point), f"{name}_low": _round(max(0.0, 2 * point - high)), f"{name}_high": _round(max(point, 2 * point - low))}


def _gaps(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Per row and bin (n, 15): confidence less correctness, in the row's own bin. Summed over rows, their absolute values are the ECE."""
    sure, right = probabilities.max(1), probabilities.argmax(1) == truth
    result = np.zeros((len(truth), BINS))
    result[np.arange(len(truth)), _bins(sure)] = sure - right
    return result


def _beside_teacher(
    name: str, headline: str, points: Mapping[str, Mapping[str, float]], sampled: Mapping[str, Mapping[str, np.ndarray]]
) -> dict[str, float]:
    """Ratio and paired difference of the headline figure to the teacher's; of the teacher, its difference to the baseline."""
    other = "baseline" if name == "teacher" else "teacher"
    own, theirs = sampled[name][headline], sampled[other][headline]
    difference = bounded(f"difference_to_{other}", points[name][headline] - points[other][headline], own - theirs)
    if name == "teacher":
        return dict(difference)
    # A teacher that is never right leaves nothing to keep: the ratio is then 0.
    ratio = bounded("quality_ratio", _share(points[name][headline], points[other][headline]), _share(own, theirs))
    return dict(ratio) | dict(difference) | {"smallest_visible_difference": _round(float(np.ptp(interval(own - theirs))) / 2)}


def _share(own: Any, theirs: Any) -> Any:
    return np.where(np.asarray(theirs) > 0, own / np.where(np.asarray(theirs) > 0, theirs, 1), 0.0)


def bounded(name: str, point: float, samples: np.ndarray) -> list[tuple[str, float]]:
    """`name`, `name_low` and `name_high`, rounded."""
    low, high = interval(samples)
    return [(name, _round(float(point))), (f"{name}_low", _round(low)), (f"{name}_high", _round(high))]


def _round(value: float) -> float:
    return round(value, DIGITS)


def reliability(probabilities: np.ndarray, truth: np.ndarray) -> list[dict[str, float]]:
    """Rows by the probability of the answer given, in 15 bins of equal width: how many, how sure, how often right. Empty bins are left out.

    A bin holds its upper edge and not its lower one.
    """
    sure, right = probabilities.max(1), probabilities.argmax(1) == truth
    bins = _bins(sure)
    return [
        {"bin": number, "rows": int(inside.sum()), "confidence": float(sure[inside].mean()), "accuracy": float(right[inside].mean())}
        for number in range(BINS)
        if (inside := bins == number).any()
    ]


def _bins(sure: np.ndarray) -> np.ndarray:
    numbers: np.ndarray = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
    return numbers


def expected_calibration_error(bins: Sequence[Mapping[str, float]]) -> float:
    """The mean distance of confidence and accuracy over the rows. Guo et al., On Calibration of Modern Neural Networks (2017)."""
    rows = sum(one["rows"] for one in bins)
    return sum(one["rows"] * abs(one["confidence"] - one["accuracy"]) for one in bins) / rows


def per_class(probabilities: np.ndarray, truth: np.ndarray) -> list[dict[str, float]]:
    """Precision, recall, F1 and support of each label, in the order of the labels."""
    classes = range(probabilities.shape[1])
    scores = precision_recall_fscore_support(truth, probabilities.argmax(1), labels=list(classes), zero_division=0)
    names = ("precision", "recall", "f1", "support")
    return [{name: float(values[one]) for name, values in zip(names, scores, strict=True)} for one in classes]


def confusion(probabilities: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Counts (c, c): rows are the true labels, columns the answers."""
    counts: np.ndarray = confusion_matrix(truth, probabilities.argmax(1), labels=list(range(probabilities.shape[1])))
    return counts
