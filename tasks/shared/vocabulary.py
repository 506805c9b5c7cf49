"""Trimming a WordPiece vocabulary to the pieces a run needs. Texts made of kept pieces encode as before, but for the numbers."""

from __future__ import annotations

import json
import string
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.kinds.base import Features
from tasks.shared import texts
from tasks.shared.errors import ModelError

FILE = "tokenizer.json"


def choose(tokenizer: PreTrainedTokenizerBase, features: Sequence[Features], count: int, of: int) -> list[int]:
    """Ids of `count` of the model's `of` pieces, those to keep, ascending.

    First the special ones, then characters that were seen or are ASCII, so that every seen word can be spelt, then what was seen
    often; if there is room, other characters, then pieces of low id, which stand first because they are frequent in general.

    Raises:
        ModelError: the tokenizer is no WordPiece, or `count` does not even hold the characters.
    """
    if _layout(tokenizer)["model"]["type"] != "WordPiece":
        raise ModelError("prune.vocabulary", f"only WordPiece vocabularies can be trimmed; keep all pieces: {-(-of // 8) * 8}")
    seen = Counter(piece for one in features for piece in one["input_ids"])
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}

    def rank(item: tuple[str, int]) -> tuple[int, int, int]:
        piece, number = item
        bare = piece.removeprefix("##")
        if number in special:
            return 0, 0, number
        if len(bare) == 1 and (number in seen or bare in string.printable):
            return 1, 0, number
        if number in seen:
            return 2, -seen[number], number
        return (3 if len(bare) == 1 else 4), 0, number

    ranked = sorted(tokenizer.get_vocab().items(), key=rank)
    needed = sum(rank(item)[0] < 2 for item in ranked)
    if count < needed:
        raise ModelError(
            "prune.vocabulary", f"is {count}, but the special pieces and the characters of this run alone are {needed}; keep more"
        )
    return sorted(number for _, number in ranked[:count])


def trim(tokenizer: PreTrainedTokenizerBase, kept: Sequence[int], folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer with only the kept pieces, numbered from 0 in their old order. `folder` is where it is rewritten."""
    tokenizer.save_pretrained(folder)
    new = {old: number for number, old in enumerate(kept)}
    layout = _layout(tokenizer)
    layout["model"]["vocab"] = {piece: new[old] for piece, old in layout["model"]["vocab"].items() if old in new}
    layout["added_tokens"] = [{**token, "id": new[token["id"]]} for token in layout["added_tokens"]]
    _renumber(layout["post_processor"], new)
    (folder / FILE).write_text(json.dumps(layout, ensure_ascii=False), encoding="utf-8")
    (folder / "vocab.txt").unlink(missing_ok=True)
    return texts.load_tokenizer(folder)


def _layout(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    layout: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    return layout


def _renumber(processor: dict[str, Any] | None, new: dict[int, int]) -> None:
    """The two forms in which a post-processor names special pieces."""
    for token in ((processor or {}).get("special_tokens") or {}).values():
        token["ids"] = [new[number] for number in token["ids"]]
    for key in ("cls", "sep"):
        if processor and key in processor:
            piece, number = processor[key]
            processor[key] = [piece, new[number]]


def shrink_embedding(model: PreTrainedModel, kept: Sequence[int], tokenizer: PreTrainedTokenizerBase) -> None:
    """Keeps the rows of the kept pieces, and tells the config."""
    old: Any = model.get_input_embeddings()
    padding = tokenizer.pad_token_id
    new = torch.nn.Embedding(len(kept), old.embedding_dim, padding_idx=padding, device=old.weight.device)
    new.weight.data.copy_(old.weight.data[list(kept)])
    model.set_input_embeddings(new)
    model.config.vocab_size, model.config.pad_token_id = len(kept), padding
