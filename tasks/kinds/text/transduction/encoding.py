"""Rows as an encoder-decoder model sees them: the text's pieces for the encoder; for the decoder those of the
completion, each behind the one before it, and a decision for each of them, its end among them.

A row without a completion asks for its first piece, of which nothing is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tasks.kinds.base.rows import Features, Row
from tasks.kinds.text.common import texts
from tasks.kinds.text.common.writing.encoding import decided, plain_backend
from tasks.kinds.text.transduction.sources import Sources

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

DECODER = "decoder_"
"""What the decoder's inputs are called, beside the encoder's."""


def encode(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[Row], labels: Sequence[str], input_size: int
) -> list[Features]:
    """At most `input_size` pieces of each text, and those of its completion."""
    sources, backend = Sources.of(tokenizer), plain_backend(tokenizer)
    start, end = sources.first(backend), int(tokenizer.eos_token_id)
    features: list[Features] = []
    for row in rows:
        read = sources.read(backend, row["text"], input_size)
        if row.get("label") is None:
            features.append({"input_ids": read, "decoder_input_ids": [start], "where": [0]})
            continue
        right = sources.written(backend, row["label"], end)
        # The last piece is decided on, and decides nothing.
        given = {"input_ids": read, "decoder_input_ids": [start, *right[:-1]]}
        features.append({**given, "where": [*range(len(right))], "labels": right})
    return features


def size(features: Features) -> int:
    """The pieces that are read and written."""
    return len(features["input_ids"]) + len(features["decoder_input_ids"])


def collate(tokenizer: PreTrainedTokenizerBase, features: Sequence[Features]) -> dict[str, torch.Tensor]:
    """`input_ids` and `attention_mask` (n, l), the same of the decoder, `where` (2, m), `labels` (m,)."""
    padding = tokenizer.pad_token_id
    written = texts.padded([{"input_ids": one["decoder_input_ids"]} for one in features], padding)
    return {
        **texts.padded(features, padding),
        **{f"{DECODER}{name}": tensor for name, tensor in written.items()},
        **decided(features),
    }
