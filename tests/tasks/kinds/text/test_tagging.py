"""Tags and entities: what is read, mended or set aside, and that figures are seqeval's."""

from __future__ import annotations

import json
import random
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.core.errors import DataError, UnusableRowError
from tasks.ingest import stage as ingest
from tasks.kinds.base.rows import Truth
from tasks.kinds.text.tagging import spans, tag_scheme
from tasks.kinds.text.tagging.kind import KIND, Options
from tests import tiny
from tests.tasks import stage

LABELS = ["O", "B-loc", "I-loc", "B-per", "I-per"]


def options(**changed: Any) -> Options:
    return Options(**{**tiny.OPTIONS["text/tagging"], "words": "unicode", **changed})


def read(values: dict[str, str], **changed: Any) -> tuple[list[tuple[str, str]], Counter[str]]:
    mended: Counter[str] = Counter()
    made = KIND.data.examine(values, options(**changed), mended)
    return [(one["text"], one["label"]) for one in made], mended


@pytest.mark.parametrize(
    ("scheme", "tags", "bio", "broken"),
    [
        ("bio", "B-per I-per O B-per", "B-per I-per O B-per", 0),
        ("bio", "O I-per I-per", "O B-per I-per", 1),
        ("bio", "B-per I-loc", "B-per B-loc", 1),
        ("iob1", "I-per I-per O I-loc B-loc", "B-per I-per O B-loc B-loc", 0),
        ("iob1", "I-per I-loc", "B-per B-loc", 0),
        ("bioes", "B-per I-per E-per S-loc O", "B-per I-per I-per B-loc O", 0),
        ("bioes", "S-per S-per", "B-per B-per", 0),
        ("bioes", "B-per O", "B-per O", 1),
        ("bioes", "O B-per", "O B-per", 1),
        ("bioes", "O E-per", "O B-per", 1),
    ],
)
def test_schemes_become_bio(scheme: str, tags: str, bio: str, broken: int) -> None:
    words = " ".join("abcdefgh"[: len(tags.split())])
    found, mended = read({"tokens": words, "tags": tags}, scheme=scheme)
    assert found == [(words, bio)]
    assert mended["broken tag sequences repaired"] == broken
    if broken:
        with pytest.raises(UnusableRowError, match=f"broken tags: .* do not follow the scheme {scheme}"):
            read({"tokens": words, "tags": tags}, scheme=scheme, broken="reject")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"tokens": "a b", "tags": "O"}, "has 2 words and 1 tags"),
        ({"tokens": "a", "tags": "X-per"}, "unknown tag: 'X-per'"),
        ({"tokens": "a", "tags": "B-"}, "unknown tag: 'B-'"),
        ({"tokens": "a", "tags": "B"}, "unknown tag: 'B'"),
        ({"tokens": "a", "tags": "o"}, "unknown tag: 'o'"),
        ({"tokens": "a", "tags": "E-per"}, "unknown tag: 'E-per'; in the scheme bio"),
        ({"text": "Ada wrote", "spans": "no"}, "spans are no list"),
        ({"text": "Ada wrote", "spans": "{}"}, "spans are no list"),
        ({"text": "Ada wrote", "spans": "[[0, 3]]"}, r"a span is no \[start, end, label\]"),
        ({"text": "Ada wrote", "spans": '[["0", 3, "per"]]'}, "with whole numbers"),
        ({"text": "Ada wrote", "spans": '[[0, 3, "a b"]]'}, "a type of one word"),
        ({"text": "Ada wrote", "spans": '[[0, 3, "a\u00a0b"]]'}, "a type of one word"),
        ({"text": "Ada wrote", "spans": '[[true, 3, "a"]]'}, "with whole numbers"),
        ({"text": "Ada wrote", "spans": "[" * 100_000}, "spans are no list"),
        (
            {"text": "Ada wrote", "spans": '[[0, 99, "per"]]'},
            "span 0-99 holds no word of the text, which has 9 signs",
        ),
        ({"text": "Ada wrote", "spans": '[[-1, 3, "per"]]'}, "span -1-3 holds no word"),
        ({"text": "Ada wrote", "spans": '[[3, 3, "per"]]'}, "span 3-3 holds no word"),
        ({"text": "Ada  wrote", "spans": '[[3, 5, "per"]]'}, "span 3-5 holds no word"),
        ({"text": "Ada wrote", "spans": '[[0, 5, "per"], [4, 9, "loc"]]'}, "spans overlap at 4"),
        ({"tokens": "a"}, "tokens and tags, or text and spans"),
    ],
)
def test_row_that_cannot_be_used_says_why(values: dict[str, str], said: str) -> None:
    with pytest.raises(UnusableRowError, match=said):
        read(values)


@pytest.mark.parametrize(("end", "span_end"), [(12, "exclusive"), (11, "inclusive")])
@pytest.mark.parametrize("form", ['[[0, {end}, "per"]]', '[{{"start": 0, "end": {end}, "label": "per"}}]'])
def test_character_spans_become_tags(end: int, span_end: str, form: str) -> None:
    found, _ = read({"text": "Ada Lovelace, 1843", "spans": form.format(end=end)}, span_end=span_end)
    assert found == [("Ada Lovelace , 1843", "B-per I-per O O")]


def test_json_lists_are_words_and_tags() -> None:
    assert read({"tokens": '["New York", "x"]', "tags": '["B-loc", "O"]'})[0] == [("New_York x", "B-loc O")]


@pytest.mark.parametrize(
    ("tokens", "tags", "words", "found", "counted"),
    [
        (
            '["@ada", "x"]',
            "B-per O",
            "unicode",
            ("@ ada x", "B-per I-per O"),
            {"words cut further, as running text is (options.words)": 1},
        ),
        ('["@ada", "x"]', "B-per O", "white_space", ("@ada x", "B-per O"), {}),
        (
            '["\u200b", "Ada"]',
            "B-per I-per",
            "unicode",
            ("Ada", "B-per"),
            {"words without any visible sign left out": 1},
        ),
        (
            '["\u200b", "Ada"]',
            "B-per B-loc",
            "unicode",
            ("Ada", "B-loc"),
            {"words without any visible sign left out": 1},
        ),
    ],
)
def test_tokens_are_cut_as_running_text_will_be_where_it_is_served(
    tokens: str, tags: str, words: str, found: tuple[str, str], counted: dict[str, int]
) -> None:
    made, mended = read({"tokens": tokens, "tags": tags}, words=words)
    assert (made, {what: count for what, count in mended.items() if count}) == ([found], counted)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("राहुल शर्मा को", "शर्मा"),
        ("أحمد مُحَمَّدٌ هنا", "مُحَمَّدٌ"),
        ("او می‌خواهم رفت", "می‌خواهم"),
        ("có Tie\u0302\u0301ng Viet", "Tie\u0302\u0301ng"),
        ("x \u1112\u1161\u11ab y", "\u1112\u1161\u11ab"),
        ("x 👩\u200d❤️\u200d💋\u200d👨 y", "👩\u200d❤️\u200d💋\u200d👨"),
        ("x 1️⃣ y", "1️⃣"),
        ("x 🇩🇪🇫🇷 y", "🇫🇷"),
        ("x 👍🏽 y", "👍🏽"),
        ("我在北京", "京"),
        ("ที่นี่", "ที่"),
        ("ラーメン", "ラ"),
        ("ﬁnal oﬀer", "oﬀer"),
        ("a\r\nAda\u00a0x", "Ada"),
        ("soft\u00adhyphen", "soft\u00adhyphen"),
    ],
)
def test_marks_and_joiners_belong_to_their_word_in_every_script(text: str, word: str) -> None:
    start = text.index(word)
    found, mended = read({"text": text, "spans": json.dumps([[start, start + len(word), "x"]])})
    ((words, label),) = found
    ((_, first, end),) = tag_scheme.entities(label.split())
    assert words.split()[first:end] == [unicodedata.normalize("NFC", word)]
    assert not any(mended[what] for what in (spans.WIDENED, spans.TRIMMED))


SIZES: dict[str, Callable[[str], int]] = {
    "code_points": len,
    "utf16": lambda part: len(part.encode("utf-16-le")) // 2,
    "bytes": lambda part: len(part.encode()),
}
SENTENCES = [
    f"😀 Visitor {n} Orla Finch travels to Dunmore on day {n}.\r\nThe café is shut." for n in range(12)
]
NAMES = ("Orla Finch", "Dunmore", "café")


def annotated(
    change: Callable[[str], str], units: str, first: int = 0, inclusive: int = 0, sign: str = "😀"
) -> list[dict[str, str]]:
    """Rows whose spans were counted in `change(text)`, in `units`, from `first` on."""
    rows = []
    for sentence in SENTENCES:
        text = sentence.replace("😀", sign)
        seen = change(text)
        size = SIZES[units]
        places = [(seen.index(change(name)), change(name)) for name in NAMES]
        found = [
            [size(seen[:at]) + first, size(seen[: at + len(name)]) + first - inclusive, "x"]
            for at, name in places
        ]
        rows.append({"text": text, "spans": json.dumps(found)})
    return rows


def same(text: str) -> str:
    return text


@pytest.mark.parametrize(
    ("rows", "advice"),
    [
        (annotated(same, "utf16"), "set options.offsets to utf16 and options.span_end to exclusive"),
        (annotated(same, "bytes"), "set options.offsets to bytes and options.span_end to exclusive"),
        (
            annotated(same, "code_points", inclusive=1),
            "set options.offsets to code_points and options.span_end to inclusive",
        ),
        (
            annotated(same, "utf16", inclusive=1),
            "set options.offsets to utf16 and options.span_end to inclusive",
        ),
        (annotated(same, "code_points", first=1, sign="-"), "subtract 1 from every start and end"),
        (
            annotated(lambda text: text.replace("\r\n", "\n"), "code_points"),
            "a line end of two signs (CRLF) counted as one",
        ),
        (
            annotated(lambda text: unicodedata.normalize("NFD", text), "code_points"),
            "counted in the decomposed text (NFD)",
        ),
    ],
)
def test_offsets_that_fit_better_when_read_otherwise_are_refused_with_the_advice(
    rows: list[dict[str, str]], advice: str
) -> None:
    with pytest.raises(DataError) as caught:
        KIND.data.check_rows(rows, options())
    assert advice in str(caught.value)


def test_offsets_are_compared_where_no_name_ends_with_a_word() -> None:
    """In Korean a suffix sticks to each name: whatever the reading, the ends of spans are within words."""
    rows = []
    for n in range(30):
        text = f"오늘 {n} 김철수가 서울에서 부산으로 갔다"
        spans = [[text.index(name), text.index(name) + len(name), "x"] for name in ("김철수", "서울", "부산")]
        rows.append({"text": unicodedata.normalize("NFD", text), "spans": json.dumps(spans)})
    with pytest.raises(DataError) as caught:
        KIND.data.check_rows(rows, options())
    assert "counted in the composed text (NFC)" in str(caught.value)
    composed = [{**row, "text": unicodedata.normalize("NFC", row["text"])} for row in rows]
    assert [said.split(" are ")[0] for said in KIND.data.check_rows(composed, options())] == [
        "90 of 180 starts and ends of spans"
    ]


@pytest.mark.parametrize(
    ("units", "inclusive"),
    [("code_points", 0), ("code_points", 1), ("utf16", 0), ("utf16", 1), ("bytes", 0), ("bytes", 1)],
)
def test_offsets_are_read_in_the_unit_that_options_say(units: str, inclusive: int) -> None:
    own = {"offsets": units, "span_end": "inclusive" if inclusive else "exclusive"}
    rows = annotated(same, units, inclusive=inclusive)
    if (units, inclusive) != (
        "bytes",
        1,
    ):  # the last byte of é is no place where a sign begins, the next one is
        assert KIND.data.check_rows(rows, options(**own)) == []
    for row in rows:
        ((words, label),), _ = read(row, **own)
        assert [
            " ".join(words.split()[first:end]) for _, first, end in tag_scheme.entities(label.split())
        ] == list(NAMES)


def test_spans_that_cut_into_words_are_widened_counted_and_told() -> None:
    row = {"text": "In Helsingissä asuu Ada.", "spans": '[[3, 11, "loc"], [19, 23, "per"]]'}
    assert KIND.data.check_rows([row], options()) == [
        "2 of 4 starts and ends of spans are not at the edge of a word; such a span covers every word that "
        "it touches"
    ]
    found, mended = read(row)
    assert found == [("In Helsingissä asuu Ada .", "O B-loc O B-per O")]
    assert (mended[spans.WIDENED], mended[spans.TRIMMED]) == (1, 1)


def test_two_spans_in_one_word_are_no_tags() -> None:
    with pytest.raises(UnusableRowError, match="spans overlap at 5"):
        read({"text": "Sonnenschein", "spans": '[[0, 5, "a"], [5, 12, "b"]]'})


def test_half_a_character_is_no_text() -> None:
    with pytest.raises(UnusableRowError, match="sign 3 is no character of UTF-8"):
        read({"text": "a \ud83d b", "spans": '[[0, 1, "x"]]'})


def test_rows_without_any_entity_are_no_data_to_learn_from(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.conll").write_text("\n\n".join(f"word{n} O\nrest O" for n in range(60)))
    given = {
        "kind": "text/tagging",
        "options": tiny.OPTIONS["text/tagging"],
        "columns": {"tokens": "1", "tags": "2"},
    }
    with pytest.raises(DataError, match=r"none of the \d+ rows holds a class; at least 1 must be there"):
        stage.run("ingest", ingest.Inputs(tmp_path / "raw"), tmp_path, **given, min_test_rows=2)


def test_sentence_of_conll_may_begin_with_a_bracket() -> None:
    assert read({"tokens": "[ 1 ]", "tags": "O O O"})[0] == [("[ 1 ]", "O O O")]


def test_teacher_may_be_trained_on_all_pieces_of_a_word() -> None:
    tokenizer = tiny.wordpiece([row["headline"] for row in tiny.articles()])
    row = {"text": "Supercalifragilistic Ada Oxyrhynchus said", "label": "B-per I-per B-loc O"}
    pieces = [tokenizer.tokenize(word) for word in row["text"].split()]
    assert min(len(pieces[0]), len(pieces[2])) > 2
    (features,) = KIND.model.encode(tokenizer, [row], LABELS, 64)
    (first,), (every,) = (
        KIND.model.augment([features], options(subwords=which)) for which in ("first", "all")
    )
    assert first == features
    tags = [LABELS[number] for number in every["labels"]]
    assert tags[:4] == row["label"].split()
    assert tags[4:] == [
        tag for tag, word in zip(["I-per", "I-per", "I-loc", "O"], pieces, strict=True) for _ in word[1:]
    ]
    assert sorted(every["where"]) == list(range(1, sum(map(len, pieces)) + 1))
    batch = KIND.model.collate(tokenizer, [every, features])
    assert batch["where"].shape[1] == len(batch["labels"]) == len(every["labels"]) + 4


def test_long_rows_are_cut_between_entities_and_lose_none() -> None:
    draw = random.Random(0)
    for _ in range(50):
        tags: list[str] = []
        while len(tags) < 60:
            tags += draw.choice([["O"], ["B-per"], ["B-per", "I-per"], ["B-loc", "I-loc", "I-loc", "I-loc"]])
        words = " ".join(f"w{number}" for number in range(len(tags)))
        found, mended = read({"tokens": words, "tags": " ".join(tags)}, longest=8)
        assert " ".join(text for text, _ in found) == words
        assert max(len(text.split()) for text, _ in found) <= 8
        whole = Counter(name for name, *_ in tag_scheme.entities(tags))
        assert Counter(name for _, label in found for name, *_ in tag_scheme.entities(label.split())) == whole
        assert mended["over-long rows cut"] == 1


def test_figures_are_those_of_seqeval_in_strict_mode() -> None:
    metrics = pytest.importorskip("seqeval.metrics")
    from seqeval.scheme import IOB2

    generator = np.random.default_rng(0)
    decisions = generator.integers(1, 12, 60)
    truth, guess = (generator.choice(5, decisions.sum(), p=[0.4, 0.2, 0.1, 0.2, 0.1]) for _ in range(2))
    guess = np.where(generator.random(len(guess)) < 0.6, truth, guess)
    sums = KIND.quality.statistics(guess, Truth(truth, decisions.tolist(), LABELS))
    assert sums.shape == (60, 6)
    found = KIND.quality.figures(sums.sum(0))
    sentences = [
        [[LABELS[tag] for tag in part] for part in np.split(each, np.cumsum(decisions)[:-1])]
        for each in (truth, guess)
    ]
    strict = {"mode": "strict", "scheme": IOB2}
    assert found["entity_f1"] == pytest.approx(metrics.f1_score(*sentences, **strict))
    assert found["precision"] == pytest.approx(metrics.precision_score(*sentences, **strict))
    assert found["recall"] == pytest.approx(metrics.recall_score(*sentences, **strict))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(*sentences, average="macro", **strict))


def test_words_that_do_not_fit_are_decided_at_position_0() -> None:
    assert tag_scheme.first_pieces([None, 0, 0, 1, None], 4) == [1, 3, 0, 0]


def test_entities_are_marked_in_the_text() -> None:
    probabilities = np.eye(5)[[3, 4, 0, 1]] * 0.9 + 0.02
    assert (
        KIND.package.answer_line("Ada Lovelace visited Turin", probabilities, LABELS, {})
        == "[Ada Lovelace](per 0.92) visited [Turin](loc 0.92)"
    )
    wrong = KIND.report.mistake(
        {"text": "Ada Lovelace visited Turin"}, probabilities, np.array([3, 4, 0, 0]), LABELS
    )
    assert wrong == {
        "right": "[Ada Lovelace per] visited Turin",
        "answer": "[Ada Lovelace per 0.92] visited [Turin loc 0.92]",
    }
