"""What raw data look like: names of columns or none, splits that they give, names of runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.starting import look, name
from tasks.core.errors import DataError, ParamsError


def written(folder: Path, **files: str) -> Path:
    for stem, text in files.items():
        path = folder / stem.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("text,label\nI like it,good\nI do not,bad\nfine,good\n", True),
        ("intent;utterance\nlight_on;turn it on\nlight_on;on please\n", True),
        ("good,I like it\nbad,I do not\ngood,fine\n", False),
        ("1,I like it\n0,I do not\n1,fine\n", False),
        ("I like it very much indeed today,good\nI do not,bad\nfine,good\n", False),
        ("a,a\nb,c\n", False),
    ],
)
def test_first_line_is_names_unless_it_looks_like_a_row(tmp_path: Path, text: str, header: bool) -> None:
    assert look.look(written(tmp_path, data_dot_csv=text)).header is header


def test_files_that_begin_alike_begin_with_names(tmp_path: Path) -> None:
    text = "good,bad\ngood,I like it\nbad,I do not\n"
    assert not look.look(written(tmp_path / "one", train_dot_csv=text)).header
    assert look.look(written(tmp_path / "two", train_dot_csv=text, test_dot_csv=text)).header


def test_a_split_needs_rows_to_train_on_and_rows_to_test_on(tmp_path: Path) -> None:
    rows = "text,label\nfoo bar,x\nbaz,y\n"
    given = look.look(written(tmp_path / "given", train_dot_csv=rows, test_dot_csv=rows))
    assert (given.sides, given.split_column) == ({"test": 2, "train": 2}, None)
    lacking = look.look(written(tmp_path / "lacking", train_dot_csv=rows, other_dot_csv=rows))
    assert lacking.sides == {}
    column = "text,label,split\nfoo bar,x,train\nbaz,y,test\n"
    named = look.look(written(tmp_path / "column", data_dot_csv=column))
    assert (named.sides, named.split_column) == ({"train": 1, "test": 1}, "split")


def test_columns_are_counted(tmp_path: Path) -> None:
    rows = "id,text,label\n1,two words,x\n2,three more words,x\n3,,y\n"
    columns = look.look(written(tmp_path, data_dot_csv=rows)).columns
    assert (columns["id"].numeric, columns["id"].distinct) == (1.0, 3)
    assert (columns["text"].filled, columns["text"].words) == (2, 2.5)
    assert columns["label"].top == [("x", 2), ("y", 1)]


def test_lists_of_one_are_counted_as_what_is_in_them(tmp_path: Path) -> None:
    rows = [
        {"text": f"word {at}", "label": [("app", "card")[at % 2]], "tokens": ["a", "b"]} for at in range(6)
    ]
    rows.append({"text": "not labelled", "label": [], "tokens": ["a"]})
    (tmp_path / "all.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    columns = look.look(tmp_path).columns
    label, tokens = columns["label"], columns["tokens"]
    assert (label.listed, label.filled, label.top) == (0, 6, [("app", 3), ("card", 3)])
    assert tokens.listed == pytest.approx(6 / 7)


def test_data_without_a_row_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        look.look(written(tmp_path, data_dot_csv="text,label\n"))


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("sms_spam", "sms-spam"),
        ("SST2", "sst2"),
        ("Süße Grüße!", "su-e-gru-e"),
        ("2024 reviews", "run-2024-reviews"),
        ("x" * 60, "x" * 40),
        ("bbc-best", "bbc-best"),
    ],
)
def test_a_name_becomes_one_that_a_run_can_have(given: str, made: str) -> None:
    assert name.usable(given) == made


@pytest.mark.parametrize("given", ["", "///", "all", "Raw", "中文"])
def test_a_name_of_which_nothing_can_be_made_is_refused(given: str) -> None:
    with pytest.raises(ParamsError):
        name.usable(given)


def test_signs_of_scripts_without_blanks_are_words_each(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "when,text\n2024-05-01 10:00,我的银行卡\n2024-05-02 11:00,汇率\n", encoding="utf-8"
    )
    columns = look.look(tmp_path).columns
    assert (columns["text"].words, columns["when"].words) == (3.5, 2.0)
