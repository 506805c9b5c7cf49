"""How a prompt becomes pieces, and a completion behind it.

The checkpoint's chat template, where params ask for it, or the texts as they are. What params say is kept by
the tokenizer that is saved beside a model, so training and serving cannot differ.

Of a prompt that is too long, the end of its text goes: what the template puts around it stays, and so does
the room for the answer. A conversation loses its oldest turns first.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tasks.core.errors import ModelError
from tasks.core.params import Section

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

KEY = "slipway_prompts"
"""In tokenizer_config.json."""
TORN = "\ufffd"
"""What a character becomes whose bytes are not all there."""
Message = Mapping[str, str]


class Options(Section):
    template: Literal["chat", "plain"] = Field(
        description="how prompts are put: as the user's turn in the checkpoint's chat template, or plainly"
    )
    instruction: str = Field(
        max_length=4000, description="put before each prompt, with a blank line between; empty: nothing"
    )
    longest: int = Field(
        ge=1, le=4096, description="tokens of an answer, its end among them; longer ones are cut"
    )


@dataclass(frozen=True)
class Prompts:
    """What a tokenizer keeps of it."""

    template: str
    instruction: str
    longest: int

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> Prompts:
        """As the tokenizer was told.

        Raises:
            ModelError: it was told nothing.
        """
        told = tokenizer.init_kwargs.get(KEY)
        if not isinstance(told, dict):
            raise ModelError(
                "tokenizer_config.json", f"has no {KEY}: the checkpoint was not made for writing"
            )
        return cls(**told)

    def pieces(self, tokenizer: PreTrainedTokenizerBase, text: str, most: int) -> list[int]:
        """A prompt of at most so many pieces; `text` is it, or the messages of a conversation as JSON."""
        messages = conversation(text)
        while True:
            ids = self._rendered(tokenizer, messages)
            if len(ids) <= most:
                return ids
            if len(messages) > 2:
                messages = _without_oldest(messages)
                continue
            last = messages[-1]
            words = tokenizer(last["content"], add_special_tokens=False, verbose=False)["input_ids"]
            if not words:
                raise ModelError("input_size", f"is {most}: less than the template alone has, {len(ids)}")
            shorter = tokenizer.decode(words[: max(0, len(words) - (len(ids) - most))]).rstrip(TORN)
            # A text that is cut can have as many pieces as before, if it is cut within a word.
            kept = shorter if shorter != last["content"] else last["content"][:-1]
            messages = [*messages[:-1], {**last, "content": kept}]

    def _rendered(self, tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message]) -> list[int]:
        if self.template == "chat":
            found = tokenizer.apply_chat_template(
                [*self._instructed(messages)], add_generation_prompt=True, tokenize=False
            )
        else:
            found = "\n\n".join(one["content"] for one in self._instructed(messages))
        ids: list[int] = tokenizer(found, add_special_tokens=self.template == "plain", verbose=False)[
            "input_ids"
        ]
        return ids

    def _instructed(self, messages: Sequence[Message]) -> Sequence[Message]:
        if not self.instruction:
            return messages
        last = messages[-1]
        return [*messages[:-1], {**last, "content": f"{self.instruction}\n\n{last['content']}"}]


def keep(tokenizer: PreTrainedTokenizerBase, options: Options) -> None:
    """Has the tokenizer know how prompts are put; it is saved with it."""
    tokenizer.init_kwargs[KEY] = options.model_dump()


def faults(tokenizer: PreTrainedTokenizerBase, options: Options) -> list[str]:
    """Why prompts cannot be put so."""
    found = []
    if options.template == "chat" and not tokenizer.chat_template:
        found.append("its tokenizer has no chat template; write options.template: plain")
    if tokenizer.eos_token_id is None:
        found.append("its tokenizer has no piece that ends a text")
    return found


def conversation(text: str) -> list[Message]:
    """The messages of a row: those of a JSON list, or the text as the user's only one."""
    if text.startswith("[{"):
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if isinstance(found, list) and all(_is_message(one) for one in found):
            return found
    return [{"role": "user", "content": text}]


def _is_message(one: Any) -> bool:
    return isinstance(one, dict) and isinstance(one.get("role"), str) and isinstance(one.get("content"), str)


def _without_oldest(messages: Sequence[Message]) -> list[Message]:
    """Without the first turn that is not the system's."""
    first = next(at for at, one in enumerate(messages) if one["role"] != "system")
    return [one for at, one in enumerate(messages) if at != first]
