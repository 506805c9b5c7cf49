"""Shifts are found where there are any, and not where there are none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from flows.retraining.arrivals import drift
from tasks.kinds.base.kind import load_kind
from tests import tiny
from tests.flows.retraining.conftest import articles, policy

KIND = load_kind("text/classification")


def rows_of(found: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    return [{"text": row["headline"], "label": row["desk"], "pool": row["body"]} for row in found]


def beyond(new: list[dict[str, str]]) -> list[str]:
    return [
        one.of
        for one in drift.shifts(KIND, new, rows_of(articles(0, 600)), policy(max_content_shift=0.8))
        if one.exceeds
    ]


def test_rows_like_those_before_show_no_shift() -> None:
    found = drift.shifts(KIND, rows_of(articles(700, 80)), rows_of(articles(0, 600)), policy())
    assert [one.of for one in found] == ["labels", "lengths", "content"]
    assert [one.of for one in found if one.exceeds] == []
    assert found[0].effect < 0.2
    assert found[2].effect < 0.65


def test_other_labels_are_a_shift_of_labels_alone() -> None:
    assert beyond(
        [row for row in rows_of(articles(700, 400)) if row["label"] in ("tech", "sports")][:80]
    ) == ["labels"]


def test_sentences_are_longer_than_headlines() -> None:
    assert "lengths" in beyond([{**row, "text": row["pool"][:150]} for row in rows_of(articles(700, 80))])


def test_another_domain_is_told_from_this_one() -> None:
    words = ["lol", "@you", "omg", "http://t.co/x", "#fun", "gonna", "im", "u"]
    chance = np.random.default_rng(0)
    tweets = [{**row, "text": " ".join(chance.choice(words, 5))} for row in rows_of(articles(700, 80))]
    assert "content" in beyond(tweets)


def test_few_rows_are_not_tested() -> None:
    assert drift.shifts(KIND, rows_of(articles(700, 19)), rows_of(articles(0, 600)), policy()) == []


def test_pictures_are_compared_by_what_they_show() -> None:
    kind = load_kind("image/classification")
    digits = tiny.rows(400, kind="image/classification")
    few = [row for row in digits[200:] if row["label"] in "01"]
    alike, other = (drift.shifts(kind, new, digits[:200], policy()) for new in (digits[200:260], few))
    assert alike[2].effect < 0.7
    assert other[2].effect > 0.8


def test_champion_is_surprised_by_wrong_labels_and_not_by_its_usual_errors() -> None:
    usually = np.arange(600) % 5 == 0
    assert drift.surprise(np.arange(80) % 2 == 0, usually, 0.15).exceeds
    assert not drift.surprise(np.arange(80) % 4 == 0, usually, 0.15).exceeds
    assert not drift.surprise(np.arange(6) % 2 == 0, usually, 0.15).exceeds
