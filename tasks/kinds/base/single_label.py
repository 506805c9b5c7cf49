"""Parts of kinds that choose one label for each row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.kinds.base import counts, losses
from tasks.kinds.base.data import Labels
from tasks.kinds.base.quality import Baseline, Categories, Quality
from tasks.kinds.base.rows import IGNORED, Features, Row, Truth

if TYPE_CHECKING:
    import torch


MOST_TOLD = 5
"""Labels whose probabilities an answer for programs tells."""


def label_names(found: Sequence[str]) -> list[str]:
    """The different labels, sorted."""
    return sorted(set(found))


def numbered(row: Row, index: dict[str, int]) -> dict[str, list[int]]:
    """The entry `labels` of a row's features; nothing for a row without a label."""
    return {"labels": [index[row["label"]]]} if row.get("label") is not None else {}


def label_tensor(features: Sequence[Features]) -> torch.Tensor:
    """The labels (n,) of a batch."""
    import torch

    return torch.tensor([one.get("labels", [IGNORED])[0] for one in features])


def loss(
    logits: torch.Tensor,
    labels: torch.Tensor,
    smoothing: float,
    options: Any,
    weights: Sequence[float] | None,
) -> torch.Tensor:
    """Mean cross-entropy of logits (m, c) with labels (m,)."""
    return losses.cross_entropy(logits, labels, smoothing, weights)


def count(answers: np.ndarray, truth: Truth) -> np.ndarray:
    """Per row and label, (n, 3 c), whether it was answered, true, and both."""
    one_hot = np.eye(len(truth.names))
    chosen, right = one_hot[answers], one_hot[truth.labels]
    return np.concatenate([chosen, right, chosen * right], axis=1)


def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracy, and F1 averaged over the classes that occur among the labels or the predictions."""
    guess, truth, both = counts.split(sums)
    occurs = (guess + truth) > 0
    return {
        "macro_f1": counts.f1(sums).sum(-1) / occurs.sum(-1),
        "accuracy": both.sum(-1) / truth.sum(-1),
    }


def quality(baseline: Callable[[Sequence[Row], Sequence[str], int], Baseline]) -> Quality:
    """Macro F1 and accuracy, from counts per label."""
    return Quality(
        headline="macro_f1",
        statistics=count,
        figures=figures,
        baseline=baseline,
        categories=Categories(names=list, coarse=list),
    )


def best(probabilities: np.ndarray, labels: Sequence[str]) -> tuple[str, float]:
    """The label chosen by probabilities (1, c), and its probability."""
    at = int(probabilities[0].argmax())
    return labels[at], float(probabilities[0, at])


def answer(
    _value: Any, probabilities: np.ndarray, labels: Sequence[str], _facts: Mapping[str, Any]
) -> dict[str, Any]:
    """The label, its probability, and the probabilities of the best labels."""
    label, sure = best(probabilities, labels)
    order = (-probabilities[0]).argsort(kind="stable")[:MOST_TOLD]
    return {
        "label": label,
        "probability": round(sure, 6),
        "best": {labels[at]: round(float(probabilities[0, at]), 6) for at in order},
    }


def mistake(row: Row, probabilities: np.ndarray, truth: np.ndarray, labels: Sequence[str]) -> dict[str, str]:
    """The right label of a row beside the one chosen by probabilities (1, c)."""
    answer, sure = best(probabilities, labels)
    return {"label": labels[truth[0]], "answer": f"{answer} ({sure:.2f})"}


LABELS = Labels(names=label_names, classes=lambda label: [label], fewest=2)
