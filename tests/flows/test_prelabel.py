"""Labels by description, with the real pretrained encoder: what is written, what is told, what is refused."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from flows import prelabel
from flows.prelabelling.likeness import Likeness

TEXTS = {
    "sports": [
        "the striker scored twice in the cup final",
        "she won the tennis match in three sets",
        "the coach praised his football team",
        "a late goal decided the derby",
        "the sprinter broke the world record",
    ],
    "cooking": [
        "fry the onions in butter until golden",
        "bake the bread for forty minutes",
        "stir the soup and add salt",
        "whisk the eggs with sugar and flour",
        "marinate the chicken in lemon and garlic",
    ],
}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    rows = [(text, name) for name, texts in TEXTS.items() for text in texts]
    with (tmp_path / "texts.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("message", "desk"), *rows, *rows[:1]])
    return tmp_path / "texts.csv"


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def call(*words: object) -> int:
    return prelabel.COMMAND.main([str(word) for word in words])


def test_texts_get_the_label_that_they_are_like(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(source, "--labels", "cooking, sports", "--check", "2", "--to", tmp_path / "made") == 0
    train, test = rows(tmp_path / "made" / "train.csv"), rows(tmp_path / "made" / "test.csv")
    rest = (tmp_path / "made" / "unlabelled" / "texts.txt").read_text(encoding="utf-8").splitlines()
    assert all(row["text"] in TEXTS[row["label"]] for row in train)
    assert {row["label"] for row in test} == {""}
    parts = [*(row["text"] for row in train), *(row["text"] for row in test), *rest]
    assert sorted(parts) == sorted(text for texts in TEXTS.values() for text in texts)  # each once
    said = capsys.readouterr().out
    assert "column `message`, 10 different texts" in said
    assert "left out: 1 copies" in said
    assert "2 texts without a label, some of each by likeness; write the right ones" in said


def test_rows_that_have_labels_measure(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with source.open("a", encoding="utf-8") as file:
        file.writelines(f"{text} again,\n" for texts in TEXTS.values() for text in texts)
        file.write("fry the onions in butter until golden,sports\n")
    described = tmp_path / "labels.csv"
    described.write_text(
        "label,description\nsports,a report of a match\nsports,football\ncooking,a recipe\n", encoding="utf-8"
    )
    assert call(source, "--labels", described, "--label", "desk", "--to", tmp_path / "made") == 0
    test = rows(tmp_path / "made" / "test.csv")
    labelled = [row for row in test if row["label"]]
    assert (len(labelled), len(test)) == (9, 11)  # and a fifth of the others, for people
    assert all(row["text"] in TEXTS[row["label"]] for row in labelled)
    said = capsys.readouterr().out
    assert "left out: 2 copies, 1 with several labels" in said
    assert "9 texts with their own labels; of these likeness finds 100.0% [100.0%, 100.0%]" in said


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (["--labels", "cooking"], "cooking: is neither a file nor several names with commas between"),
        (["--labels", "cooking,"], "--labels cooking,: names 1; 2 labels are needed at least"),
        (["--labels", "a,A,b"], "tells apart labels that differ in case alone: a, A"),
        (["--labels", "a,b", "--text", "mesage"], "--text mesage: no column; did you mean `message`?"),
        (
            ["--labels", "a,b", "--label", "desk"],
            "has labels that --labels does not tell: `cooking`; allowed: a, b, `",
        ),
        (["--labels", "a,b", "--check", "0"], "--check 0: must be 1 at least"),
    ],
)
def test_faults_are_told_and_nothing_is_written(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], fault: str
) -> None:
    assert call(source, *options, "--to", tmp_path / "made") == 2
    assert fault in capsys.readouterr().err
    assert not (tmp_path / "made").exists()


def test_a_folder_that_is_there_is_not_touched(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "made").mkdir()
    assert call(source, "--labels", "a, b", "--to", tmp_path / "made") == 2
    assert "is there already; name a new folder" in capsys.readouterr().err


def test_the_surest_of_each_label_are_kept() -> None:
    cosines = np.array([[0.9, 0.1], [0.6, 0.5], [0.8, 0.1], [0.1, 0.2]])
    found = Likeness(["a", "b"], cosines)
    assert found.chosen.tolist() == [0, 0, 0, 1]
    assert found.sure(0.5).tolist() == [True, False, True, True]
    assert found.sure(0.34).tolist() == [True, False, False, True]


def test_what_is_left_out_is_counted_and_the_longest_texts_are_taken(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "texts.jsonl").write_text(
        "\n".join(
            [
                *(
                    f'{{"when": "2024-05-01 10:0{at}:00", "内容": "我的银行卡还没有寄到{at}"}}'
                    for at in range(6)
                ),
                '{"when": "2024-05-01 11:00:00", "内容": ["一", "二"]}',
                '{"when": "2024-05-01 11:00:00", "内容": ""}',
                '{"when": "2024-05-01 11:00:00"}',
                '{"when": ',
            ]
        ),
        encoding="utf-8",
    )
    assert call(tmp_path / "texts.jsonl", "--labels", "银行卡,汇率", "--to", tmp_path / "made") == 0
    said = capsys.readouterr().out
    assert "column `内容`, 6 different texts" in said
    for left in ("1 no text", "1 empty", "1 without the column"):
        assert left in said
    assert "look at this: texts.jsonl:10:" in said


def test_a_torn_table_of_labels_is_refused(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "labels.csv"
    table.write_text("label,description\nsports,a match\ncooking,food, and drink\n", encoding="utf-8")
    assert call(source, "--labels", table, "--to", tmp_path / "made") == 2
    assert "--labels labels.csv: line 3:" in capsys.readouterr().err
    table.write_text("Label,descriptions\nsports,a match\ncooking,food\n", encoding="utf-8")
    assert call(source, "--labels", table, "--to", tmp_path / "made") == 2
    assert "it must have label, and may have description" in capsys.readouterr().err


def test_a_place_that_cannot_be_made_is_told_first(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ",".join(f"a rather long label {number}" for number in range(77))
    assert call(source, "--labels", names, "--to", source / "made") == 2
    assert "cannot be made: " in capsys.readouterr().err


def test_people_label_some_texts_of_each_label() -> None:
    assert prelabel._for_people([0] * 40 + [1] * 8 + [2] * 2, 6) >= {48, 49}
    assert len(prelabel._for_people([0] * 40 + [1] * 10, 6)) == 6
    assert prelabel._for_people([0, 1], 100) == set()
