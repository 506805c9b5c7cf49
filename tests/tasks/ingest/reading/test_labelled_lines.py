"""Lines that begin with their label: fastText, and the questions of TREC."""

from __future__ import annotations

from pathlib import Path

from tasks.ingest.raw.values import UnsupportedValue
from tasks.ingest.reading import raw_folder

QUESTIONS = [
    f"{label} {word} serfdom develop in the Caf\u00e9 {n}, then{',' * (n % 3)} ?"
    for label in ("DESC:manner", "ENTY:other", "NUM:other")
    for word in ("How did", "What is", "Who was")
    for n in range(9)
]


def read(folder: Path, name: str, content: bytes) -> raw_folder.Raw:
    (folder / name).write_bytes(content)
    return raw_folder.read(folder, header=True)


def test_a_label_on_two_levels_gives_two_columns_and_is_told(tmp_path: Path) -> None:
    content = "\n".join([*QUESTIONS, "no-label-here"]).encode("iso-8859-1")
    raw = read(tmp_path, "TREC.train", content)
    assert raw.rows[0].values == {
        "label": "DESC",
        "fine_label": "DESC:manner",
        "text": "How did serfdom develop in the Caf\u00e9 0, then ?",
    }
    assert {row.values["fine_label"] for row in raw.rows} == {"DESC:manner", "ENTY:other", "NUM:other"}
    assert raw.notes[0].encoding == "iso-8859-1"
    assert raw.notes[0].remarks == {
        "by its content lines that begin with their label": 81,
        "rows with a label on two levels: `label` is the first, `fine_label` both": 81,
    }
    assert [(one.line, one.reason.partition(":")[0]) for one in raw.rejected] == [(82, "no label")]


def test_a_label_that_is_a_number_stands_alone(tmp_path: Path) -> None:
    lines = [f"{n % 2} the film {'is good' if n % 2 else 'is bad'} {n}" for n in range(30)]
    raw = read(tmp_path, "rt.all", "\n".join(lines).encode())
    assert raw.rows[1].values == {"label": "1", "text": "the film is good 1"}
    assert len(raw.rows) == 30


def test_labels_of_fasttext_stand_anywhere_in_a_line(tmp_path: Path) -> None:
    raw = read(
        tmp_path,
        "cooking.train",
        b"__label__sauce  How much? \n__label__a __label__b both\n__label__ none\n"
        + b"at the end __label__food\n__label__x more\n" * 1
        + b"__label__y rest\n" * 60,
    )
    assert [row.values for row in raw.rows[:5]] == [
        {"label": "sauce", "text": "How much?"},
        {"label": '["a", "b"]', "text": "both"},
        {"label": "", "text": "none"},
        {"label": "food", "text": "at the end"},
        {"label": "x", "text": "more"},
    ]
    assert isinstance(raw.rows[1].values["label"], UnsupportedValue)


def test_a_label_may_end_the_line(tmp_path: Path) -> None:
    lines = [
        f"Sales rose to EUR {n}.5 mn , mail ir@x.fi .@{'positive' if n % 3 else 'neutral'}"
        for n in range(100)
    ]
    raw = read(tmp_path, "Sentences_50Agree.txt", "\n".join([*lines, "no label"]).encode("iso-8859-1"))
    assert raw.rows[0].values == {"text": "Sales rose to EUR 0.5 mn , mail ir@x.fi .", "label": "neutral"}
    assert {row.values["label"] for row in raw.rows} == {"positive", "neutral"}
    assert raw.notes[0].remarks == {"by its content lines that end with @ and their label": 100}
    assert [(one.line, one.reason) for one in raw.rejected] == [
        (101, "no label: the line does not end with @ and one")
    ]
