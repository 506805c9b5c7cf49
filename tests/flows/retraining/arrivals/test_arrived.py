"""The file of a night: read again it gives ingest the records that it would have made of what arrived."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flows.retraining.arrivals import arrived
from tasks.core.errors import DataError
from tasks.ingest import stage as ingest
from tasks.ingest.cleaning import Intake
from tasks.ingest.raw.rows import LONGEST_LINE, RawRow
from tasks.ingest.reading import raw_folder
from tasks.kinds.base.kind import load_kind
from tests import tiny

PICTURES = frozenset({"image"})
ODD = [
    'a "quoted", text',
    "two\nlines\r\nand\ttabs\u2028and\x85more",
    "  spaces  around ",
    "NUL \0 and \x1b",
    "half a character \ud83d",
    "whole ones \U0001f600 \u4e2d\u6587 cafe\u0301 \ufeff",
    '{"is": "JSON"}',
    "[1, 2",
    "null",
    "1.0",
    "\u00e9" * 9,
]


def written(
    rows: Sequence[RawRow], folder: Path, files: frozenset[str] = frozenset(), raw: Path | None = None
) -> Path:
    path = arrived.write(rows, folder / "arrived", raw or folder, files)
    assert path is not None
    return path


def reread(path: Path) -> list[RawRow]:
    found = raw_folder.read(path.parent, header=True)
    assert found.rejected == []
    return found.rows


def values(rows: Sequence[RawRow]) -> list[dict[str, str | bytes]]:
    return sorted((dict(row.values) for row in rows), key=lambda one: repr(sorted(one.items())))


def records(rows: Sequence[RawRow], raw: Path, kind: str, columns: dict[str, str]) -> list[str]:
    """What ingest makes of rows, fingerprints and labels included."""
    chosen, intake = load_kind(kind), Intake()
    ingest.take(intake, rows, columns, chosen, chosen.options.model_validate(tiny.OPTIONS[kind]), raw)
    assert intake.rejected == []
    return sorted(
        repr((record.values, chosen.data.fingerprint(record.values), chosen.data.content(record.values)))
        for record in intake.records
    )


# -- what is read again --


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_texts_of_any_source_come_back_as_they_were(tmp_path: Path, encoding: str) -> None:
    source = tmp_path / "inbox"
    source.mkdir()
    with (source / "a.csv").open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file)
        writer.writerows(
            [
                ["text", "label"],
                *([text, "x"] for text in ODD if text.isascii() and "\0" not in text and "\n" not in text),
            ]
        )
        writer.writerows([["na\u00efve fa\u00e7ade \u00e0 Z\u00fcrich", "x"], ["", "empty"]])
    rows = raw_folder.read(source, header=True).rows
    assert len(rows) == 8
    assert values(reread(written(rows, tmp_path / "o"))) == values(rows)


def test_odd_texts_and_values_of_json_come_back_as_they_were(tmp_path: Path) -> None:
    source = tmp_path / "inbox"
    source.mkdir()
    given: list[dict[str, Any]] = [
        {"text": text, "n": value} for text, value in zip(ODD, [1, 1.5, True, None, [1, "a"], {"b": 2}] * 2)
    ]
    (source / "a.json").write_text(json.dumps(given))
    rows = raw_folder.read(source, header=True).rows
    assert [row.values["text"] for row in rows] == ODD
    again = reread(written(rows, tmp_path / "o"))
    every = ("text", "n", "n.b")  # a file has one set of columns: what has no value is empty
    first, second = ([[row.get(name, "") for name in every] for row in values(one)] for one in (rows, again))
    assert first == second
    columns = {"text": "text", "label": "text"}
    assert records(again, tmp_path, "text/classification", columns) == records(
        rows, tmp_path, "text/classification", columns
    )


def test_a_text_too_long_for_a_line_goes_into_parquet(tmp_path: Path) -> None:
    rows = [
        RawRow("a.parquet", n, {"text": "\u4e2d" * (LONGEST_LINE // 6 + n), "label": "x"}) for n in (-20, 1)
    ]
    assert written(rows[:1], tmp_path / "o").suffix == ".jsonl"
    path = written(rows, tmp_path / "p")
    assert path.suffix == ".parquet"
    assert values(reread(path)) == values(rows)


CONLL = """\
-DOCSTART- X O

["Ada", O
"B"] B-per
writes O

{"a": O
1} O

[ O
1 O
] O

\u201cNew\u2009York\u201d B-loc
\u00a0x\u3000y O

null O
"""


@pytest.mark.parametrize("kind_of", ["conll", "lists", "spans"])
def test_tagged_words_make_the_same_records(tmp_path: Path, kind_of: str) -> None:
    source = tmp_path / "inbox"
    source.mkdir()
    if kind_of == "conll":
        text = CONLL.replace(
            "\u201cNew\u2009York\u201d B-loc\n\u00a0x\u3000y O", "\u201cNew\u200bYork\u201d B-loc\nx\u2060y O"
        )
        (source / "a.conll").write_text(text.replace("-DOCSTART- X O", "-DOCSTART- O"), encoding="utf-8")
        columns = {"tokens": "1", "tags": "2"}
    elif kind_of == "lists":
        words = [["New York", "[", "a\u00a0b"], ["", '"', "\\"], ["null", "1", "{}"]]
        (source / "a.json").write_text(json.dumps([{"w": row, "t": ["B-loc", "O", "O"]} for row in words]))
        columns = {"tokens": "w", "tags": "t"}
    else:
        texts = ["Ada  wrote\tit\nhere", "Ada\u2028Lovelace \U0001f600 wrote", " Ada"]
        rows = [{"text": one, "spans": [[one.index("Ada"), one.index("Ada") + 3, "per"]]} for one in texts]
        (source / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        columns = {"text": "text", "spans": "spans"}
    found = raw_folder.read(source, header=False)
    assert (len(found.rows), found.rejected) == ({"conll": 5}.get(kind_of, 3), [])
    again = reread(written(found.rows, tmp_path / "o"))
    assert values(again) == values(found.rows)
    assert records(again, tmp_path, "text/tagging", columns) == records(
        found.rows, source, "text/tagging", columns
    )


@pytest.mark.parametrize("kind_of", ["class folders", "table of names", "parquet"])
def test_pictures_stand_in_the_file_itself(tmp_path: Path, kind_of: str) -> None:
    source, digits = tmp_path / "inbox", tiny.digits()[:40]
    names = [f"{row['label']}/{row['id']}.png" for row in digits]
    for name, row in zip(names, digits, strict=True):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(row["image"])
    if kind_of == "table of names":
        (source / "list.csv").write_text("image,label\n" + "".join(f"{name},{name[0]}\n" for name in names))
    if kind_of == "parquet":
        source = tmp_path / "other"
        source.mkdir()
        table = {
            "image": [{"bytes": row["image"], "path": None} for row in digits],
            "label": [int(row["label"]) for row in digits],
        }
        pq.write_table(pa.table(table), source / "a.parquet")
    rows = raw_folder.read(source, header=True).rows
    assert len(rows) == 40
    path = written(rows, tmp_path / "o", PICTURES, source)
    assert path.suffix == ".parquet"
    again, columns = reread(path), {"image": "image", "label": "label"}
    assert sorted(row.values["image"] for row in again) == sorted(row["image"] for row in digits)
    assert records(again, tmp_path, "image/classification", columns) == records(
        rows, source, "image/classification", columns
    )
    assert written(again, tmp_path / "p", PICTURES) == tmp_path / "p/arrived" / path.name


def test_empty_values_stay_empty_beside_pictures_and_half_characters_are_left_out_there(
    tmp_path: Path,
) -> None:
    given: list[dict[str, str | bytes]] = [
        {"image": b"1", "note": ""},
        {"image": "", "note": "\ud83d"},
        {"image": b"", "note": "n"},
    ]
    again = values(reread(written([RawRow("a", n, one) for n, one in enumerate(given)], tmp_path, PICTURES)))
    assert again == [{"image": "", "note": ""}, {"image": b"", "note": "n"}, {"image": b"1", "note": ""}]


def test_a_column_that_all_rows_leave_empty_is_there_if_it_is_asked_for(tmp_path: Path) -> None:
    rows = [
        RawRow("a", 1, {"text": "a", "label": "x"}),
        RawRow("a", 2, {"text": "b", "label": "x", "note": "n"}),
    ]
    path = arrived.write(rows, tmp_path, tmp_path, (), columns=["text", "body"])
    assert path is not None
    assert [dict(row.values) for row in reread(path)] == [
        {"body": "", "label": "x", "note": "", "text": "a"},
        {"body": "", "label": "x", "note": "n", "text": "b"},
    ]


# -- the file --


@pytest.mark.parametrize("pictures", [False, True])
def test_the_same_rows_make_the_same_file_in_whatever_order_they_come(tmp_path: Path, pictures: bool) -> None:
    rows = [
        RawRow("a", n, {"text": text, **({"image": b"%d" % n} if pictures else {})})
        for n, text in enumerate(ODD)
    ]
    path = written(rows, tmp_path / "o")
    turned = [
        RawRow("b", 99 - n, dict(reversed(list(row.values.items())))) for n, row in enumerate(reversed(rows))
    ]
    other = written(turned, tmp_path / "p")
    assert (path.name, path.read_bytes()) == (other.name, other.read_bytes())
    assert written(rows[1:], tmp_path / "p").name != path.name
    assert len(path.stem) == 16


def test_writing_again_changes_nothing_and_mends_what_a_kill_left(tmp_path: Path) -> None:
    rows = [RawRow("a", n, {"text": text}) for n, text in enumerate(ODD)]
    path = written(rows, tmp_path)
    before = path.stat()
    assert written(rows, tmp_path) == path
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    content = path.read_bytes()
    (path.parent / f".{path.name}.part").write_bytes(content[:9])
    path.unlink()
    written(rows, tmp_path)
    assert {one.name: one.read_bytes() for one in path.parent.iterdir()} == {path.name: content}


def test_no_rows_make_no_file_and_no_folder(tmp_path: Path) -> None:
    assert arrived.write([], tmp_path / "arrived", tmp_path, ()) is None
    assert list(tmp_path.iterdir()) == []


def test_files_that_cannot_be_had_are_told_all_at_once_and_nothing_is_written(tmp_path: Path) -> None:
    rows = [
        RawRow("a.csv", n, {"image": name, "label": "x"})
        for n, name in enumerate(["gone.png", "../secret.png"], 2)
    ]
    with pytest.raises(
        DataError, match=r"2 faults\s+a.csv:2: no such file: .*\s+a.csv:3: unsafe path: "
    ) as caught:
        arrived.write(rows, tmp_path / "arrived", tmp_path, PICTURES)
    assert caught.value.exit_code == 2
    assert not (tmp_path / "arrived").exists()
