"""What of raw rows is asked, what is answered, and what cannot be used."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from tasks.core.errors import UnusableRowError
from tasks.kinds.text.common.writing import rows as written
from tasks.kinds.text.generation import rows


def taken(values: dict[str, Any]) -> tuple[dict[str, Any], Counter[str]]:
    mended: Counter[str] = Counter()
    (found,) = rows.examine(values, None, mended)
    return found, mended


def said(*turns: tuple[str, str]) -> str:
    return json.dumps([{"role": role, "content": content} for role, content in turns])


def test_a_prompt_and_its_completion_stay() -> None:
    found, _ = taken({"text": "Ask", "label": "Say", "split": "test"})
    assert found == {"text": "Ask", "label": "Say", "split": "test"}


def test_the_last_turn_is_the_answer_and_earlier_ones_are_told() -> None:
    talk = said(
        ("system", "Be brief."), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", " d ")
    )
    found, mended = taken({"messages": talk})
    assert [one["content"] for one in json.loads(found["text"])] == ["Be brief.", "a", "b", "c"]
    assert found["label"] == "d"
    assert sum(mended.values()) == 1


def test_a_single_question_is_a_plain_prompt() -> None:
    found, mended = taken({"messages": said(("user", "a"), ("assistant", "b"))})
    assert found == {"text": "a", "label": "b"}
    assert not sum(mended.values())


def test_other_well_known_forms_of_conversations_are_read() -> None:
    turns = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]
    assert taken({"messages": json.dumps({"conversations": turns})})[0] == {"text": "a", "label": "b"}


@pytest.mark.parametrize(
    ("messages", "why"),
    [
        ("nothing", "no list of messages"),
        ("[]", "no list of messages"),
        (said(("user", "a")), "the last one is by 'user', not by the assistant"),
        (said(("assistant", "a")), "nothing is asked"),
        (json.dumps([{"role": "user"}, {"role": "assistant", "content": "b"}]), "a role and a content"),
    ],
)
def test_what_is_no_conversation_is_set_aside(messages: str, why: str) -> None:
    with pytest.raises(UnusableRowError, match=why):
        taken({"messages": messages})


def test_columns_must_be_named() -> None:
    with pytest.raises(UnusableRowError, match="text and label, or messages"):
        taken({"text": "Ask"})


def test_several_answers_to_a_prompt_do_not_contradict_each_other() -> None:
    one, other = ({"text": "Ask  me", "label": label} for label in ("a", "b"))
    assert written.fingerprint(one) == written.fingerprint(other) == "ask me"
    assert written.content(one) != written.content(other)
