"""What training minimises, for kinds whose decisions are choices among labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch


def cross_entropy(
    logits: torch.Tensor, labels: torch.Tensor, smoothing: float, weights: Sequence[float] | None = None
) -> torch.Tensor:
    """Of logits (m, c) with labels (m,), mean over the decisions that have one.

    `weights` (c,) of the labels.
    """
    import torch
    from torch.nn import functional

    weight = None if weights is None else torch.tensor(weights, device=logits.device)
    return functional.cross_entropy(logits.float(), labels, weight=weight, label_smoothing=smoothing)


def mean_of(several: Sequence[Any]) -> np.ndarray:
    """The mean of log-probabilities (m, c), as float32, of what several models answered in logits."""
    import torch

    stacked = torch.stack([torch.from_numpy(one) for one in several])
    mean: np.ndarray = torch.log_softmax(stacked.float(), dim=-1).mean(dim=0).numpy()
    return mean


def divergence(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """Hinton, Vinyals, Dean.

    Distilling the Knowledge in a Neural Network (2015): KL divergence at a temperature, times its square.
    """
    from torch.nn.functional import kl_div, log_softmax

    wanted, got = (
        log_softmax(teacher.float() / temperature, dim=-1),
        log_softmax(student.float() / temperature, dim=-1),
    )
    return kl_div(got, wanted, reduction="batchmean", log_target=True) * temperature**2
