"""Several columns whose texts are read as one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.core.errors import DataError, ParamsError
from tests.tasks.ingest.test_stage import read, reasons, rows, run, write_jsonl

COLUMNS = {"text": ["title", "body"], "label": "label"}


def halves(count: int) -> list[dict[str, Any]]:
    """Rows whose text is in two columns."""
    made = []
    for row in rows(count):
        title, body = row["text"].split(" ", 1)
        made.append({"title": f" {title}\n", "body": body, "label": row["label"]})
    return made


def texts(out: Path) -> set[str]:
    return {row["text"] for side in ("train", "validation", "test") for row in read(out, side)}


def test_texts_are_read_one_after_another_and_the_report_says_so(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "raw/a.jsonl", halves(60))
    run(tmp_path / "raw", out := tmp_path / "o", columns=COLUMNS)
    assert texts(out) == {row["text"] for row in rows(60)}
    assert json.loads((out / "out" / "report.json").read_text())["columns"]["text"] == ["title", "body"]
    assert "text = `title + body`" in (out / "out" / "report.md").read_text()


def test_one_that_is_missing_leaves_the_other_and_none_is_no_row(tmp_path: Path) -> None:
    made = halves(60)
    made[0] = {**made[0], "title": None}
    made[1] = {**made[1], "title": "", "body": " "}
    made[2] = {"body": made[2]["body"], "label": made[2]["label"]}
    write_jsonl(tmp_path / "raw/a.jsonl", made)
    run(tmp_path / "raw", out := tmp_path / "o", columns=COLUMNS)
    assert {made[0]["body"], made[2]["body"]} <= texts(out)
    assert reasons(out) == ["empty text"]


def test_a_list_in_one_of_them_sets_the_row_aside(tmp_path: Path) -> None:
    made = halves(60)
    made[0]["body"] = ["a", "b"]
    write_jsonl(tmp_path / "raw/a.jsonl", made)
    run(tmp_path / "raw", out := tmp_path / "o", columns=COLUMNS)
    assert reasons(out) == ["no text: the column `body` holds a list of 2"]


def test_each_is_found_though_case_differs_and_missed_by_its_name(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "raw/a.jsonl", halves(60))
    run(tmp_path / "raw", tmp_path / "o", columns={**COLUMNS, "text": ["Title", "BODY"]})
    with pytest.raises(DataError, match=r"no column `boddy` .role text; did you mean `body`"):
        run(tmp_path / "raw", tmp_path / "p", columns={**COLUMNS, "text": ["title", "boddy"]})


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"text": "title", "label": ["label", "body"]}, "the role `label` takes one column, not several"),
        ({"text": ["title", "title"], "label": "label"}, "name one column, or several different ones"),
        ({"text": ["title"], "label": "label"}, "name one column, or several different ones"),
        ({"text": [], "label": "label"}, "name one column, or several different ones"),
    ],
)
def test_what_cannot_be_joined_is_refused(tmp_path: Path, columns: dict[str, Any], said: str) -> None:
    write_jsonl(tmp_path / "raw/a.jsonl", halves(10))
    with pytest.raises(ParamsError) as caught:
        run(tmp_path / "raw", tmp_path / "o", columns=columns)
    assert said in str(caught.value)
