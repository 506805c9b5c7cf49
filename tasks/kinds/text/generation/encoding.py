"""Rows as a language model sees them: the prompt's pieces, the completion's behind them, and a decision for
each piece of the completion, its end among them.

A row without a completion is plain text: each of its pieces but the first is a decision that nothing is known
of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.kinds.base.rows import Features, Row
from tasks.kinds.text.common import texts
from tasks.kinds.text.common.writing.encoding import decided, plain_backend
from tasks.kinds.text.generation.prompts import Prompts

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase


def encode(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row], labels: Sequence[str], input_size: int
) -> list[Features]:
    """At most `input_size` pieces of each row."""
    prompts, backend = Prompts.of(tokenizer), plain_backend(tokenizer)
    return [
        _plain(backend, row["text"], input_size)
        if row.get("label") is None
        else _answered(backend, prompts, tokenizer.eos_token_id, row, input_size)
        for row in rows
    ]


def _answered(tokenizer: Tokenizer, prompts: Prompts, end: int, row: Row, input_size: int) -> Features:
    answer = completion(tokenizer, row["label"], end, prompts.longest)
    asked = prompts.pieces(tokenizer, row["text"], input_size - prompts.longest)
    where = [len(asked) - 1 + at for at in range(len(answer))]
    # The last piece is decided on, and decides nothing.
    return {"input_ids": [*asked, *answer[:-1]], "where": where, "labels": answer}


def completion(tokenizer: Tokenizer, text: str, end: int, longest: int) -> list[int]:
    """Its pieces, and the one that ends it; of a longer one the first."""
    return [*tokenizer.encode(text, add_special_tokens=False).ids, end][:longest]


def _plain(tokenizer: Tokenizer, text: str, input_size: int) -> Features:
    ids = tokenizer.encode(text).ids[:input_size]
    return {"input_ids": ids, "where": [*range(len(ids) - 1)]}


def collate(tokenizer: PreTrainedTokenizerBase, features: Sequence[Features]) -> dict[str, torch.Tensor]:
    """`input_ids` and `attention_mask` (n, l), `where` (2, m), `labels` (m,)."""
    return {**texts.padded(features, tokenizer.pad_token_id), **decided(features)}
