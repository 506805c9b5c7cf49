"""Files whose lines belong together."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.raw_data import several
from flows.starting import ask, choice, look
from tasks.core.errors import DataError
from tasks.ingest.reading import raw_folder

WORDS = ["book a table", "play some jazz", "will it rain"]


def put(raw: Path, content: dict[str, str]) -> None:
    for name, text in content.items():
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_text(text, encoding="utf-8")


def parallel(rows: int, stem: str, labels: str = "labels.txt", texts: str = "text.txt") -> dict[str, str]:
    lines = [f"{WORDS[number % 3]} {stem.strip('/_')} {number}" for number in range(rows)]
    return {
        f"{stem}{texts}": "\n".join(lines) + "\n",
        f"{stem}{labels}": "".join(f"{number % 3}\n" for number in range(rows)),
    }


def test_texts_and_labels_of_each_side_are_rows(tmp_path: Path) -> None:
    put(tmp_path, {**parallel(6, "train_"), **parallel(3, "test_"), "mapping.txt": "0\tbook\n1\tplay\n"})
    raw = raw_folder.read(tmp_path, header=True)
    assert [dict(row.values) for row in raw.rows[:4]] == [
        {"text": "book a table test 0", "label": "0"},
        {"text": "play some jazz test 1", "label": "1"},
        {"text": "will it rain test 2", "label": "2"},
        {"text": "book a table train 0", "label": "0"},
    ]
    assert [(row.file, row.line) for row in raw.rows[2:4]] == [("test_text.txt", 3), ("train_text.txt", 1)]
    assert raw.notes[1].remarks == {"read line by line beside train_labels.txt": 6}
    assert raw.ignored == ["mapping.txt"]
    assert {*look.look(tmp_path).sides} == {"train", "test"}


def test_words_with_tags_and_an_intent_are_rows(tmp_path: Path) -> None:
    for side, rows in (("train", 30), ("valid", 9), ("test", 9)):
        put(tmp_path, parallel(rows, f"{side}/", "label", "seq.in"))
        put(tmp_path, {f"{side}/seq.out": "O O B-thing O O\n" * rows})
    looked = look.look(tmp_path)
    assert {*looked.sides} == {"train", "validation", "test"}
    assert {column for row in looked.raw.rows for column in row.values} == {"text", "label", "tags"}
    chosen = choice.choose(looked, "text/classification", {}, ask.answers(True))
    assert chosen.columns["text"] == "text"
    assert chosen.columns["label"] == "label"


def test_blank_lines_count_and_damaged_ones_are_set_aside(tmp_path: Path) -> None:
    put(tmp_path, {"text.txt": "one\n\nthr\0ee\nfour\nf\u00fcnf\n"})
    put(tmp_path, {"labels.txt": "a\nb\nc\nd\ne\n"})
    raw = raw_folder.read(tmp_path, header=True)
    assert [tuple(row.values.values()) for row in raw.rows] == [
        ("one", "a"),
        ("", "b"),
        ("four", "d"),
        ("f\u00fcnf", "e"),
    ]
    assert [(one.line, one.reason) for one in raw.rejected] == [(3, "has NUL bytes")]


def test_a_line_without_its_counterpart_is_a_fault(tmp_path: Path) -> None:
    put(tmp_path, parallel(20, "train_"))
    with (tmp_path / "train_labels.txt").open("a") as file:
        file.write("1\n")
    with pytest.raises(
        DataError, match=r"train_text\.txt has 20 lines and train_labels\.txt 21; they are read"
    ):
        raw_folder.read(tmp_path, header=True)


def test_a_list_of_the_classes_is_none(tmp_path: Path) -> None:
    put(tmp_path, {"train.csv": "text,label\na,x\nb,y\n", "labels.txt": "x\ny\n", "sentence.txt": "a\n" * 90})
    raw = raw_folder.read(tmp_path, header=True)
    assert [row.file for row in raw.rows] == ["train.csv"] * 2
    assert sorted(raw.ignored) == ["labels.txt", "sentence.txt"]


def test_what_arrives_is_read_so_too(tmp_path: Path) -> None:
    put(tmp_path, {**parallel(6, "train_"), **parallel(4, "arrived/more_")})
    files = [row.file for row in raw_folder.read(tmp_path, header=True).rows]
    assert files == ["arrived/more_text.txt"] * 4 + ["train_text.txt"] * 6


def test_files_of_one_table_are_brought_in_together_and_none_alone(tmp_path: Path) -> None:
    put(tmp_path / "source", parallel(6, "train_"))
    files = [str(tmp_path / "source" / name) for name in ("train_text.txt", "train_labels.txt")]
    (tmp_path / "raw").mkdir()
    several.bring(files, tmp_path / "raw")
    assert len(raw_folder.read(tmp_path / "raw", header=True).rows) == 6
    (tmp_path / "raw" / "train_labels.txt").unlink()
    with pytest.raises(DataError, match=r"holds only train_text\.txt"):
        raw_folder.read(tmp_path / "raw", header=True)
