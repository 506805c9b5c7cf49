"""What kinds have in common that choose one label for each row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.kinds.base import losses

if TYPE_CHECKING:
    import torch

HEADLINE = "macro_f1"


def label_names(found: Sequence[str]) -> list[str]:
    return sorted(set(found))


def classes(label: str) -> list[str]:
    return [label]


def loss(logits: torch.Tensor, labels: torch.Tensor, smoothing: float, options: Any) -> torch.Tensor:
    return losses.cross_entropy(logits, labels, smoothing)


def categories(labels: Sequence[str]) -> list[str]:
    return list(labels)


def count(
    predicted: np.ndarray, truth: np.ndarray, decisions: Sequence[int], labels: Sequence[str]
) -> np.ndarray:
    one_hot = np.eye(len(labels))
    return np.concatenate([one_hot[predicted], one_hot[truth], one_hot[predicted] * one_hot[truth]], axis=1)


def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Accuracy, and F1 averaged over the classes that occur among the labels or the predictions."""
    guess, truth, both = np.split(sums, 3, axis=-1)
    occurs = (guess + truth) > 0
    f1 = 2 * both / np.where(occurs, guess + truth, 1)
    return {"macro_f1": f1.sum(-1) / occurs.sum(-1), "accuracy": both.sum(-1) / truth.sum(-1)}


def best(probabilities: np.ndarray, labels: Sequence[str]) -> tuple[str, float]:
    """The label chosen by probabilities (1, c), and how sure that is."""
    at = int(probabilities[0].argmax())
    return labels[at], float(probabilities[0, at])
