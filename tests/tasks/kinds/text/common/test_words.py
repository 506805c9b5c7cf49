"""Words of every script: what belongs together stays together, in training, in serving and in the pool."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import UnusableRowError
from tasks.ingest import cleaning
from tasks.kinds.text.common import one_label, texts, words
from tasks.kinds.text.tagging import tag_scheme
from tasks.kinds.text.tagging.kind import KIND, Options
from tests import tiny

SIGNS = st.one_of(
    st.characters(codec="utf-8"),
    st.sampled_from(
        [
            *"aZ9 _-'.,\n\t\r",
            "\u0301",
            "\u093f",
            "\u094d",
            "\u200c",
            "\u200d",
            "\ufe0f",
            "\u20e3",
            "\u0e33",
            "\u17d2",
            "\u00ad",
            "\u200b",
        ]
    ),
    st.sampled_from(
        [
            "👍🏽",
            "👩\u200d❤️\u200d👨",
            "🇩🇪",
            "😀",
            "क्ष",
            "न्दी",
            "가",
            "ㄱ",
            "\u1100\u1161",
            "が",
            "の",
            "中",
            "ที่",
            "ﬁ",
            "İ",
            "ß",
        ]
    ),
)
TEXTS = st.lists(SIGNS, max_size=40).map("".join)
PATTERNS = st.sampled_from(sorted(words.PATTERNS))
QUICK = settings(derandomize=True, max_examples=150, deadline=None)


def options(**changed: object) -> Options:
    return Options(**{**tiny.OPTIONS["text/tagging"], **changed})


@QUICK
@given(TEXTS, PATTERNS)
def test_words_hold_every_visible_sign_of_a_text_in_order(text: str, how: str) -> None:
    found = words.cut(text, words.PATTERNS[how])
    assert [text[start:end] for _, start, end in found] == [word for word, *_ in found]
    ends = [0, *(place for _, *places in found for place in places), len(text)]
    assert ends == sorted(ends)
    between = "".join(text[begin:end] for begin, end in zip(ends[::2], ends[1::2], strict=True))
    assert all(sign.isspace() or unicodedata.category(sign) in {"Cc", "Cf", "Cs"} for sign in between)


@QUICK
@given(TEXTS, PATTERNS)
def test_no_word_begins_with_what_belongs_to_the_one_before(text: str, how: str) -> None:
    for _, start, _ in words.cut(text, words.PATTERNS[how]):
        before = text[start - 1 : start]
        attached = unicodedata.category(text[start]).startswith("M")
        assert not attached or not before or before.isspace() or unicodedata.category(before)[0] == "C"


@QUICK
@given(TEXTS, PATTERNS)
def test_rows_are_served_in_the_words_that_they_were_trained_in(text: str, how: str) -> None:
    """What ingest writes (words in NFC, a space between them) is cut into the same words again, and so is the
    text itself.
    """
    rows = KIND.data.examine({"text": text, "spans": "[]"}, options(words=how, longest=4096), Counter())
    trained = rows[0]["text"].split()
    assert [word for word, *_ in words.cut(rows[0]["text"], words.PATTERNS[how])] == trained
    assert [words.composed(word) for word, *_ in words.cut(text, words.PATTERNS[how])] == trained


@QUICK
@given(TEXTS, st.data())
def test_span_on_the_edges_of_words_holds_exactly_these(text: str, data: st.DataObject) -> None:
    found = words.cut(text, words.PATTERNS["unicode"])
    if not found:
        return
    first = data.draw(st.integers(0, len(found) - 1))
    last = data.draw(st.integers(first, len(found) - 1))
    span = [found[first][1], found[last][2], "x"]
    mended: Counter[str] = Counter()
    rows = KIND.data.examine(
        {"text": text, "spans": json.dumps([span])}, options(words="unicode", longest=4096), mended
    )
    ((_, begin, end),) = tag_scheme.entities(rows[0]["label"].split())
    assert rows[0]["text"].split()[begin:end] == [
        words.composed(word) for word, *_ in found[first : last + 1]
    ]
    assert not any(mended.values())
    assert KIND.data.check_rows([{"text": text, "spans": json.dumps([span])}], options(words="unicode")) == []


@QUICK
@given(
    st.text(),
    st.text() | st.lists(st.tuples(st.integers(), st.integers(), st.text())).map(json.dumps),
    PATTERNS,
)
def test_any_text_and_spans_give_rows_or_a_reason(text: str, spans: str, how: str) -> None:
    try:
        rows = KIND.data.examine({"text": text, "spans": spans}, options(words=how), Counter())
    except UnusableRowError:
        return
    for row in rows:
        assert len(row["text"].split()) == len(row["label"].split())
        row["text"].encode()


@QUICK
@given(
    st.lists(st.tuples(st.text(min_size=1), st.sampled_from(["O", "B-x", "I-x", "B-y", "I-y"])), min_size=1),
    PATTERNS,
)
def test_tokens_keep_their_tags_however_they_are_cut(pairs: list[tuple[str, str]], how: str) -> None:
    values = {
        name: json.dumps(list(column))
        for name, column in zip(("tokens", "tags"), zip(*pairs, strict=True), strict=True)
    }
    try:
        rows = KIND.data.examine(values, options(words=how, longest=8), Counter())
    except UnusableRowError:
        return
    tags = [tag for row in rows for tag in row["label"].split()]
    assert tags == tag_scheme.to_bio(tags, "bio", "reject", Counter())
    for row in rows:
        assert [word for word, *_ in words.cut(row["text"], words.PATTERNS[how])] == row["text"].split()
        assert len(row["text"].split()) == len(row["label"].split()) <= 8


@QUICK
@given(TEXTS, st.booleans())
def test_cleaning_is_done_once_and_loses_no_letter(text: str, keep_lines: bool) -> None:
    once = cleaning.clean(text, Counter(), keep_lines)
    assert cleaning.clean(once, Counter(), keep_lines) == once

    def letters(text: str) -> list[str]:
        return [
            sign for sign in unicodedata.normalize("NFD", text) if unicodedata.category(sign)[0] in "LMNPS"
        ]

    assert letters(once) == letters(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("राहुल को", ["राहुल", "को"]),
        ("กำที่", ["ก", "ำ", "ที่"]),
        ("か\u3099中\U000e0100文", ["か\u3099", "中\U000e0100", "文"]),
        ("مُحَمَّدٌ هنا", ["مُحَمَّدٌ", "هنا"]),
    ],
)
def test_pool_and_baseline_keep_marks_with_their_word(text: str, found: list[str]) -> None:
    assert texts.WORD.findall(text) == found
    rows = [{"text": f"{text} x{n}", "label": "ab"[n % 2]} for n in range(4)]
    assert one_label.baseline(rows, ["a", "b"], 0).predict(rows).shape == (4, 2)


def test_html_is_told_and_what_only_looks_like_it_is_not() -> None:
    rows = [
        {"text": text}
        for text in (
            "<p>fell</p>",
            "a &nbsp; b",
            "I <3 you",
            "<user> at <john@x.org>",
            "a<b and b>c",
            "AT&T; x",
        )
    ]
    (said,) = texts.markup(rows, None)
    assert said.startswith("2 of 6 texts hold HTML (`<p>`, `</p>`, `&nbsp;`)")
