"""Which column is taken for the text, and which are read as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tasks.proposals.proposal import Column, Guess, Table
from tasks.proposals.text import columns

ROWS = 1_000
LABEL = Column("tag", ROWS, ROWS, 4, 1.0, 0.0, 0.0, 0.0, [(str(one), 250) for one in range(4)], [])


def running(name: str, words: float) -> Column:
    return Column(name, ROWS, ROWS, ROWS, words, 0.0, 0.0, 0.0, [("some words here", 1)], [])


def guess(given: Mapping[str, Any], *texts: Column) -> Guess:
    found = columns.recognise(Table({one.name: one for one in (*texts, LABEL)}, ROWS, given))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("texts", "taken", "pool"),
    [
        ([running("Title", 7), running("Description", 31)], ["Title", "Description"], None),
        ([running("body", 70), running("subject", 6)], ["subject", "body"], None),
        ([running("headline", 6), running("body", 400)], "headline", "body"),
        ([running("title", 6), running("text", 30)], "text", None),
        ([running("comment", 12), running("comment_clean", 11)], "comment", None),
        ([running("2", 7), running("3", 31)], ["2", "3"], None),
        ([running("2", 31), running("3", 7)], "2", None),
    ],
)
def test_a_title_and_what_comes_with_it_are_one_text(
    texts: list[Column], taken: str | list[str], pool: str | None
) -> None:
    found = guess({}, *texts)
    assert found.columns == {"text": taken, "label": "tag"} | ({"pool": pool} if pool else {})


def test_each_of_them_is_a_choice() -> None:
    found = guess({}, running("title", 7), running("description", 31))
    assert found.doubts[0].choices == ["title + description", "title", "description"]
    one = guess({"text": "description"}, running("title", 7), running("description", 31))
    assert (one.columns["text"], one.doubts) == ("description", [])


def test_pool_words_follow_from_the_whole_text() -> None:
    found = guess({}, running("title", 10), running("description", 30))
    assert found.ingest["pool_words"].value == 64
