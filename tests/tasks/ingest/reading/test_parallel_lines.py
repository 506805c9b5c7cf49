"""Files whose lines belong together."""

from __future__ import annotations

import gzip
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
    put(tmp_path, {**parallel(12, "train_"), **parallel(3, "test_"), "mapping.txt": "0\tbook\n1\tplay\n"})
    raw = raw_folder.read(tmp_path, header=True)
    assert [dict(row.values) for row in raw.rows[:4]] == [
        {"text": "book a table test 0", "label": "0"},
        {"text": "play some jazz test 1", "label": "1"},
        {"text": "will it rain test 2", "label": "2"},
        {"text": "book a table train 0", "label": "0"},
    ]
    assert [(row.file, row.line) for row in raw.rows[2:4]] == [("test_text.txt", 3), ("train_text.txt", 1)]
    assert raw.notes[1].remarks == {"read line by line beside train_labels.txt": 12}
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
    put(tmp_path, {"text.txt": "one\n\nthr\0ee\nfour\nf\u00fcnf\n" + "more\n" * 10})
    put(tmp_path, {"labels.txt": "a\nb\nc\nd\ne\n" + "f\n" * 10})
    raw = raw_folder.read(tmp_path, header=True)
    assert [tuple(row.values.values()) for row in raw.rows[:4]] == [
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
    put(tmp_path, {**parallel(12, "train_"), **parallel(4, "arrived/more_")})
    files = [row.file for row in raw_folder.read(tmp_path, header=True).rows]
    assert files == ["arrived/more_text.txt"] * 4 + ["train_text.txt"] * 12


def test_files_of_one_table_are_brought_in_together_and_none_alone(tmp_path: Path) -> None:
    put(tmp_path / "source", parallel(12, "train_"))
    files = [str(tmp_path / "source" / name) for name in ("train_text.txt", "train_labels.txt")]
    (tmp_path / "raw").mkdir()
    several.bring(files, tmp_path / "raw")
    assert len(raw_folder.read(tmp_path / "raw", header=True).rows) == 12
    (tmp_path / "raw" / "train_labels.txt").unlink()
    with pytest.raises(DataError, match=r"holds only train_text\.txt"):
        raw_folder.read(tmp_path / "raw", header=True)


@pytest.mark.parametrize(
    ("beside", "read"),
    [
        ({"rows.csv": "text,label\na,x\nb,y\n"}, "rows.csv"),
        ({"sport/1.txt": "a", "sport/2.txt": "b", "tech/1.txt": "c"}, "sport/1.txt"),
        ({"cat/1.png": "", "dog/1.png": "", "dog/2.png": ""}, "cat/1.png"),
    ],
)
def test_beside_tables_and_class_folders_names_say_nothing(
    tmp_path: Path, beside: dict[str, str], read: str
) -> None:
    put(tmp_path, {**beside, **parallel(12, ""), "arrived/text.txt": "a\n", "arrived/labels.txt": "b\n"})
    raw = raw_folder.read(tmp_path, header=True)
    assert read in {row.file for row in raw.rows}
    assert not {"text.txt", "arrived/text.txt"} & {row.file for row in raw.rows}
    assert {"text.txt", "labels.txt"} <= {*raw.ignored, *raw.left}


def test_unlabelled_texts_columns_and_short_notes_are_no_groups(tmp_path: Path) -> None:
    put(
        tmp_path,
        {"train.jsonl": '{"text": "a", "label": "b"}\n', "labels.txt": "b\n" * 77, "questions.txt": "?\n"},
    )
    assert len(raw_folder.read(tmp_path, header=True).rows) == 1
    put(tmp_path / "b", {**parallel(12, "train_"), **parallel(12, "unlabelled/pool_")})
    raw = raw_folder.read(tmp_path / "b", header=True)
    assert {row.file for row in raw.rows} == {"train_text.txt"}
    table = {"sentences.txt": "text\tid\n" + "".join(f"hello there {n}\t{n}\n" for n in range(12))}
    put(tmp_path / "c", {**table, "labels.txt": "x\n" * 13})
    assert {*raw_folder.read(tmp_path / "c", header=True).rows[0].values} == {"text", "id"}
    put(tmp_path / "d", {"text.txt": "", "labels.txt": ""})
    with pytest.raises(DataError, match="holds only"):
        raw_folder.read(tmp_path / "d", header=True)


def test_a_side_without_its_labels_is_a_fault(tmp_path: Path) -> None:
    put(tmp_path, {**parallel(12, "train_"), **parallel(6, "test_"), "test_labels.txt": "1\n"})
    with pytest.raises(DataError, match=r"test_text\.txt has 6 lines and test_labels\.txt 1; they are read"):
        raw_folder.read(tmp_path, header=True)


def test_compressed_files_capitals_names_of_columns_and_lists_of_classes(tmp_path: Path) -> None:
    made = parallel(12, "train_")
    (tmp_path / "train_text.txt.gz").write_bytes(gzip.compress(f"text\n{made['train_text.txt']}".encode()))
    put(tmp_path, {"Train_LABEL.TXT": f"label\n{made['train_labels.txt']}", "train_labels.txt": "0\n1\n2\n"})
    raw = raw_folder.read(tmp_path, header=True)
    assert [(row.file, row.line) for row in raw.rows[:1]] == [("train_text.txt.gz", 2)]
    assert [row.values["label"] for row in raw.rows[:4]] == ["0", "1", "2", "0"]
    assert len(raw.rows) == 12
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "text.txt.gz").write_bytes(gzip.compress(b"some text\n" * 40)[:30])
    put(tmp_path / "torn", {"labels.txt": "1\n" * 40, "rows.csv": "text,label\na,x\n"})
    assert [row.file for row in raw_folder.read(tmp_path / "torn", header=True).rows] == ["rows.csv"]


def test_labels_that_cannot_be_read_or_told_apart_are_faults(tmp_path: Path) -> None:
    put(tmp_path, {**parallel(12, "train_"), **parallel(6, "test_"), "dev_text.txt": "a\n" * 5})
    (tmp_path / "dev_labels.txt").write_bytes(bytes(range(256)) * 40)
    put(tmp_path, {"test_label.txt": "1\n" * 6})
    with pytest.raises(DataError) as caught:
        raw_folder.read(tmp_path, header=True)
    said = "\n".join(caught.value.faults)
    assert "dev_labels.txt, whose lines should belong to those of dev_text.txt, is no text, or torn" in said
    assert "test_label.txt is not alone in having a line for each of test_text.txt" in said
