"""How far a student's inner states are from its teacher's. All take n rows of l pieces with a mask (n, l) of
those that count, and give a distance per row (n,): so a row counts the same whatever shares its batch."""

from __future__ import annotations

import math

import torch
from torch.nn.functional import kl_div, normalize

BLOCKED = -1e4
"""Before a softmax: nothing comes through, and unlike infinity it has a difference to itself."""


def layer_map(student: int, teacher: int) -> list[int]:
    """The teacher's depth that each depth of the student, from 0 (what goes into its first layer) on, is
    compared with: evenly spread.

    Jiao et al., TinyBERT: Distilling BERT for Natural Language Understanding (2020), with g(m) = m N / M,
    rounded.
    """
    return [(depth * teacher + student // 2) // student for depth in range(student + 1)]


def hidden_distance(student: torch.Tensor, teacher: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Of hidden states (n, l, h), the student's already projected: squared distance of the vectors at length
    1, mean over the pieces.

    From 0 (same directions) to 4 (opposite ones), whatever the scale of an architecture's states. Sun et al.,
    Patient Knowledge Distillation for BERT Model Compression (2019).
    """
    apart = normalize(student.float(), dim=-1) - normalize(teacher.float(), dim=-1)
    return _mean(apart.square().sum(-1), mask)


def relation_divergence(
    student: torch.Tensor, teacher: torch.Tensor, heads: int, mask: torch.Tensor
) -> torch.Tensor:
    """Of queries (or keys, or values) of any widths that `heads` divides, (n, l, h) and (n, l, g): KL(teacher
    || student) of how each piece is related to the others, mean over heads and pieces.

    The vectors are split into `heads` relation heads, whatever number of heads attend; a relation is
    softmax(x x' / sqrt(width of a head)). Wang et al., MiniLMv2: Multi-Head Self-Attention Relation
    Distillation for Compressing Pretrained Transformers (2021).
    """
    wanted, got = _relations(teacher, heads, mask), _relations(student, heads, mask)
    apart = kl_div(got, wanted, reduction="none", log_target=True).sum(-1).mean(1)
    return _mean(apart, mask)


def _relations(vectors: torch.Tensor, heads: int, mask: torch.Tensor) -> torch.Tensor:
    """Log-probabilities (n, heads, l, l): how much the piece of a line is related to that of a column."""
    rows, length, width = vectors.shape
    split = vectors.float().reshape(rows, length, heads, width // heads).transpose(1, 2)
    scores = split @ split.transpose(-1, -2) / math.sqrt(width // heads)
    return scores.masked_fill(~mask[:, None, None, :], BLOCKED).log_softmax(-1)


def _mean(values: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Of values (n, l), over the pieces that count."""
    return (values * mask).sum(-1) / mask.sum(-1)
