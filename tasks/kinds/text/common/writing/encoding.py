"""Texts as pieces, for models that write: a decision for each piece of an answer, its end among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tasks.kinds.base.rows import IGNORED, Features

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase


def plain_backend(tokenizer: PreTrainedTokenizerBase) -> Tokenizer:
    """What cuts texts into pieces, all of them and no others, whatever the tokenizer was asked for before."""
    backend: Any = tokenizer.backend_tokenizer
    backend.no_truncation()
    backend.no_padding()
    found: Tokenizer = backend
    return found


def decided(features: Sequence[Features]) -> dict[str, torch.Tensor]:
    """`where` (2, m) and `labels` (m,) of a batch."""
    import torch

    places = [(number, at) for number, one in enumerate(features) for at in one["where"]]
    right = [label for one in features for label in one.get("labels", [IGNORED] * len(one["where"]))]
    return {
        "where": torch.tensor(places, dtype=torch.long).reshape(-1, 2).T,
        "labels": torch.tensor(right, dtype=torch.long),
    }
