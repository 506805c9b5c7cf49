"""The nearest training row answers; what all rows say does not make them alike."""

from __future__ import annotations

import json

from tasks.kinds.base.kind import load_kind
from tasks.kinds.text.common.writing import nearest

KNOWN = [
    {"text": "tell me of the rain in the north", "label": "wet"},
    {"text": "tell me of the sun in the south", "label": "dry"},
    {"text": "tell me of the snow in the hills", "label": "cold"},
]


def test_the_row_with_the_rarest_words_in_common_answers() -> None:
    asked = [{"text": "SNOW, tell me"}, {"text": "sun of the north sun"}, {"text": "unheard"}, {"text": "…"}]
    assert nearest.answers(KNOWN, asked) == ["cold", "dry", "wet", "wet"]


def test_prompts_without_a_word_have_an_answer_too() -> None:
    assert nearest.answers([{"text": " ", "label": "nothing"}], [{"text": "a word"}]) == ["nothing"]


def test_of_a_conversation_all_turns_are_compared() -> None:
    turns = [{"role": "user", "content": "snow in the hills"}, {"role": "user", "content": "and then?"}]
    kind = load_kind("text/generation")
    assert kind.generation is not None
    assert kind.generation.nearest(KNOWN, [{"text": json.dumps(turns)}]) == ["cold"]
