"""What is read of a text that has more tokens than the model reads: its begin, its begin and its end, or all
of it in windows.

Both ends of a text say more of it than its begin alone (Sun et al., How to Fine-Tune BERT for Text
Classification?, 2019). Windows are read one by one, and their logits averaged: as many as cover the text,
spread evenly. The tokenizer that is saved beside a model knows what is read, so training and serving cannot
differ; preprocessing.json says it too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tasks.core.params import Section

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

KEY = "long_texts"
"""In tokenizer_config.json and in preprocessing.json, where it is not the usual one."""
AROUND = "special_tokens"
"""In preprocessing.json, beside `windows`: how many special tokens stand before a text and behind it."""
HEAD, BOTH_ENDS, WINDOWS = "head", "head_tail", "windows"
MOST_WINDOWS = 8
"""Of one text. A longer text has gaps between them."""


class TextOptions(Section):
    """Of kinds whose input is a text."""

    long_texts: Literal["head", "head_tail", "windows"] = Field(
        description="what is read of a text of more than input_size tokens: head, the first of them; "
        "head_tail, half of them from its begin and half from its end; windows, up to eight parts of so many "
        "tokens, spread evenly, whose logits are averaged"
    )


def keep(tokenizer: PreTrainedTokenizerBase, options: Any) -> None:
    """Has the tokenizer know what is read; it is saved with it."""
    tokenizer.init_kwargs.pop(KEY, None)
    if getattr(options, KEY, HEAD) != HEAD:
        tokenizer.init_kwargs[KEY] = getattr(options, KEY)


def read_by(tokenizer: PreTrainedTokenizerBase) -> str:
    """What a model reads of long texts, by the tokenizer of its checkpoint."""
    return str(tokenizer.init_kwargs.get(KEY, HEAD))


def facts(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """What preprocessing.json says; nothing where the begin is read, as tokenizer.json has it."""
    read = read_by(tokenizer)
    if read == HEAD:
        return {}
    return {KEY: read, **({AROUND: [*around(tokenizer)]} if read == WINDOWS else {})}


def around(tokenizer: PreTrainedTokenizerBase) -> tuple[int, int]:
    """How many special tokens stand before a text and behind it."""
    backend: Any = tokenizer.backend_tokenizer
    special = backend.encode("a").special_tokens_mask
    inside = [place for place, is_special in enumerate(special) if not is_special]
    return inside[0], len(special) - 1 - inside[-1]


def both_ends(ids: Sequence[int], most: int) -> Sequence[int]:
    """The first and the last of the tokens of a text, `most` together, the special ones at its ends among
    them.
    """
    return ids if len(ids) <= most else [*ids[: most - most // 2], *ids[len(ids) - most // 2 :]]


def windows(ids: Sequence[int], most: int, before: int, behind: int) -> list[Sequence[int]]:
    """Parts of a text, each of `most` tokens, the special ones around it among them."""
    if len(ids) <= most:
        return [ids]
    first, last, inner = ids[:before], ids[len(ids) - behind :], ids[before : len(ids) - behind]
    room = most - before - behind
    count = min(MOST_WINDOWS, math.ceil(len(inner) / room))
    starts = [number * (len(inner) - room) // (count - 1) for number in range(count)]
    return [[*first, *inner[start : start + room], *last] for start in starts]


def parts(ids: Sequence[int], told: Mapping[str, Any]) -> list[Sequence[int]]:
    """The parts of a text that are read, given all its tokens and what preprocessing.json says."""
    if told.get(KEY) == WINDOWS:
        return windows(ids, told["input_size"], *told[AROUND])
    return [both_ends(ids, told["input_size"]) if told.get(KEY) == BOTH_ENDS else ids]


def tokens(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], most: int) -> list[list[Sequence[int]]]:
    """The parts of each text that are read, each of at most so many tokens."""
    told = {**facts(tokenizer), "input_size": most}
    cut: dict[str, Any] = {"max_length": most} if KEY not in told else {"verbose": False}
    found = tokenizer(list(texts), truncation=KEY not in told, return_token_type_ids=False, **cut)
    return [parts(ids, told) for ids in found["input_ids"]]
