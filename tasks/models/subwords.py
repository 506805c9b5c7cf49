"""The three ways in which fast tokenizers cut words, as tokenizer.json tells them: which pieces a piece
cannot do without, and what is left of the model when some pieces go.

WordPiece (Schuster and Nakajima, 2012) takes the longest piece that fits, Unigram (Kudo, 2018) the likeliest
pieces, BPE (Sennrich et al., 2016) merges pieces pair by pair. In each, a text whose pieces all stay is cut
as before, if with each piece those stay that it needs.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tokenizers.pre_tokenizers import ByteLevel

Layout = dict[str, Any]
"""What stands in tokenizer.json."""
Needs = Callable[[str], frozenset[str]]
"""Piece -> itself, and the pieces it can be spelt with or is merged from, as far as there are such."""


def needs(layout: Layout, vocabulary: Mapping[str, int]) -> Needs:
    """How pieces hang together in this tokenizer; see `MODELS` for those that are known."""
    return MODELS[layout["model"]["type"]](layout["model"], vocabulary)


def single(layout: Layout, piece: str) -> str:
    """The piece without the sign that it goes on with a word."""
    return piece.removeprefix(layout["model"].get("continuing_subword_prefix") or "")


def alphabet(layout: Layout) -> frozenset[str]:
    """What stays whatever is seen: the bytes, where any text can be spelt with bytes."""
    model = layout["model"]
    spelt = (
        ByteLevel.alphabet()
        if '"ByteLevel"' in json.dumps([layout["normalizer"], layout["pre_tokenizer"]])
        else []
    )
    return frozenset(
        [*spelt, *(f"<0x{byte:02X}>" for byte in range(256 if model.get("byte_fallback") else 0))]
    )


def left(model: dict[str, Any], new: Mapping[int, int]) -> dict[str, Any]:
    """The model with only the pieces whose numbers are keys of `new`, numbered by its values.

    Scores and the order of merges stay.
    """
    if model["type"] == "Unigram":
        vocab = [entry for number, entry in enumerate(model["vocab"]) if number in new]
        return {**model, "vocab": vocab, "unk_id": new.get(model["unk_id"])}
    kept = {piece: new[number] for piece, number in model["vocab"].items() if number in new}
    rest = (
        {"merges": [pair for pair in model["merges"] if kept.keys() >= {*pair, _merged(model, pair)}]}
        if "merges" in model
        else {}
    )
    return {**model, "vocab": kept, **rest}


def _merged(model: Mapping[str, Any], pair: Iterable[str]) -> str:
    first, second = pair
    return first + second.removeprefix(model["continuing_subword_prefix"] or "")


def _characters(model: Mapping[str, Any], vocabulary: Mapping[str, int]) -> Needs:
    """WordPiece and Unigram: a piece can be spelt with its characters."""
    prefix = model.get("continuing_subword_prefix") or ""

    def of(piece: str) -> frozenset[str]:
        bare = piece.removeprefix(prefix)
        first = prefix if prefix and piece.startswith(prefix) else ""
        spelt = [first + bare[:1], *(prefix + character for character in bare[1:])]
        return frozenset([piece, *(each for each in spelt if each in vocabulary)])

    return of


def _merges(model: Mapping[str, Any], vocabulary: Mapping[str, int]) -> Needs:
    """BPE: a piece comes about by merges, of whichever pair, down to the characters."""
    pairs: dict[str, set[str]] = {}
    for pair in model["merges"]:
        pairs.setdefault(_merged(model, pair), set()).update(pair)

    @functools.cache
    def of(piece: str) -> frozenset[str]:
        return frozenset([piece]).union(*(of(part) for part in pairs.get(piece, ())))

    return of


MODELS: dict[str, Callable[[Mapping[str, Any], Mapping[str, int]], Needs]] = {
    "WordPiece": _characters,
    "Unigram": _characters,
    "BPE": _merges,
}
