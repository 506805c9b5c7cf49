"""How a prompt becomes pieces, and a completion behind it.

The checkpoint's chat template, where params ask for it, or the texts as they are. What params say is kept by
the tokenizer that is saved beside a model, and by the folder that ships, so training and serving cannot
differ. `tokenizers` alone is needed for a prompt; for conversations in a template `jinja2`, too.

Of a prompt that is too long, the end of its text goes: what the template puts around it stays, and so does
the room for the answer. A conversation loses its oldest turns first.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tasks.core.errors import ModelError
from tasks.core.params import Section
from tasks.kinds.text.generation import chat
from tasks.kinds.text.generation.chat import Message

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerBase

KEY = "slipway_prompts"
"""In tokenizer_config.json."""
TORN = "\ufffd"
"""What a character becomes whose bytes are not all there."""
MARK = "(the prompt stands here)"
BEHIND = "\n"
"""What ends a prompt that no template ends."""


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
    pool: Literal["texts", "prompts"] = Field(
        description="what unlabelled texts are to the student: texts to learn each token of, or prompts, "
        "which the teacher answers"
    )


@dataclass(frozen=True)
class Prompts:
    """What is kept of it."""

    before: str
    """What stands before a prompt,"""
    after: str
    """and behind it."""
    instruction: str
    """Before the last turn of a conversation."""
    template: str
    """The source of the chat template; empty: turns stand one below the other."""
    tokens: Mapping[str, str]
    """Special pieces that the template names."""
    special: bool
    """Whether the tokenizer puts its special pieces around a prompt."""
    longest: int
    """Pieces of an answer, its end among them."""

    @classmethod
    def made(cls, tokenizer: PreTrainedTokenizerBase, options: Options) -> Prompts:
        """As params ask."""
        instruction = f"{options.instruction}\n\n" if options.instruction else ""
        if options.template == "plain":
            return cls(instruction, BEHIND, instruction, "", {}, True, options.longest)
        source, tokens = str(tokenizer.chat_template), chat.tokens(tokenizer)
        put = chat.render(source, [{"role": "user", "content": instruction + MARK}], tokens)
        before, _, after = put.partition(MARK)
        return cls(before, after, instruction, source, tokens, False, options.longest)

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> Prompts:
        """As the tokenizer of a checkpoint was told.

        Raises:
            ModelError: it was told nothing.
        """
        told = tokenizer.init_kwargs.get(KEY)
        if not isinstance(told, dict):
            raise ModelError(
                "tokenizer_config.json", f"has no {KEY}: the checkpoint was not made for writing"
            )
        return cls(**told)

    def facts(self) -> dict[str, Any]:
        """Of which `Prompts(**facts)` makes the same."""
        return dataclasses.asdict(self)

    def pieces(self, tokenizer: Tokenizer, text: str, most: int) -> list[int]:
        """A prompt of at most so many pieces; `text` is it, or the messages of a conversation as JSON."""
        messages = chat.conversation(text)
        while True:
            ids: list[int] = tokenizer.encode(self._put(messages), add_special_tokens=self.special).ids
            if len(ids) <= most:
                return ids
            if len(messages) > 2:
                messages = _without_oldest(messages)
                continue
            last = messages[-1]
            words = tokenizer.encode(last["content"], add_special_tokens=False).ids
            if not words:
                raise ModelError("input_size", f"is {most}: less than the template alone has, {len(ids)}")
            kept = words[: max(0, len(words) - (len(ids) - most))]
            shorter = tokenizer.decode(kept, skip_special_tokens=False).rstrip(TORN)
            # A text that is cut can have as many pieces as before, if it is cut within a word.
            shorter = shorter if len(shorter) < len(last["content"]) else last["content"][:-1]
            messages = [*messages[:-1], {**last, "content": shorter}]

    def _put(self, messages: Sequence[Message]) -> str:
        if len(messages) == 1:
            return f"{self.before}{messages[0]['content']}{self.after}"
        last = messages[-1]
        asked = [*messages[:-1], {**last, "content": f"{self.instruction}{last['content']}"}]
        if self.template:
            return chat.render(self.template, asked, self.tokens)
        return "\n\n".join(one["content"] for one in asked) + self.after


def keep(tokenizer: PreTrainedTokenizerBase, options: Options) -> None:
    """Has the tokenizer know how prompts are put; it is saved with it."""
    tokenizer.init_kwargs[KEY] = Prompts.made(tokenizer, options).facts()


def faults(tokenizer: PreTrainedTokenizerBase, options: Options) -> list[str]:
    """Why prompts cannot be put so."""
    found = []
    if options.template == "chat" and not tokenizer.chat_template:
        found.append("its tokenizer has no chat template; write options.template: plain")
    elif options.template == "chat" and (why := _template_fault(tokenizer, options)):
        found.append(why)
    if tokenizer.eos_token_id is None:
        found.append("its tokenizer has no piece that ends a text")
    return found


def _template_fault(tokenizer: PreTrainedTokenizerBase, options: Options) -> str:
    """Why the template cannot be put around a prompt; empty if it can."""
    import jinja2

    try:
        put = Prompts.made(tokenizer, options)
    except jinja2.TemplateError as error:
        return f"its chat template cannot be filled in: {' '.join(str(error).split())[:200]}"
    whole = chat.render(put.template, [{"role": "user", "content": put.instruction + "a b"}], put.tokens)
    if whole == f"{put.before}a b{put.after}":
        return ""
    return "its chat template changes what the user says; write options.template: plain"


def _without_oldest(messages: Sequence[Message]) -> list[Message]:
    """Without the first turn that is not the system's."""
    first = next(at for at, one in enumerate(messages) if one["role"] != "system")
    return [one for at, one in enumerate(messages) if at != first]
