"""What holds for any rows in any format, and for any bytes: no row is lost uncounted, values come back,
faults are ours.

`SLIPWAY_EXAMPLES=5000` runs a longer campaign, with other examples each time.
"""

from __future__ import annotations

import bz2
import contextlib
import csv
import gzip
import io
import json
import lzma
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyarrow import feather

from tasks.core.errors import DataError
from tasks.ingest.raw import packed
from tasks.ingest.reading import raw_folder

EXAMPLES = int(os.environ.get("SLIPWAY_EXAMPLES", "60"))
QUICK = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize="SLIPWAY_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
    database=None,
)
Rows = list[dict[str, Any]]

# A byte order mark at the begin of a line is no part of a text; lone halves of characters cannot be written
# in UTF-8.
SIGNS = st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\ufeff")
TEXTS = st.text(SIGNS, max_size=20)
WORDS = st.text(
    st.characters(
        exclude_categories=["Cs", "Cc", "Cf", "Cn", "Zs", "Zl", "Zp"], exclude_characters="#\ufeff"
    ),
    min_size=1,
    max_size=8,
)
TABLES: st.SearchStrategy[Rows] = st.lists(
    st.fixed_dictionaries({"text": TEXTS, "label": TEXTS}), min_size=1, max_size=8
)


def read(name: str, content: bytes, header: bool = True) -> raw_folder.Raw:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, name).write_bytes(content)
        return raw_folder.read(Path(folder), header)


def values(raw: raw_folder.Raw) -> Rows:
    return [dict(row.values) for row in raw.rows]


# -- rows come back --


def _json_lines(rows: Rows) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _json(rows: Rows) -> bytes:
    return json.dumps(rows, ensure_ascii=False, indent=1).encode()


def _json_in_a_row(rows: Rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()


def _pandas(orient: str) -> Callable[[Rows], bytes]:
    def write(rows: Rows) -> bytes:
        numbered = {str(at): row for at, row in enumerate(rows)}
        columns = {name: {at: row[name] for at, row in numbered.items()} for name in rows[0]}
        split = {
            "columns": [*rows[0]],
            "index": [*numbered],
            "data": [[row[name] for name in rows[0]] for row in rows],
        }
        return json.dumps({"columns": columns, "index": numbered, "split": split}[orient]).encode()

    return write


def _parquet(rows: Rows) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


def _feather(rows: Rows) -> bytes:
    file = io.BytesIO()
    feather.write_feather(pa.Table.from_pylist(rows), file)
    return file.getvalue()


WRITERS: dict[str, tuple[str, Callable[[Rows], bytes]]] = {
    "lines": ("a.jsonl", _json_lines),
    "lines, packed": ("a.ndjson.gz", lambda rows: gzip.compress(_json_lines(rows))),
    "array": ("a.json", _json),
    "array, packed": ("a.json.xz", lambda rows: lzma.compress(_json(rows))),
    "in a row": ("a.json", _json_in_a_row),
    "columns": ("a.json", _pandas("columns")),
    "index": ("a.json", _pandas("index")),
    "split": ("a.json", _pandas("split")),
    "below a key": ("a.json", lambda rows: json.dumps({"version": 1, "rows": [*rows, rows[0]]}).encode()),
    "Parquet": ("a.parquet", _parquet),
    "Feather": ("a.feather", _feather),
}


@pytest.mark.parametrize("way", WRITERS)
@QUICK
@given(rows=TABLES)
@example(rows=[{"text": "\x85\u2028\x1c", "label": "NaN"}])
@example(rows=[{"text": "[1]", "label": '["a"]'}])
def test_every_format_gives_the_rows_back(way: str, rows: Rows) -> None:
    name, write = WRITERS[way]
    expected = [*rows, rows[0]] if way == "below a key" else rows
    raw = read(name, write(rows))
    assert (values(raw), raw.rejected) == (expected, [])


@pytest.mark.parametrize(
    ("name", "delimiter", "pack"),
    [("a.csv", ",", bytes), ("a.tsv.gz", "\t", gzip.compress), ("a.csv.bz2", ";", bz2.compress)],
)
@QUICK
@given(rows=st.lists(st.fixed_dictionaries({"text": WORDS, "label": WORDS}), min_size=1, max_size=8))
@example(rows=[{"text": "sep=;", "label": "b"}])
@example(rows=[{"text": "a,b;c|d", "label": "'"}])
def test_quoted_tables_give_the_rows_back(
    name: str, delimiter: str, pack: Callable[[bytes], bytes], rows: Rows
) -> None:
    file = io.StringIO()
    table = csv.DictWriter(file, ["text", "label"], delimiter=delimiter, quoting=csv.QUOTE_ALL)
    table.writeheader()
    table.writerows(rows)
    raw = read(name, pack(file.getvalue().encode()))
    assert (values(raw), raw.rejected) == (rows, [])


@QUICK
@given(rows=TABLES)
def test_tables_lose_no_line_uncounted(rows: Rows) -> None:
    """Whatever quotes and breaks the texts hold: each line is in a row or set aside."""
    lines = [f"{row['text']},{row['label']}" for row in rows]
    content = "\n".join(["text,label", *lines])
    raw = read("a.csv", content.encode()) if any(line.strip() for line in lines) else raw_folder.Raw()
    held = [line for row in raw.rows for value in row.values.values() for line in str(value).split("\n")]
    written = [line for line in content.split("\n")[1:] if line.strip()]
    assert len(raw.rows) + len(raw.rejected) <= len(written) <= len(held) + len(raw.rejected)


@pytest.mark.parametrize("separator", ["\t", " "])
@QUICK
@given(sentences=st.lists(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5), min_size=1, max_size=4))
def test_sentences_come_back(separator: str, sentences: list[list[tuple[str, str]]]) -> None:
    text = "\n\n".join("\n".join(separator.join(columns) for columns in sentence) for sentence in sentences)
    raw = read("a.conll", text.encode())
    held = [
        [*zip(str(row.values["1"]).split(" "), str(row.values["2"]).split(" "), strict=True)]
        for row in raw.rows
    ]
    assert (held, raw.rejected) == (sentences, [])


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@QUICK
@given(found=st.lists(JSONS, min_size=2, max_size=6))
def test_every_value_of_json_is_a_row_or_set_aside(name: str, found: list[Any]) -> None:
    raw = read(
        name,
        "".join(
            json.dumps(one) + "\n" for one in found if not isinstance(one, list) or name == "a.jsonl"
        ).encode()
        or b"{}{}",
    )
    count = sum(not isinstance(one, list) or name == "a.jsonl" for one in found)
    if count > 1:
        assert len(raw.rows) + len(raw.rejected) == count
    assert all(
        "NaN" not in row.values.values() and "nan" not in row.values.values()
        for row in raw.rows
        if "nan" not in str(found)
    )


# -- any bytes --

NAMES = [f"a{suffix}" for suffix in raw_folder.SUFFIXES] + [
    f"a{suffix}{end}" for suffix in (".csv", ".json") for end in packed.OPENERS
]
NAMES += ["a", "a.txt", "a.data", "a.xlsx", "a.train.gz"]
BEGINS = [
    b"",
    b"PAR1",
    b"ARROW1\0\0",
    b"\xff\xff\xff\xff",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"[{",
    b'{"a":',
    b"sep=;\n",
    b"PK\x03\x04",
    b"__label__a b\n__label__",
    b"A:b c\n" * 12,
    b"a\tB-x\nb\tO\n\n",
    gzip.compress(b"a,b\nc,d\n")[:-4],
]


@pytest.mark.parametrize("name", NAMES)
@QUICK
@given(begin=st.sampled_from(BEGINS), rest=st.binary(max_size=200), header=st.booleans())
def test_any_bytes_are_rows_or_a_fault_of_ours(name: str, begin: bytes, rest: bytes, header: bool) -> None:
    try:
        raw = read(name, begin + rest, header)
    except DataError:
        return
    assert raw.rows or raw.rejected


@pytest.mark.parametrize(("name", "write"), [("a.parquet", _parquet), ("a.feather", _feather)])
@QUICK
@given(at=st.floats(0, 0.999), byte=st.integers(0, 255), cut=st.booleans())
def test_damaged_columns_are_rows_or_a_fault_of_ours(
    name: str, write: Callable[[Rows], bytes], at: float, byte: int, cut: bool
) -> None:
    content = bytearray(write([{"text": f"text {n}", "label": ["x"], "n": n / 3} for n in range(20)]))
    place = int(at * len(content))
    content[place] = byte
    with contextlib.suppress(DataError):
        raw = read(name, bytes(content[:place] if cut else content))
        assert raw.rows
