"""What models answer to decisions: the logits of every label, (m, c), or where labels are tens of thousands,
the likeliest of them alone.

Both are indexed and counted by decision, and become tensors in the same way, so that whoever keeps answers or
learns from them need not know which they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Likeliest:
    """The k likeliest labels of m decisions."""

    labels: np.ndarray
    """(m, k) as int32, the likeliest first."""
    logs: np.ndarray
    """(m, k) as float32: their log-probabilities."""
    right: np.ndarray
    """(m,) as float32: the log-probability of the right label; not a number where it is not known."""

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, places: Any) -> Likeliest:
        return Likeliest(self.labels[places], self.logs[places], self.right[places])


@dataclass(frozen=True)
class LikeliestTensors:
    """The same in torch, to learn from."""

    labels: torch.Tensor
    logs: torch.Tensor


Answers = np.ndarray | Likeliest


def of(logits: torch.Tensor, truth: torch.Tensor, count: int | None) -> Answers:
    """What is kept of logits (m, c): all, or so many of the likeliest.

    The right labels (m,) are negative where they are not known.
    """
    import torch

    if count is None:
        whole: np.ndarray = logits.float().cpu().numpy()
        return whole
    logs = logits.float().log_softmax(-1)
    # Of equal ones the first: `topk` leaves open which it takes.
    found = torch.sort(logs, dim=-1, descending=True, stable=True)
    right = logs.gather(1, truth.to(logs.device).clamp(min=0)[:, None])[:, 0]
    right[truth.to(logs.device) < 0] = torch.nan
    return Likeliest(
        found.indices[:, :count].to(torch.int32).cpu().numpy(),
        found.values[:, :count].cpu().numpy(),
        right.cpu().numpy(),
    )


def in_order(parts: Sequence[Answers], places: Sequence[np.ndarray]) -> Answers:
    """The answers of several batches, each at its places among all."""
    order = np.argsort(np.concatenate(places), kind="stable")
    if isinstance(parts[0], np.ndarray):
        return np.concatenate([part for part in parts if isinstance(part, np.ndarray)])[order]
    sparse = [part for part in parts if isinstance(part, Likeliest)]
    return Likeliest(
        *(
            np.concatenate([getattr(part, name) for part in sparse])[order]
            for name in ("labels", "logs", "right")
        )
    )


def none(count: int | None, labels: int) -> Answers:
    """The answers to no decisions."""
    if count is None:
        return np.zeros((0, labels), np.float32)
    none = np.zeros((0, count))
    return Likeliest(none.astype(np.int32), none.astype(np.float32), np.zeros(0, np.float32))


def joined(parts: Sequence[Answers]) -> Answers:
    """Answers one after another."""
    ends = np.cumsum([len(part) for part in parts])
    return in_order(parts, [np.arange(end - len(part), end) for end, part in zip(ends, parts, strict=True)])


def tensors(answers: Answers, device: torch.device | None = None) -> torch.Tensor | LikeliestTensors:
    """Answers as a kind's `distillation_loss` takes them."""
    import torch

    if isinstance(answers, np.ndarray):
        return torch.from_numpy(answers).to(device)
    return LikeliestTensors(
        torch.from_numpy(answers.labels).to(device, torch.long), torch.from_numpy(answers.logs).to(device)
    )
