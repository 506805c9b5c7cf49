"""What language models learn by, and how they are measured meanwhile: piece by piece, given all before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks.kinds.base import losses
from tasks.kinds.base.answers import Likeliest, LikeliestTensors
from tasks.kinds.base.rows import Truth

if TYPE_CHECKING:
    import torch

LIKELIEST = 128
"""Pieces that are kept of an answer: nine tenths of what a model of 49,152 pieces says, in a kilobyte."""
HEADLINE = "log_likelihood"


def divergence(
    student: torch.Tensor, teacher: torch.Tensor | LikeliestTensors, temperature: float
) -> torch.Tensor:
    """KL divergence from a teacher's answers, at a temperature, times its square.

    Of the likeliest pieces each counts for itself, and all others as one more: never more than the whole
    divergence.
    """
    if not isinstance(teacher, LikeliestTensors):
        return losses.divergence(student, teacher, temperature)
    wanted, wanted_rest = _softened(teacher.logs, _rest(teacher.logs), temperature)
    logs = student.float().log_softmax(-1).gather(1, teacher.labels)
    got, got_rest = _softened(logs, _rest(logs), temperature)
    apart = (wanted.exp() * (wanted - got)).sum(-1) + wanted_rest.exp() * (wanted_rest - got_rest)
    return apart.mean() * temperature**2


def _rest(logs: torch.Tensor) -> torch.Tensor:
    """The log-probability (m,) of what is not among the kept ones."""
    import torch

    kept = logs.exp().sum(-1).clamp(max=1 - 1e-6)
    return torch.log1p(-kept)


def _softened(
    logs: torch.Tensor, rest: torch.Tensor, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    softened = (torch.cat([logs, rest[:, None]], -1) / temperature).log_softmax(-1)
    return softened[:, :-1], softened[:, -1]


def statistics(answers: Likeliest, truth: Truth) -> np.ndarray:
    """Per row (n, 4): log-likelihood, pieces, pieces that were the likeliest, and one."""
    hit = answers.labels[:, 0] == truth.labels
    columns = np.column_stack([answers.right.astype(np.float64), np.ones(len(hit)), hit])
    sums = truth.per_row(columns)
    return np.column_stack([sums, np.ones(len(sums))])


def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Log-likelihood of a row in nats, whatever its pieces; perplexity and accuracy of a piece."""
    logs, pieces, hits, rows = np.moveaxis(sums, -1, 0)
    return {
        HEADLINE: logs / np.maximum(rows, 1),
        "perplexity": np.exp(-logs / np.maximum(pieces, 1)),
        "piece_accuracy": hits / np.maximum(pieces, 1),
    }
