"""Ingest on values that are no plain text: what is a label, what is missing, and what is told."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.core import escape
from tasks.core.errors import DataError
from tests import tiny
from tests.tasks.ingest.test_stage import Rows, read, reasons, rows, run, sides, write_csv, write_jsonl

SPANS = {**tiny.OPTIONS["text/tagging"], "words": "unicode"}


def report(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "out/report.json").read_text())
    return found


def with_labels(*labels: Any) -> Rows:
    return [{"text": f"odd row number {n} is here", "label": label} for n, label in enumerate(labels)]


@pytest.mark.parametrize(
    ("label", "reason"),
    [
        ([], "no label"),
        ([None], "no label"),
        (None, "no label"),
        (math.nan, "no label"),
        ([math.nan], "no label"),
        ("[]", "no label"),
        (["sport", "tech"], "several labels: sport, tech"),
        ("['sport', 'tech']", "several labels: ['sport', 'tech']"),
        ({"name": "sport"}, "no text: the column `label` holds an object"),
        ([["sport"]], "no text: the column `label` holds a list"),
        (math.inf, "no text: the column `label` holds an infinite number"),
    ],
)
def test_a_label_that_is_none_is_set_aside(tmp_path: Path, label: Any, reason: str) -> None:
    write_jsonl(tmp_path / "raw/a.jsonl", [*rows(40), *with_labels(label)])
    run(tmp_path / "raw", tmp_path / "o")
    assert reasons(tmp_path / "o") == [reason]
    assert json.loads((tmp_path / "o/out/labels.json").read_text()) == ["sport", "tech"]


@pytest.mark.parametrize(
    "label", [["sport"], ["sport", "sport"], [" sport\n"], "['sport']", '["sport"]', [None, "sport"]]
)
def test_a_list_of_one_is_its_label(tmp_path: Path, label: Any) -> None:
    write_jsonl(tmp_path / "raw/a.jsonl", [*rows(40), *with_labels(label)])
    assert run(tmp_path / "raw", tmp_path / "o")["rejected"] == {}
    assert json.loads((tmp_path / "o/out/labels.json").read_text()) == ["sport", "tech"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (math.nan, "empty text"),
        (["a", "b"], "no text: the column `text` holds a list of 2"),
        ({"a": "b"}, "no text: the column `text` holds an object"),
        ("x" * 1_000_001, "no text: the column `text` holds a text of more than 1,000,000 characters"),
    ],
)
def test_a_text_that_is_none_is_set_aside(tmp_path: Path, text: Any, reason: str) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/a.json").write_text(json.dumps([*rows(40), {"text": text, "label": "sport"}]))
    run(tmp_path / "raw", tmp_path / "o")
    assert reasons(tmp_path / "o") == [reason]


def test_a_text_may_look_like_a_list(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "raw/a.jsonl", [*rows(40), {"text": '["a", "b"]', "label": "sport"}])
    run(tmp_path / "raw", tmp_path / "o")
    assert '["a", "b"]' in sides(tmp_path / "o")


def test_missing_labels_of_parquet_are_no_class(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    given = [float(n % 2) for n in range(40)]
    table = pa.table(
        {"text": [*(row["text"] for row in rows(40)), "a", "b"], "label": [*given, math.nan, None]}
    )
    pq.write_table(table, tmp_path / "raw/a.parquet")
    assert run(tmp_path / "raw", tmp_path / "o")["rejected"] == {"no label": 2}
    assert json.loads((tmp_path / "o/out/labels.json").read_text()) == ["0.0", "1.0"]


def test_labels_that_are_one_number_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = [{**row, "label": [1, 1.0, True, 2][n % 4]} for n, row in enumerate(rows(80))]
    write_jsonl(tmp_path / "raw/a.jsonl", data)
    run(tmp_path / "raw", tmp_path / "o", min_rows_per_class=3)
    said = (
        "the labels `1`, `1.0`, `true` are one number, and a class each; write them in one way if they "
        "are one class"
    )
    assert report(tmp_path / "o")["warnings"] == [said]
    assert escape.markdown(said) in (tmp_path / "o/out/report.md").read_text()
    assert said in capsys.readouterr().out


def test_labels_that_read_like_missing_values_are_told(tmp_path: Path) -> None:
    data = [{**row, "label": ["nan", "N/A", "app"][n % 3]} for n, row in enumerate(rows(60))]
    write_csv(tmp_path / "raw/a.csv", data)
    run(tmp_path / "raw", tmp_path / "o", min_rows_per_class=3)
    said = (
        "the labels `N/A` (20 rows), `nan` (20 rows) read like values that are missing, and are a class each"
    )
    assert report(tmp_path / "o")["warnings"] == [f"{said}; where rows have no label, leave the label empty"]


def test_clean_data_have_no_warnings_and_no_remarks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_csv(tmp_path / "raw/a.csv", rows(40))
    run(tmp_path / "raw", tmp_path / "o")
    assert "warnings" not in report(tmp_path / "o")
    assert report(tmp_path / "o")["files"] == [
        {"file": "a.csv", "encoding": "utf-8", "rows": 40, "rescued": 0}
    ]
    assert [line for line in capsys.readouterr().out.splitlines() if not line.startswith("PROGRESS")] == []


def test_files_that_are_not_read_stand_in_the_report(tmp_path: Path) -> None:
    write_csv(tmp_path / "raw/a.csv", rows(40))
    for name in ("b.xlsx", "c.pdf"):
        (tmp_path / "raw" / name).write_bytes(b"x")
    run(tmp_path / "raw", tmp_path / "o")
    assert report(tmp_path / "o")["ignored"] == ["b.xlsx", "c.pdf"]
    assert (
        "Not read, 2 file(s): b.xlsx (save it as CSV), c.pdf." in (tmp_path / "o/out/report.md").read_text()
    )


def test_an_export_gives_entities_and_says_so(tmp_path: Path) -> None:
    entity = {"id": 7, "label": "person", "start_offset": 0, "end_offset": 3}
    write_jsonl(
        tmp_path / "raw/a.jsonl", [{"text": f"Ada {row['text']}", "entities": [entity]} for row in rows(40)]
    )
    figures = run(
        tmp_path / "raw",
        tmp_path / "o",
        kind="text/tagging",
        options=SPANS,
        columns={"text": "text", "spans": "entities"},
    )
    assert (sum(figures["rows"].values()), figures["rejected"]) == (40, {})
    assert {row["label"].split()[0] for row in read(tmp_path / "o", "train")} == {"B-person"}
    assert report(tmp_path / "o")["files"][0]["remarks"] == {"read as an export of doccano": 40}


def test_half_a_character_moves_no_span(tmp_path: Path) -> None:
    data = [{"text": f"\ud800 Ada {row['text']}", "spans": [[2, 5, "per\udfff"]]} for row in rows(40)]
    write_jsonl(tmp_path / "raw/a.jsonl", data)
    run(
        tmp_path / "raw",
        tmp_path / "o",
        kind="text/tagging",
        options=SPANS,
        columns={"text": "text", "spans": "spans"},
    )
    assert {tuple(row["label"].split()[:3]) for row in read(tmp_path / "o", "train")} == {
        ("O", "B-per\ufffd", "O")
    }
    assert report(tmp_path / "o")["cleaned"] == {"half characters replaced": 80}


def test_no_message_shows_a_whole_column(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    table = {
        "text": {f"row {n}": row["text"] for n, row in enumerate(rows(400))},
        "label": {f"row {n}": "x" for n in range(400)},
    }
    (tmp_path / "raw/a.json").write_text(json.dumps(table))
    with pytest.raises(DataError, match="no row is left") as caught:
        run(tmp_path / "raw", tmp_path / "o")
    assert len(str(caught.value)) < 1_000
