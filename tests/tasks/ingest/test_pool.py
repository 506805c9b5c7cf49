"""The unlabelled pool: what goes in, and that no row that measures is in it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.core import tables
from tasks.ingest import stage as ingest
from tests import tiny, writers
from tests.tasks import stage

FEW = {
    "columns": {"text": "text", "label": "label"},
    "min_rows_per_class": 3,
    "min_test_rows": 5,
    "pool_words": 12,
}


def table(raw: Path) -> list[dict[str, str]]:
    """Articles, two sentences each, as rows."""
    rows = [
        {"text": f"{row['headline']}. {' '.join(row['body'].split()[:12])}.", "label": row["desk"]}
        for row in tiny.articles()[:200]
    ]
    raw.mkdir()
    with (raw / "a.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["text", "label"])
        writer.writeheader()
        writer.writerows(rows)
    return rows


def test_unlabelled_text_goes_into_the_pool_without_sentences_of_rows_that_measure(tmp_path: Path) -> None:
    rows = table(tmp_path / "raw")
    (tmp_path / "raw" / "unlabelled").mkdir()
    lines = [*(row["text"] for row in rows), "This sentence stands in no row at all."]
    (tmp_path / "raw" / "unlabelled" / "all.txt").write_text("\n".join(lines), encoding="utf-8")
    stage.run("ingest", ingest.Inputs(tmp_path / "raw"), tmp_path, **FEW)
    pool = pq.read_table(tmp_path / "out" / "pool.parquet")["text"].to_pylist()
    sides = {
        side: [row["text"] for row in pq.read_table(tmp_path / "out" / f"{side}.parquet").to_pylist()]
        for side in ("train", "validation", "test")
    }
    assert "This sentence stands in no row at all." in pool
    assert sum(any(piece in text for piece in pool) for text in sides["train"]) > 0.9 * len(sides["train"])
    assert len(sides["test"]) > 30
    leaked = [
        text
        for side in ("validation", "test")
        for text in sides[side]
        if any(text.startswith(f"{piece} ") for piece in pool)
    ]
    assert leaked == []


def test_column_of_bytes_is_no_text(tmp_path: Path) -> None:
    rows = table(tmp_path / "raw")
    texts = [row["text"].encode() if number < 5 else None for number, row in enumerate(rows[:10])]
    pq.write_table(pa.table({"text": texts, "label": ["tech"] * 10}), tmp_path / "raw" / "b.parquet")
    stage.run("ingest", ingest.Inputs(tmp_path / "raw"), tmp_path, **FEW)
    rejected = json.loads((tmp_path / "out" / "report.json").read_text())["rejected"]
    assert rejected["no text"] == 5
    assert rejected["empty text"] == 5


def test_lines_of_unlabelled_text_that_are_broken_are_set_aside_and_told(tmp_path: Path) -> None:
    table(tmp_path / "raw")
    (tmp_path / "raw" / "unlabelled").mkdir()
    lines = "a whole line of words\nsome words\x00 and more of them\n"
    (tmp_path / "raw" / "unlabelled" / "a.txt").write_text(lines, encoding="utf-8")
    stage.run("ingest", ingest.Inputs(tmp_path / "raw"), tmp_path / "out", **FEW)
    aside = tables.read(tmp_path / "out" / "out" / "rejected.parquet")
    assert [(row["file"], row["line"]) for row in aside if "unlabelled" in row["file"]] == [
        ("unlabelled/a.txt", 2)
    ]


def test_turns_and_answers_of_conversations_that_measure_stay_out_of_the_pool(tmp_path: Path) -> None:
    asked, said = "what is number {} called", "it is the number {} here"
    raw = tmp_path / "raw"
    (raw / "unlabelled").mkdir(parents=True)
    rows = [
        {
            "messages": [
                {"role": "system", "content": "be brief and kind"},
                {"role": "user", "content": asked.format(at)},
                {"role": "assistant", "content": said.format(at)},
            ]
        }
        for at in range(120)
    ]
    (raw / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    lines = [form.format(at) for at in range(120) for form in (asked, said)]
    (raw / "unlabelled" / "a.txt").write_text("\n".join(lines), encoding="utf-8")
    few = {"min_rows_per_class": 3, "min_test_rows": 5, "pool_words": 20, "near_duplicates": 1.0}
    columns = {"messages": "messages"}
    stage.run("ingest", ingest.Inputs(raw), tmp_path / "out", **writers.VALUES, **few, columns=columns)
    out = tmp_path / "out" / "out"
    pool = {row["text"] for row in tables.read(out / "pool.parquet")}
    measured = [row for side in ("validation", "test") for row in tables.read(out / f"{side}.parquet")]
    shown = {text for row in measured for text in (json.loads(row["text"])[-1]["content"], row["label"])}
    assert len(measured) > 10
    assert pool == {*lines} - shown
