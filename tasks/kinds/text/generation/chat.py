"""Conversations: messages with a role and a content each, and the chat template that makes a text of them.

Templates come with checkpoints; they are filled in as transformers does it, in a sandbox in which they can
reach nothing and change nothing.
"""

from __future__ import annotations

import datetime
import functools
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Message = Mapping[str, str]
TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token")


def tokens(tokenizer: PreTrainedTokenizerBase) -> dict[str, str]:
    """Special pieces by the names that templates have for them."""
    return {name: str(piece) for name in TOKENS if (piece := getattr(tokenizer, name, None)) is not None}


def render(source: str, messages: Sequence[Message], tokens: Mapping[str, str]) -> str:
    """The conversation as a text that the assistant goes on with.

    Raises:
        jinja2.TemplateError: the template is broken, or refuses the conversation.
    """
    made: str = _template(source).render(messages=list(messages), add_generation_prompt=True, **tokens)
    return made


@functools.lru_cache(maxsize=8)
def _template(source: str) -> Any:
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    # A fixed day: the same conversation is the same text tomorrow.
    today = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = functools.partial(json.dumps, ensure_ascii=False)
    environment.globals["raise_exception"] = _refuse
    environment.globals["strftime_now"] = today.strftime
    return environment.from_string(source)


def _refuse(message: str) -> NoReturn:
    import jinja2

    raise jinja2.TemplateError(message)


def conversation(text: str) -> list[Message]:
    """The messages of a row: those of a JSON list, or the text as the user's only one."""
    if text.startswith("[{"):
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if isinstance(found, list) and all(is_message(one) for one in found):
            return found
    return [{"role": "user", "content": text}]


def is_message(one: Any) -> bool:
    """Whether it has a role and a content, both texts."""
    return isinstance(one, dict) and isinstance(one.get("role"), str) and isinstance(one.get("content"), str)
