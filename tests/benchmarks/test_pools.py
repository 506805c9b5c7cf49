"""Texts that are made of rows, and how their students are told."""

from __future__ import annotations

import pytest

from benchmarks.pools.mixed import Mixing
from benchmarks.pools.table import table
from benchmarks.pools.ways import WAYS, Sources
from tasks.distill.intermediate import Imitation
from tasks.kinds.base import fast_tokenizer
from tasks.kinds.text.common.texts import WORD
from tests import tiny

ROWS = tiny.rows(20)
CORPUS = [f"{row['text']} today" for row in ROWS[:5]] + ["quite another thing", "and one more of them"]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    folder = tiny.checkpoint_in(tmp_path_factory.mktemp("pretrained") / "bert", "bert")
    return Sources(ROWS, folder, fast_tokenizer.load(folder), CORPUS)


@pytest.mark.parametrize("way", WAYS)
def test_texts_are_as_many_as_asked_for_and_the_same_for_a_seed(way: str, sources: Sources) -> None:
    made = WAYS[way](sources, 4, 7)
    assert made == WAYS[way](sources, 4, 7)
    assert len(made) == (4 * len(ROWS) if way != "retrieved" else len({*made}))
    assert {*made} - {row["text"] for row in ROWS}


def test_retrieved_sentences_share_words_with_the_rows(sources: Sources) -> None:
    assert {*CORPUS[:5]} <= {*WAYS["retrieved"](sources, 4, 0)}
    assert len(WAYS["retrieved"](sources, 1, 0)) <= len(ROWS)


def test_splices_are_of_one_class(sources: Sources) -> None:
    words = {
        label: {word for row in ROWS if row["label"] == label for word in WORD.findall(row["text"])}
        for label in {row["label"] for row in ROWS}
    }
    for row, text in zip(ROWS, WAYS["splices"](sources, 1, 3), strict=True):
        assert {*WORD.findall(text)} <= words[row["label"]]


def test_near_words_are_known_pieces(sources: Sources) -> None:
    pieces, own = sources.tokenizer.get_vocab(), {word for row in ROWS for word in WORD.findall(row["text"])}
    new = {word for text in WAYS["near words"](sources, 4, 0) for word in WORD.findall(text)} - own
    assert new
    assert new <= {*pieces}


def test_table_tells_the_difference_to_the_first_way() -> None:
    right = [0, 1] * 50
    worse = [0, 1] * 40 + [1, 0] * 10
    students = {
        f"{way}, seed {seed}": {"texts": texts, "divergence": 0.25, "answers": answers}
        for seed in (0, 1)
        for way, texts, answers in (("rows alone", 0, worse), ("variations", 800, right))
    }
    found = {
        "labels": ["a", "b"],
        "kind": "text/classification",
        "train": 100,
        "right": right,
        "teacher": right,
        "students": students,
    }
    *_, alone, varied, _, last = table(found).splitlines()
    assert alone == "| rows alone | 0 | 0.800 ± 0.000 | 80.0% |  | 0.250 ± 0.000 |"
    assert varied.startswith("| variations | 800 | 1.000 ± 0.000 | 100.0% | +0.200 [+0.1")
    assert last == "100 training rows, 100 that measure; the teacher has 1.000."


def test_mixing_stands_where_imitation_stands() -> None:
    def parts(which: type) -> set[str]:
        return {name for name in vars(which) if not name.startswith("_")}

    assert parts(Mixing) == parts(Imitation)
