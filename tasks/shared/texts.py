"""What kinds that read text have in common: pieces of unlabelled text, and padded batches of pieces."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import torch

SENTENCE_END = re.compile(r"(?<=[.!?。！？])[\"'”’)]*\s+|\n+")
FEWEST_WORDS = 3


def pieces_of(text: str, longest: int) -> list[str]:
    """The sentences of a text, each cut into parts of like length and at most `longest` words."""
    parts: list[str] = []
    for sentence in SENTENCE_END.split(text):
        words = sentence.split()
        length = math.ceil(len(words) / max(1, math.ceil(len(words) / longest)))
        parts += [" ".join(words[at : at + length]) for at in range(0, len(words), max(1, length))]
    return [part for part in parts if len(part.split()) >= FEWEST_WORDS]


def padded(features: Sequence[Mapping[str, Any]], padding: int) -> dict[str, torch.Tensor]:
    """`input_ids` and `attention_mask` (n, l) of rows of different length."""
    import torch

    longest = max(len(one["input_ids"]) for one in features)
    ids = np.full((len(features), longest), padding, dtype=np.int64)
    mask = np.zeros_like(ids)
    for number, one in enumerate(features):
        ids[number, : len(one["input_ids"])] = one["input_ids"]
        mask[number, : len(one["input_ids"])] = 1
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}
