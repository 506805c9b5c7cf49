"""Which files are read, in which form values come, and what is refused before it costs memory."""

from __future__ import annotations

import bz2
import datetime
import gzip
import json
import lzma
import math
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

from tasks.core.errors import DataError
from tasks.ingest.raw.values import UnsupportedValue
from tasks.ingest.reading import raw_folder

ROWS = [{"text": "foo", "label": "x"}, {"text": "bar", "label": "y"}]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
CSV = b"text,label\nfoo,x\nbar,y\n"


def read(folder: Path, name: str, content: bytes | str) -> raw_folder.Raw:
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return raw_folder.read(folder, header=True)


def values(raw: raw_folder.Raw) -> list[dict[str, str | bytes]]:
    return [dict(row.values) for row in raw.rows]


def zstd(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))


# -- files --


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv.gz", gzip.compress(CSV, mtime=0)),
        ("A.CSV.GZ", gzip.compress(CSV[:12], mtime=0) + gzip.compress(CSV[12:], mtime=0)),
        ("a.tsv.bz2", bz2.compress(CSV.replace(b",", b"\t"))),
        ("a.jsonl.xz", lzma.compress(LINES)),
        ("a.ndjson", LINES),
        ("a.ndjson.zst", zstd(LINES)),
        ("a.json.gz", gzip.compress(json.dumps(ROWS).encode("utf-16"), mtime=0)),
        ("a.csv", b"sep=;\ntext;label\nfoo;x\nbar;y\n"),
        ("a.csv", b'\xef\xbb\xbf"sep=|"\r\ntext|label\r\nfoo|x\r\nbar|y\r\n'),
        ("a.csv", b"SEP=\t\ntext\tlabel\nfoo\tx\nbar\ty\n"),
        ("a.csv", b"\xef\xbb\xbf" * 2 + CSV),
        ("a.csv", "\u00ef\u00bb\u00bf".encode() + CSV),
        ("a.csv", ("\ufeff\ufeff" + CSV.decode()).encode("utf-16-le")),
        ("a.csv", CSV.replace(b"bar", b"\xef\xbb\xbfbar")),
        ("a.jsonl", b"\xef\xbb\xbf" * 3 + LINES.replace(b"\n", b"\n\xef\xbb\xbf", 1)),
        ("a.json", b"\xef\xbb\xbf" * 2 + json.dumps(ROWS).encode()),
        ("a.json", json.dumps({"text": {"0": "foo", "1": "bar"}, "label": {"0": "x", "1": "y"}})),
        ("a.json", json.dumps({"7": ROWS[0], "9": ROWS[1]})),
        (
            "a.json",
            json.dumps({"columns": ["text", "label"], "index": [0, 1], "data": [["foo", "x"], ["bar", "y"]]}),
        ),
        ("a.json", json.dumps({"schema": {"fields": [{"name": "text"}]}, "data": ROWS})),
        ("a.json", json.dumps({"version": "1.0", "data": ROWS})),
        ("a.json", json.dumps([ROWS[0]]) + json.dumps([ROWS[1]])),
    ],
)
def test_forms_of_a_table_give_the_same_rows(tmp_path: Path, name: str, content: bytes | str) -> None:
    raw = read(tmp_path, name, content)
    assert (values(raw), raw.rejected) == (ROWS, [])


@pytest.mark.parametrize("is_stream", [False, True])
def test_arrow_is_read_as_a_file_and_as_a_stream(tmp_path: Path, is_stream: bool) -> None:
    table = pa.Table.from_pylist(ROWS)
    new = pa.ipc.new_stream if is_stream else pa.ipc.new_file
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as file, new(file, table.schema) as writer:
        writer.write_table(table)
    assert values(raw_folder.read(tmp_path, header=True)) == ROWS


def test_what_the_hub_library_saves_to_disk_is_read(tmp_path: Path) -> None:
    datasets.Dataset.from_list(ROWS).save_to_disk(str(tmp_path / "set"))
    raw = raw_folder.read(tmp_path, header=True)
    assert values(raw) == ROWS
    assert raw.ignored == ["set/dataset_info.json", "set/state.json"]


def test_what_is_not_read_is_named_with_what_to_do(tmp_path: Path) -> None:
    for name in ("b.xlsx", "c.txt", "d.zip", "e.parquet.gz"):
        (tmp_path / name).write_bytes(b"x")
    raw = read(tmp_path, "a.csv", CSV)
    assert raw.ignored == ["b.xlsx", "c.txt", "d.zip", "e.parquet.gz"]
    (tmp_path / "a.csv").unlink()
    with pytest.raises(
        DataError, match=r"holds only b\.xlsx \(save it as CSV\), c\.txt, d\.zip \(unpack it\)"
    ):
        raw_folder.read(tmp_path, header=True)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv.gz", gzip.compress(CSV, mtime=0)[:-4], "a.csv.gz is no sound .gz file"),
        ("a.csv.xz", CSV, "a.csv.xz is no sound .xz file"),
        ("a.csv.zst", CSV, "a.csv.zst is no sound .zst file"),
        ("a.csv", b"text,label,label\na,b,c\n", "names `label` twice"),
        (
            "a.json",
            json.dumps({"train": ROWS, "others": ROWS}),
            "holds rows below `train`, `others`; put those of each key into a file of its own",
        ),
        (
            "a.json",
            json.dumps({"columns": ["a", "b"], "data": [[1]]}),
            "has a row of 1 values where there are 2 columns",
        ),
        ("a.json", json.dumps({"columns": ["a", "a"], "data": [[1, 2]]}), "names a column twice"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_fault(
    tmp_path: Path, name: str, content: bytes | str, said: str
) -> None:
    with pytest.raises(DataError) as caught:
        read(tmp_path, name, content)
    assert said in str(caught.value)
    assert len(caught.value.faults) == 1


def test_a_column_named_twice_is_refused_in_parquet_and_arrow(tmp_path: Path) -> None:
    table = pa.table([pa.array(["a"]), pa.array(["b"])], names=["label", "label"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pa.OSFile(str(tmp_path / "b.arrow"), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)
    with pytest.raises(DataError) as caught:
        raw_folder.read(tmp_path, header=True)
    assert [fault.partition(";")[0] for fault in caught.value.faults] == [
        "a.parquet: names `label` twice",
        "b.arrow: names `label` twice",
    ]


@pytest.mark.parametrize(
    ("content", "reasons"),
    [
        ('{"text": "a", "label": "x", "label": "y"}', ["names `label` twice in one object"]),
        ('{"n": ' + "1" * 5_000 + "}", ["is no JSON (nested too deeply or a number too long)"]),
        ('[{"a": 1}, {"a": 2}', ["the array has no end: the file seems to be cut off"]),
        ('[{"a": 1}] x', ["is no JSON (Expecting value, sign 12)"]),
        ('[[1, 2], "a", 3]', ["is no JSON object"] * 3),
        ("7", ["is no JSON object"]),
        (
            '[{"a": b}, {"a": 2}]',
            [
                "is no JSON (Expecting value, sign 8); all 19 signs up to the next line that begins an "
                "object are left out"
            ],
        ),
    ],
)
def test_what_is_no_row_of_json_is_set_aside(tmp_path: Path, content: str, reasons: list[str]) -> None:
    assert [one.reason for one in read(tmp_path, "a.json", content).rejected] == reasons


def test_bytes_that_are_no_characters_cost_their_object_only(tmp_path: Path) -> None:
    good = "".join(f'{{"text": "Zürich {n}"}}\n' for n in range(30)).encode()
    raw = read(tmp_path, "a.json", good + b'{"text": "Z\xfcrich"}')
    assert (len(raw.rows), [one.reason for one in raw.rejected]) == (30, ["has bytes that are no characters"])


# -- values --

ARRAYS: list[tuple[pa.Array, list[str | bytes]]] = [
    (pa.array([True, None]), ["true", ""]),
    (pa.array([2**64 - 1, None], pa.uint64()), ["18446744073709551615", ""]),
    (pa.array([1.5, math.nan], pa.float16()), ["1.5", ""]),
    (pa.array([1.0, math.nan], pa.float32()), ["1.0", ""]),
    (pa.array([1.0, math.nan]), ["1.0", ""]),
    (pa.array([Decimal("1.10"), None]), ["1.10", ""]),
    (pa.array([datetime.date(2020, 1, 2), None]), ["2020-01-02", ""]),
    (pa.array([10**7, None], pa.int32()).cast(pa.date32()), ["29349-01-26", ""]),
    (pa.array([0, None], pa.timestamp("us")), ["1970-01-01 00:00:00", ""]),
    (pa.array([10**6, None], pa.duration("us")), ["0:00:01", ""]),
    (pa.array([b"a", None]), [b"a", ""]),
    (pa.array(["a", None], pa.large_string()), ["a", ""]),
    (pa.array(["a" * 20, None], pa.string_view()), ["a" * 20, ""]),
    (pa.array(["a", None]).dictionary_encode(), ["a", ""]),
    (pa.array([["a"], None]), ['["a"]', ""]),
    (pa.array([{"a": 1}, None]), ['{"a": 1}', ""]),
    (pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())), ['[["k", 1]]', ""]),
    (pa.nulls(2), ["", ""]),
    (
        pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"0" * 16, None], pa.binary(16))),
        ["30303030-3030-3030-3030-303030303030", ""],
    ),
]


@pytest.mark.parametrize(("column", "expected"), ARRAYS, ids=[str(column.type) for column, _ in ARRAYS])
def test_every_type_of_a_column_is_text_and_nothing_missing_is(
    tmp_path: Path, column: pa.Array, expected: list[str | bytes]
) -> None:
    pq.write_table(pa.table({"v": column}), tmp_path / "a.parquet")
    feather.write_feather(pa.table({"v": column}), tmp_path / "b.feather")
    assert [row.values["v"] for row in raw_folder.read(tmp_path, header=True).rows] == expected * 2


@pytest.mark.parametrize(
    ("column", "what"),
    [
        (pa.array([math.inf]), "an infinite number"),
        (pa.array([[b"a"]]), "a list that has no form as JSON (it holds bytes)"),
        (
            pa.array([1], pa.timestamp("s", "Mars/Phobos")),
            "a value of the type timestamp[ms, tz=Mars/Phobos] that cannot be written as text",
        ),
        (pa.array(["x" * 4_000_001]), "a text of more than 1,000,000 characters"),
        (pa.array([["x" * 1_000_001]]), "a list of more than 1,000,000 characters"),
    ],
)
def test_what_has_no_text_says_what_it_is(tmp_path: Path, column: pa.Array, what: str) -> None:
    pq.write_table(pa.table({"v": column}), tmp_path / "a.parquet")
    value = raw_folder.read(tmp_path, header=True).rows[0].values["v"]
    assert isinstance(value, UnsupportedValue)
    assert value.what == what


def test_numbers_of_classes_become_their_names(tmp_path: Path) -> None:
    label = datasets.ClassLabel(names=["b", "a"])
    features = datasets.Features(
        {
            "label": label,
            "tags": datasets.List(label),
            "large": datasets.LargeList(label),
            "in": {"deep": [label]},
            "n": datasets.Value("int64"),
        }
    )
    rows = [
        {"label": 1, "tags": [0, 1], "large": [1], "in": {"deep": [0]}, "n": 1},
        {"label": -1, "tags": [-1], "large": [], "in": None, "n": 0},
    ]
    datasets.Dataset.from_list(rows, features=features).to_parquet(str(tmp_path / "a.parquet"))
    assert values(raw_folder.read(tmp_path, header=True)) == [
        {"label": "a", "tags": '["b", "a"]', "large": '["a"]', "in": '{"deep": ["b"]}', "n": "1"},
        {"label": "", "tags": "[null]", "large": "[]", "in": "", "n": "0"},
    ]


def test_numbers_of_classes_are_named_in_a_column_of_floats(tmp_path: Path) -> None:
    """Which pandas makes of whole numbers where some are missing."""
    features = {"info": {"features": {"label": {"names": ["b", "a"], "_type": "ClassLabel"}}}}
    table = pa.table({"label": pa.array([0.0, 1.0, -1.0, None, float("nan")])})
    pq.write_table(
        table.replace_schema_metadata({"huggingface": json.dumps(features)}), tmp_path / "a.parquet"
    )
    assert [row["label"] for row in values(raw_folder.read(tmp_path, header=True))] == ["b", "a", "", "", ""]


def test_the_number_of_no_class_is_not_a_label(tmp_path: Path) -> None:
    names = {
        "info": {
            "features": {
                "label": {"names": ["x", "y"], "_type": "ClassLabel"},
                "old": {"feature": {"names": ["z"], "_type": "ClassLabel"}, "_type": "Sequence"},
            }
        }
    }
    table = pa.table({"label": [1, 2], "old": [[0], [5]]}).replace_schema_metadata(
        {"huggingface": json.dumps(names)}
    )
    pq.write_table(table, tmp_path / "a.parquet")
    first, second = values(raw_folder.read(tmp_path, header=True))
    assert first == {"label": "y", "old": '["z"]'}
    assert [getattr(value, "what", "") for value in second.values()] == [
        "the number 2 where its file names the classes 0 to 1",
        "the number 5 where its file names the classes 0 to 0",
    ]


# -- memory --


def _headline(path: Path) -> None:
    pq.write_table(pa.table({"text": ["x" * 100_000_000]}), path / "a.parquet", compression="zstd")


def _often(path: Path) -> None:
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 100_000, pa.int32()), pa.array(["x" * 900_000]))
    pq.write_table(pa.table({"text": column}), path / "a.parquet", compression="zstd")


def _rows(path: Path) -> None:
    pq.write_table(pa.table({"n": pa.array([1] * 50_000_000, pa.int8())}), path / "a.parquet")


def _short_lines(path: Path) -> None:
    (path / "a.csv.xz").write_bytes(lzma.compress(b"text,label\n" + b"a,b\n" * 5_000_000, preset=0))


def _objects(path: Path) -> None:
    (path / "a.json.gz").write_bytes(gzip.compress(b"[" + b"{}," * 5_000_000 + b"{}]", compresslevel=1))


def _long_list(path: Path) -> None:
    column = pa.array([["a"] * 3_000_000], pa.list_(pa.string()))
    pq.write_table(pa.table({"text": column}), path / "a.parquet", compression="zstd")


CHILD = """
import sys, pathlib, pyarrow.parquet
from tasks.benchmark import memory
from tasks.ingest.reading import raw_folder
from tasks.core.errors import DataError
before = memory.peak_mib()
try:
    raw_folder.read(pathlib.Path(sys.argv[1]), True)
except DataError as error:
    print(memory.peak_mib() - before, error)
"""


@pytest.mark.parametrize("make", [_headline, _often, _rows, _short_lines, _objects, _long_list])
def test_a_small_file_that_unpacks_to_much_costs_little(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    make(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path)], capture_output=True, text=True, check=True
    )
    cost, _, said = done.stdout.partition(" ")
    assert "unpacks to more than 67,108,864 bytes, over 100 times its size" in said
    assert float(cost) < 150


def test_a_compressed_text_of_usual_size_is_read(tmp_path: Path) -> None:
    content = b"text,label\n" + b"".join(b"this is the text number %d,sport\n" % n for n in range(20_000))
    assert len(read(tmp_path, "a.csv.gz", gzip.compress(content)).rows) == 20_000


DAMAGE = """
import sys, pathlib
from tasks.ingest.reading import raw_folder
from tasks.core.errors import DataError
path = pathlib.Path(sys.argv[1])
sound, outcomes = path.read_bytes(), set()
for at in range(0, len(sound), 7):
    for byte in (0, 64):
        path.write_bytes(sound[:at] + bytes([byte]) + sound[at + 1 :])
        try:
            outcomes.add(bool(raw_folder.read(path.parent, True).rows))
        except DataError:
            outcomes.add("fault")
print(outcomes == {True, "fault"})
"""


@pytest.mark.parametrize("name", ["a.parquet", "a.feather"])
def test_no_damaged_byte_ends_the_process(tmp_path: Path, name: str) -> None:
    """pyarrow aborts on some, where it trusts what the file says of itself."""
    table = pa.Table.from_pylist([{"text": f"text {n}", "label": ["x"], "n": n / 3} for n in range(20)])
    pq.write_table(table, tmp_path / name) if name.endswith("parquet") else feather.write_feather(
        table, tmp_path / name
    )
    done = subprocess.run(
        [sys.executable, "-c", DAMAGE, str(tmp_path / name)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.strip()) == (0, "True")
