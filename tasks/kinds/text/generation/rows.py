"""Rows of texts to go on with: a prompt and its completion, or the messages of a conversation whose last one
is what the assistant shall answer.

In the tables of ingest `text` holds the prompt, or the messages before the last as JSON, and `label` the
completion.
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tasks.core.errors import UnusableRowError
from tasks.kinds.base.data import Role
from tasks.kinds.base.rows import Row
from tasks.kinds.text.common import parts
from tasks.kinds.text.common.writing import rows
from tasks.kinds.text.generation import chat

ROLES = {
    "text": Role("the prompt: what the model is asked", required=False, keeps_lines=True),
    "label": Role("the completion: what it shall answer", required=False, keeps_lines=True),
    "messages": Role(
        "a conversation: a list of messages with role and content; the last is the assistant's",
        required=False,
        form="list",
    ),
    "pool": parts.POOL,
}
ALIASES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}
"""Other names of who speaks."""
ASSISTANT = "assistant"


def examine(values: Mapping[str, Any], options: Any, mended: Counter[str]) -> list[dict[str, Any]]:
    """The row, as `Data.examine` gives it.

    Raises:
        UnusableRowError: it has neither prompt and completion nor a conversation that ends with an answer.
    """
    rest = {role: value for role, value in values.items() if role in {"pool", "split"}}
    if "messages" in values:
        asked, answer = _conversation(values["messages"], mended)
        return [{"text": asked, "label": answer, **rest}]
    if {"text", "label"} <= values.keys():
        return [{"text": values["text"], "label": values["label"], **rest}]
    raise UnusableRowError("columns: text and label, or messages, must be named in ingest.columns")


def _conversation(told: str, mended: Counter[str]) -> tuple[str, str]:
    """What is asked, and the answer."""
    try:
        found = json.loads(told)
    except ValueError:
        raise UnusableRowError("messages: no list of messages") from None
    if isinstance(found, dict):
        found = found.get("messages") or found.get("conversations")
    if not isinstance(found, list) or not found:
        raise UnusableRowError("messages: no list of messages")
    messages = [_message(one) for one in found]
    *asked, last = messages
    if last["role"] != ASSISTANT:
        raise UnusableRowError(f"messages: the last one is by {last['role']!r}, not by the assistant")
    if not asked or asked[-1]["role"] == ASSISTANT:
        raise UnusableRowError("messages: nothing is asked before the last one")
    mended["earlier answers of conversations, which are read and not learnt"] += sum(
        one["role"] == ASSISTANT for one in asked
    )
    alone = len(asked) == 1 and asked[0]["role"] == "user" and not asked[0]["content"].startswith("[{")
    text = asked[0]["content"] if alone else json.dumps(asked, ensure_ascii=False)
    return text, last["content"].strip()


def _message(one: Any) -> dict[str, str]:
    if isinstance(one, dict) and "from" in one and "value" in one:
        one = {"role": one["from"], "content": one["value"]}
    if not chat.is_message(one):
        raise UnusableRowError("messages: each must have a role and a content, both texts")
    role = one["role"].casefold()
    return {"role": ALIASES.get(role, role), "content": one["content"]}


def pool(row: Row, longest: int) -> list[str]:
    """As other kinds that write have it; of a conversation what is in each of its turns."""
    turns = chat.conversation(row.get("pool") or "")
    return [text for one in turns for text in rows.pool({"pool": one["content"]}, longest)]


DATA = dataclasses.replace(rows.data(roles=ROLES, examine=examine), pool=pool)
