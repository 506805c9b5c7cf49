"""Which data are taken for prompts and completions, and which values follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tasks.proposals.proposal import Column, Facts, Guess, Table, Wish
from tasks.proposals.text import columns, generation

ROWS = 1_000
LABEL = Column("tag", ROWS, ROWS, 4, 1.0, 0.0, 0.0, 0.0, [(str(one), 250) for one in range(4)], [])
TALK = Column("messages", ROWS, ROWS, ROWS, 60.0, 0.0, 1.0, 0.0, [("[]", 1)], [])


def running(name: str, words: float) -> Column:
    return Column(name, ROWS, ROWS, ROWS, words, 0.0, 0.0, 0.0, [("some words here", 1)], [])


def guess(*found: Column, **given: Any) -> Guess | None:
    return generation.recognise(Table({one.name: one for one in found}, ROWS, given))


@pytest.mark.parametrize(
    ("found", "taken"),
    [
        ([running("prompt", 20), running("completion", 5)], {"text": "prompt", "label": "completion"}),
        ([running("abstract", 150), running("tldr", 19)], {"text": "abstract", "label": "tldr"}),
        ([running("Body", 400), running("Headline", 6)], {"text": "Body", "label": "Headline"}),
        ([running("a", 9), running("b", 30)], {"text": "b", "label": "a"}),
        ([TALK, running("id_text", 2)], {"messages": "messages"}),
    ],
)
def test_what_is_asked_and_what_is_written_are_found(found: list[Column], taken: Mapping[str, str]) -> None:
    made = guess(*found)
    assert made is not None
    assert made.columns == taken


def test_columns_without_telling_names_are_asked_for() -> None:
    made = guess(running("a", 9), running("b", 30))
    assert made is not None
    assert [one.choices for one in made.doubts] == [["a", "b"]]


def test_texts_with_classes_are_likelier_taken_for_these() -> None:
    found = {one.name: one for one in (running("body", 90), running("headline", 6), LABEL)}
    table = Table(found, ROWS, {})
    both = [one.recognise(table) for one in (columns, generation)]
    assert both[0] is not None
    assert both[1] is not None
    assert both[0].fit > both[1].fit
    named = Table(found, ROWS, {"text": "body", "label": "headline"})
    both = [one.recognise(named) for one in (columns, generation)]
    assert both[0] is not None
    assert both[1] is not None
    assert both[0].fit < both[1].fit


def test_labels_of_a_word_are_not_written() -> None:
    assert guess(running("text", 12), LABEL) is None


@pytest.mark.parametrize(("rows", "epochs"), [(100, 8), (1_344, 1), (20_000, 1)])
def test_values_follow_from_the_rows(rows: int, epochs: int) -> None:
    one = {"input_ids": [1] * 50, "labels": [1] * 9}
    listed: Any = {"train": [one] * rows, "validation": [one], "test": [one] * 50, "pool": []}
    vocabulary = {str(number): number for number in range(49_152)}
    facts = Facts(listed, listed, vocabulary, 93_000_000, {}, "sticky")
    made = generation.plan(facts, Wish("balanced", None, 0.01))
    assert made.values["finetune"]["epochs"].value == epochs  # type: ignore[index]
    assert made.values["options"]["longest"].value == 12  # type: ignore[index]
    assert made.values["input_size"].value == 64  # type: ignore[union-attr]
    assert made.remarks == ["50 test rows: intervals will be wide"]
