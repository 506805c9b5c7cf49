"""What is read of a text that has more tokens than the model reads: its begin, or its begin and its end.

Both ends of a text say more of it than its begin alone (Sun et al., How to Fine-Tune BERT for Text
Classification?, 2019). The tokenizer that is saved beside a model knows which of them is read, so training
and serving cannot differ; preprocessing.json says it too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tasks.core.params import Section

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

KEY = "long_texts"
"""In tokenizer_config.json and in preprocessing.json, where it is not the usual one."""
HEAD, BOTH_ENDS = "head", "head_tail"


class TextOptions(Section):
    """Of kinds whose input is a text."""

    long_texts: Literal["head", "head_tail"] = Field(
        description="what is read of a text of more than input_size tokens: head, the first of them; "
        "head_tail, half of them from its begin and half from its end"
    )


def keep(tokenizer: PreTrainedTokenizerBase, options: Any) -> None:
    """Has the tokenizer know what is read; it is saved with it."""
    tokenizer.init_kwargs.pop(KEY, None)
    if getattr(options, KEY, HEAD) != HEAD:
        tokenizer.init_kwargs[KEY] = getattr(options, KEY)


def reads_both_ends(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the tokenizer of a checkpoint is one of a model that reads both ends."""
    return bool(tokenizer.init_kwargs.get(KEY) == BOTH_ENDS)


def facts(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    """What preprocessing.json says; nothing where the begin is read, as tokenizer.json has it."""
    return {KEY: BOTH_ENDS} if reads_both_ends(tokenizer) else {}


def longest(told: Mapping[str, Any]) -> int | None:
    """Tokens from which on a text is cut by `both_ends`, by what preprocessing.json says; None: the tokenizer
    cuts it.
    """
    return int(told["input_size"]) if told.get(KEY) == BOTH_ENDS else None


def both_ends(ids: Sequence[int], most: int) -> Sequence[int]:
    """The first and the last of the tokens of a text, `most` together, the special ones at its ends among
    them.
    """
    return ids if len(ids) <= most else [*ids[: most - most // 2], *ids[len(ids) - most // 2 :]]


def tokens(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], most: int) -> list[Sequence[int]]:
    """The tokens of each text that are read, at most so many."""
    if not reads_both_ends(tokenizer):
        found: list[Sequence[int]] = tokenizer(
            list(texts), truncation=True, max_length=most, return_token_type_ids=False
        )["input_ids"]
        return found
    whole = tokenizer(list(texts), truncation=False, return_token_type_ids=False, verbose=False)["input_ids"]
    return [both_ends(ids, most) for ids in whole]
