"""How a text becomes the pieces that are read, and an answer those that are written.

What params say is kept by the tokenizer that is saved beside a model, and by the folder that ships, so
training and serving cannot differ. Of a text that is too long the end goes; what the tokenizer puts around it
stays. An answer has the pieces around it that the tokenizer puts around any text, as the model has learnt it:
its end, and of BART its begin.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from tasks.core.errors import ModelError
from tasks.core.params import Section

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

KEY = "slipway_sources"
"""In tokenizer_config.json."""


class Options(Section):
    instruction: str = Field(
        max_length=4000, description="put before each text as it is, such as `summarize: `; empty: nothing"
    )
    longest: int = Field(
        ge=1, le=4096, description="tokens of an answer, its end among them; longer ones are cut"
    )


@dataclass(frozen=True)
class Sources:
    """What is kept of it."""

    before: str
    """What stands before a text."""
    start: str
    """The piece behind which an answer begins."""
    longest: int
    """Pieces of an answer, its end among them."""

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> Sources:
        """As the tokenizer of a checkpoint was told.

        Raises:
            ModelError: it was told nothing.
        """
        told = tokenizer.init_kwargs.get(KEY)
        if not isinstance(told, dict):
            raise ModelError(
                "tokenizer_config.json",
                f"has no {KEY}: the checkpoint was not made for texts out of texts",
            )
        return cls(**told)

    def facts(self) -> dict[str, Any]:
        """Of which `Sources(**facts)` makes the same."""
        return dataclasses.asdict(self)

    def read(self, tokenizer: Tokenizer, text: str, most: int) -> list[int]:
        """At most so many pieces of a text."""
        tokenizer.enable_truncation(most)
        ids: list[int] = tokenizer.encode(f"{self.before}{text}").ids
        tokenizer.no_truncation()
        return ids

    def written(self, tokenizer: Tokenizer, text: str, end: int) -> list[int]:
        """The pieces of an answer, and the one that ends it; of a longer one the first."""
        ids: list[int] = tokenizer.encode(text).ids
        return [*ids, *([] if ids[-1:] == [end] else [end])][: self.longest]

    def first(self, tokenizer: Tokenizer) -> int:
        """The number of the piece behind which an answer begins.

        Raises:
            ModelError: the tokenizer has no such piece.
        """
        found: int | None = tokenizer.token_to_id(self.start)
        if found is None:
            raise ModelError("tokenizer.json", f"has no piece {self.start!r}, behind which answers begin")
        return found


def keep(tokenizer: PreTrainedTokenizerBase, options: Options, start: str) -> None:
    """Has the tokenizer know how texts are put; it is saved with it."""
    tokenizer.init_kwargs[KEY] = Sources(options.instruction, start, options.longest).facts()


def prepare(tokenizer: PreTrainedTokenizerBase, options: Options) -> None:
    """The same where the model is not known: answers begin behind some piece."""
    keep(tokenizer, options, str(tokenizer.pad_token))


def faults(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, input_size: int, options: Options
) -> list[str]:
    """Why texts cannot be put so, or the model cannot write."""
    config: Any = model.config
    found = []
    if tokenizer.eos_token_id is None:
        found.append("its tokenizer has no piece that ends a text")
    start = getattr(config, "decoder_start_token_id", None)
    if not isinstance(start, int):
        found.append(
            "its config names no decoder_start_token_id, the piece behind which an answer begins; write it "
            "as the model was trained, of T5 the number of the padding piece"
        )
    elif tokenizer.convert_ids_to_tokens(start) is None:
        found.append(f"its config says decoder_start_token_id = {start}; its tokenizer has no such piece")
    if not getattr(config, "share_encoder_decoder_embeddings", True):
        found.append(
            "it reads and writes pieces of two vocabularies (share_encoder_decoder_embeddings = false); take "
            "a checkpoint that has one for both"
        )
    positions = getattr(config, "max_position_embeddings", None)
    if positions is not None and options.longest > positions:
        found.append(f"options.longest = {options.longest}: it writes at most {positions} pieces")
    before = len(tokenizer(options.instruction)["input_ids"])
    if options.instruction and before >= input_size:
        found.append(
            f"options.instruction: has {before} pieces and leaves no room for a text; input_size is "
            f"{input_size}"
        )
    return found
