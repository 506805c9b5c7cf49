"""Trimming a vocabulary (WordPiece, BPE, Unigram) to the pieces a run needs: the teacher's in stage pretrain,
the student's in stage prune.

Texts of kept pieces encode as before, but for the numbers.
"""

from __future__ import annotations

import copy
import json
import re
import string
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.architectures import catalog
from tasks.core.errors import ModelError
from tasks.kinds.base import fast_tokenizer
from tasks.kinds.base.kind import Features
from tasks.models import subwords

Rank = Callable[[str], tuple[int, int, int]]
"""Piece -> (0 special, 1 needed to spell, 2 seen, 3 character, 4 other, 5 reserved; how rare; number): the
lower, the sooner it is kept."""
RESERVED = re.compile(r"\[unused\d+\]")
"""Pieces that BERT's vocabularies keep free, at low numbers; no text has them."""
NEEDED = 1
VALUE = "prune.vocabulary"
SPECIAL_IDS = (
    *("bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id", "mask_token_id"),
    *("decoder_start_token_id", "forced_bos_token_id", "forced_eos_token_id"),
)
FORBIDDEN = ("bad_words_ids", "suppress_tokens", "begin_suppress_tokens")
"""Pieces that a model shall not write, as its generation config may have them."""
INPUTS = ("input_ids", "decoder_input_ids")
"""What of features are pieces."""


def reduce(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    seen: Sequence[Features],
    held_out: Sequence[Features],
    count: int,
    folder: Path,
    value: str = VALUE,
) -> tuple[PreTrainedTokenizerBase, dict[str, float]]:
    """Leaves `count` pieces in the model, those that `seen` texts need most.

    Gives the tokenizer of these, and what is to be told: the share of their pieces that held-out texts lose.

    Raises:
        ModelError: as `choose`, `trim` and `shrink_embedding`.
    """
    kept = choose(tokenizer, seen, count, model.config.vocab_size, value)
    smaller = trim(tokenizer, kept, folder, value)
    shrink_embedding(model, kept, smaller, value)
    return smaller, {"vocabulary_lost": round(lost(held_out, kept), 4)}


def faults(tokenizer: PreTrainedTokenizerBase, of: int, value: str = VALUE) -> list[str]:
    """Why the model's `of` pieces cannot become fewer. `value` is what params call the number of them."""
    if _layout(tokenizer)["model"]["type"] in subwords.MODELS:
        return []
    known = ", ".join(subwords.MODELS)
    return [f"{value}: only vocabularies of {known} can be trimmed; keep all pieces: {-(-of // 8) * 8}"]


def choose(
    tokenizer: PreTrainedTokenizerBase,
    features: Sequence[Features],
    count: int,
    of: int,
    value: str = VALUE,
) -> list[int]:
    """Ids of `count` of the model's `of` pieces, those to keep, ascending.

    First the special ones, then what all that was seen, ASCII and, where there are such, bytes are spelt
    with, so that nothing known becomes unknown; then what was seen often. If there is room, other characters,
    then pieces of low id, which stand first because they are frequent in general. A piece comes with those
    that it needs (subwords.py), or not at all.

    Raises:
        ModelError: the tokenizer is of another sort, or `count` does not even hold the characters.
    """
    if unable := faults(tokenizer, of, value):
        raise ModelError("params.yaml", *unable)
    layout, vocabulary = _layout(tokenizer), tokenizer.get_vocab()
    needs = subwords.needs(layout, vocabulary)
    rank = _rank(tokenizer, layout, needs, Counter(_pieces(features)))
    ranks = {piece: rank(piece) for piece in vocabulary}
    ranked = sorted(ranks, key=ranks.__getitem__)
    kept = {piece for piece in ranked if ranks[piece][0] <= NEEDED}
    if count < len(kept):
        raise ModelError(
            value,
            f"is {count}, but the special pieces and the characters of this run alone are {len(kept)}; keep "
            "more",
        )
    while len(kept) < count:  # again, as what was too much for the room that was left may by now need less
        for piece in ranked:
            if len(kept) == count:
                break
            missing = needs(piece) - kept
            if len(kept) + len(missing) <= count:
                kept |= missing
    return sorted(vocabulary[piece] for piece in kept)


def _rank(
    tokenizer: PreTrainedTokenizerBase,
    layout: subwords.Layout,
    needs: subwords.Needs,
    seen: Mapping[int, int],
) -> Rank:
    vocabulary = tokenizer.get_vocab()
    special = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    alphabet = set(subwords.alphabet(layout))
    for piece, number in vocabulary.items():
        if number in seen and number not in special:
            alphabet |= {part for part in needs(piece) if len(subwords.single(layout, part)) == 1}

    def rank(piece: str) -> tuple[int, int, int]:
        number, bare = vocabulary[piece], subwords.single(layout, piece)
        if number in special:
            return 0, 0, number
        if piece in alphabet or (len(bare) == 1 and bare in string.printable):
            return NEEDED, 0, number
        if number in seen:
            return 2, -seen[number], number
        return (3 if len(bare) == 1 else 5 if RESERVED.fullmatch(piece) else 4), 0, number

    return rank


def lost(features: Sequence[Features], kept: Sequence[int]) -> float:
    """Of the pieces of texts, the share that is not kept: where they stand, others are read."""
    pieces, there = [*_pieces(features)], set(kept)
    return sum(piece not in there for piece in pieces) / max(1, len(pieces))


def _pieces(features: Sequence[Features]) -> Iterator[int]:
    return (piece for one in features for name in INPUTS for piece in one.get(name, ()))


def trim(
    tokenizer: PreTrainedTokenizerBase, kept: Sequence[int], folder: Path, value: str = VALUE
) -> PreTrainedTokenizerBase:
    """The tokenizer with only the kept pieces, numbered from 0 in their old order. `folder` is where it is
    rewritten.

    Raises:
        ModelError: transformers makes something else of what is written.
    """
    tokenizer.save_pretrained(folder)
    new = {old: number for number, old in enumerate(kept)}
    layout = _layout(tokenizer)
    layout["model"] = subwords.left(layout["model"], new)
    layout["added_tokens"] = [{**token, "id": new[token["id"]]} for token in layout["added_tokens"]]
    _renumber(layout["post_processor"], new)
    (folder / fast_tokenizer.FILE).write_text(json.dumps(layout, ensure_ascii=False), encoding="utf-8")
    for name in set(type(tokenizer).vocab_files_names.values()) - {fast_tokenizer.FILE}:
        (folder / name).unlink(missing_ok=True)
    trimmed = fast_tokenizer.load(folder)
    if trimmed.get_vocab() != {piece: new[old] for piece, old in tokenizer.get_vocab().items() if old in new}:
        raise ModelError(
            value,
            f"{type(trimmed).__name__} does not read a trimmed vocabulary; leave the size out",
        )
    return trimmed


def _layout(tokenizer: PreTrainedTokenizerBase) -> subwords.Layout:
    layout: subwords.Layout = json.loads(tokenizer.backend_tokenizer.to_str())
    return layout


def _renumber(processor: dict[str, Any] | None, new: dict[int, int]) -> None:
    """The forms in which a post-processor names special pieces."""
    for part in (processor or {}).get("processors") or []:
        _renumber(part, new)
    for token in ((processor or {}).get("special_tokens") or {}).values():
        token["ids"] = [new[number] for number in token["ids"]]
    for key in ("cls", "sep"):
        if processor and key in processor:
            piece, number = processor[key]
            processor[key] = [piece, new[number]]


def shrink_embedding(
    model: PreTrainedModel, kept: Sequence[int], tokenizer: PreTrainedTokenizerBase, value: str = VALUE
) -> None:
    """Keeps the rows of the kept pieces, and tells the config their new numbers.

    Raises:
        ModelError: the positions of a text are numbered from the padding piece on, and its number is another
            now.
    """
    old: Any = model.get_input_embeddings()
    padding = tokenizer.pad_token_id
    if catalog.of(model.config).positions_behind_padding and padding != model.config.pad_token_id:
        raise ModelError(value, "pieces stand before the padding piece that would go; leave the size out")
    new = copy.deepcopy(old)  # some multiply what they look up
    new.weight = torch.nn.Parameter(old.weight.data[list(kept)].clone())
    new.num_embeddings, new.padding_idx = len(kept), padding
    _shrink_head(model, old, new, kept)
    model.set_input_embeddings(new)
    model.config.vocab_size, model.config.pad_token_id = len(kept), padding
    if hasattr(model.config, "decoder_vocab_size"):
        model.config.decoder_vocab_size = len(kept)
    places = {old: number for number, old in enumerate(kept)}
    for config in (model.config, getattr(model, "generation_config", None)):
        for name in SPECIAL_IDS if config is not None else ():
            if (number := getattr(config, name, None)) is not None:
                setattr(config, name, _renumbered(number, places))
    if getattr(model, "generation_config", None) is not None:
        model.generation_config.pad_token_id = padding
        for name in FORBIDDEN:
            setattr(model.generation_config, name, None)


def _renumbered(number: int | list[int], places: Mapping[int, int]) -> int | list[int] | None:
    """The new number of a piece; of several those that are still there."""
    if isinstance(number, int):
        return places.get(number)
    return [places[one] for one in number if one in places] or None


def _shrink_head(model: PreTrainedModel, old: Any, new: torch.nn.Embedding, kept: Sequence[int]) -> None:
    """Leaves a language model the answers that name kept pieces; its head may share the table's weights."""
    head: Any = model.get_output_embeddings()
    if head is None:
        return
    shared, rows = head.weight is old.weight, list(kept)
    head.weight = new.weight if shared else torch.nn.Parameter(head.weight.data[rows].clone())
    if getattr(head, "bias", None) is not None:
        head.bias = torch.nn.Parameter(head.bias.data[rows].clone())
    head.out_features = len(rows)
    if (bias := getattr(model, "final_logits_bias", None)) is not None:
        model.final_logits_bias = torch.nn.Buffer(bias[:, rows].clone())
