"""JSON: the sides of a split below a key each, rows that are lists, and objects within objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import DataError
from tasks.ingest.raw.values import UnsupportedValue
from tasks.ingest.reading import raw_folder


def read(folder: Path, value: Any, name: str = "data.json") -> raw_folder.Raw:
    (folder / name).write_text(json.dumps(value), encoding="utf-8")
    return raw_folder.read(folder, header=True)


@pytest.mark.parametrize(
    "rows",
    [
        [["set an alarm", "alarm"], ["stop it", "stop"]],
        [{"1": "set an alarm", "2": "alarm"}, {"1": "stop it", "2": "stop"}],
    ],
    ids=["lists", "objects"],
)
def test_each_side_of_a_split_is_a_file(tmp_path: Path, rows: list[Any]) -> None:
    raw = read(tmp_path, {"version": 2, "train": rows, "oos_val": rows, "test": rows[::-1]})
    assert [(one.file, one.line, *one.values.values()) for one in raw.rows] == [
        ("data.json/train", 1, "set an alarm", "alarm"),
        ("data.json/train", 2, "stop it", "stop"),
        ("data.json/oos_val", 1, "set an alarm", "alarm"),
        ("data.json/oos_val", 2, "stop it", "stop"),
        ("data.json/test", 1, "stop it", "stop"),
        ("data.json/test", 2, "set an alarm", "alarm"),
    ]
    assert [(note.file, note.rows) for note in raw.notes] == [
        ("data.json/train", 2),
        ("data.json/oos_val", 2),
        ("data.json/test", 2),
    ]


def test_rows_below_keys_that_say_no_side_are_refused(tmp_path: Path) -> None:
    rows = [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]
    with pytest.raises(DataError, match="holds rows below `train`, `others`; put those of each key into"):
        read(tmp_path, {"train": rows, "others": rows})


def test_values_of_an_object_in_an_object_are_columns(tmp_path: Path) -> None:
    row = {"text": "hi", "meta": {"intent": "greet", "deep": {"a": 1}, "tags": [1]}, "meta.source": "own"}
    raw = read(tmp_path, [row, {**row, "meta": {"intent": "leave", "source": "theirs"}}])
    assert [row.values["meta.intent"] for row in raw.rows] == ["greet", "leave"]
    assert raw.rows[0].values.keys() == {"text", "meta", "meta.intent", "meta.source"}
    assert isinstance(raw.rows[0].values["meta"], UnsupportedValue)
    assert raw.rows[1].values["meta.source"] == "own", "a column of its own goes before one within another"
