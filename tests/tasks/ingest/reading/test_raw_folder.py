"""The readers on files as they are met in the wild."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.core.errors import DataError
from tasks.ingest.reading.raw_folder import read

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c63f80f00010101001bb6ee560000000049454e44ae426082"
)


def values(raw: Path, header: bool = True) -> list[dict[str, str | bytes]]:
    return [dict(row.values) for row in read(raw, header).rows]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "text,label\nfoo,x\nbar,y\n"),
        ("A.CSV", "text,label\r\nfoo,x\r\nbar,y"),
        ("a.csv", "text;label\nfoo;x\nbar;y\n"),
        ("a.csv", "text|label\n\nfoo|x\n\nbar|y\n"),
        ("a.csv", '"text","label"\n"foo","x"\n"bar","y"\n'),
        ("a.tsv", "text\tlabel\nfoo\tx\nbar\ty\n"),
        ("a.tsv", '"text"\t"label"\n"foo"\t"x"\n"bar"\t"y"\n'),
        ("a.jsonl", '{"text": "foo", "label": "x"}\n\n{"text": "bar", "label": "y"}\n'),
        ("a.json", '[{"text": "foo", "label": "x"},\n {"text": "bar", "label": "y"}]\n'),
        ("a.json", '{"text": "foo", "label": "x"}{"text": "bar", "label": "y"}'),
        ("a.json", '{\n "text": "foo",\n "label": "x"\n}\n{"text": "bar", "label": "y"}\n'),
    ],
)
def test_formats_give_the_same_rows(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    assert values(tmp_path) == [{"text": "foo", "label": "x"}, {"text": "bar", "label": "y"}]


def test_parquet_gives_text_for_every_type(tmp_path: Path) -> None:
    pq.write_table(
        pa.table({"text": ["foo", None], "n": [1, 2], "ok": [True, False], "bytes": [b"a", b"b"]}),
        tmp_path / "a.parquet",
    )
    assert values(tmp_path) == [
        {"text": "foo", "n": "1", "ok": "true", "bytes": b"a"},
        {"text": "", "n": "2", "ok": "false", "bytes": b"b"},
    ]
    assert [row.line for row in read(tmp_path, True).rows] == [1, 2]


def test_parquet_gives_the_bytes_of_images_as_the_hub_stores_them(tmp_path: Path) -> None:
    images = [{"bytes": b"\x89PNG", "path": None}, {"bytes": None, "path": "a/b.png"}, None]
    pq.write_table(pa.table({"image": images, "box": [{"x": 1}, {"x": 2}, None]}), tmp_path / "a.parquet")
    assert values(tmp_path) == [
        {"image": b"\x89PNG", "box": '{"x": 1}'},
        {"image": "a/b.png", "box": '{"x": 2}'},
        {"image": "", "box": ""},
    ]


def test_what_the_hub_library_writes_is_read(tmp_path: Path) -> None:
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
    rows = {"image": [{"bytes": PNG, "path": "a.png"}], "label": ["Bag"]}
    datasets.Dataset.from_dict(rows, features=features).to_parquet(str(tmp_path / "train.parquet"))
    assert values(tmp_path) == [{"image": PNG, "label": "Bag"}]


def test_lines_are_numbered_as_an_editor_does(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('text,label\n\n"two\nlines",x\nlast,y\n')
    assert [(row.line, row.values["text"]) for row in read(tmp_path, True).rows] == [
        (3, "two\nlines"),
        (5, "last"),
    ]


# -- quotes --

WELL_QUOTED = "".join(f'"well, {n}",ham\n' for n in range(5))


@pytest.mark.parametrize(
    ("name", "content", "texts", "rescued"),
    [
        ("line break in a field", 'text,label\n"one\ntwo",ham\nthree,spam\n', ["one\ntwo", "three"], 0),
        (
            "break, commas, quotes",
            'text,label\n"a, ""b""\n\nc, d, e",ham\nf,spam\n',
            ['a, "b"\nc, d, e', "f"],
            0,
        ),
        (
            "comma in each line, quotes used well",
            f'text,label\n{WELL_QUOTED}"Dear all, hi\nthanks",ham\n',
            [*(f"well, {n}" for n in range(5)), "Dear all, hi\nthanks"],
            0,
        ),
        (
            "comma in each line, quotes used for breaks alone",
            'text,label\n"one\ntwo",ham\n"three\nfour",ham\n"Dear all, hi\nthanks",ham\n',
            ["one\ntwo", "three\nfour", "Dear all, hi\nthanks"],
            0,
        ),
        (
            "comma in each line, a quote written twice",
            'text,label\n"He said ""no"",\nand left",ham\nb,spam\n',
            ['He said "no",\nand left', "b"],
            0,
        ),
        (
            "swallowed to a second stray one",
            'text,label\n"one,ham\ntwo,ham\nthree",spam\nfour,ham\n',
            ['"one', "two", 'three"', "four"],
            3,
        ),
        (
            "swallowed to the end",
            'text,label\nzero,ham\n"one,ham\ntwo,ham\nthree,spam\n',
            ["zero", '"one', "two", "three"],
            3,
        ),
        (
            "swallowed beside good quotes",
            f'text,label\n"one,ham\n{WELL_QUOTED}',
            ['"one', *(f"well, {n}" for n in range(5))],
            2,
        ),
        (
            "quotes inside a field",
            'text,label\nsay "hi" now,ham\n5" disk,spam\n',
            ['say "hi" now', '5" disk'],
            0,
        ),
    ],
)
def test_csv_quotes(tmp_path: Path, name: str, content: str, texts: list[str], rescued: int) -> None:
    (tmp_path / "a.csv").write_text(content)
    raw = read(tmp_path, True)
    assert [row.values["text"] for row in raw.rows] == texts, name
    assert raw.rejected == []
    assert raw.notes[0].rescued == rescued


def test_csv_rescues_thousands_of_rows_from_one_quote(tmp_path: Path) -> None:
    lines = [f"ham,message number {n}" for n in range(5_572)]
    lines[1] = 'ham,"message with a stray quote'
    lines[3_000] = 'ham,"another'
    lines[4_000] = "ham,a,b"
    (tmp_path / "a.csv").write_text("label,text\n" + "\n".join(lines) + "\n")
    raw = read(tmp_path, True)
    assert len(raw.rows) == 5_571
    assert [(one.line, one.reason) for one in raw.rejected] == [
        (4_002, "ragged: 3 fields where the table has 2")
    ]
    assert raw.notes[0].rescued == 3_000


def test_tsv_quotes_are_signs_like_others_unless_the_file_quotes(tmp_path: Path) -> None:
    (tmp_path / "plain.tsv").write_text('label\ttext\nham\t"open\nham\t"closed"\nham\tboth "in"\n')
    (tmp_path / "quoted.tsv").write_text('label\ttext\nham\t"a\ttab"\nham\t"a ""quote"" and\ttab"\n')
    texts = {row.file + str(row.line): row.values["text"] for row in read(tmp_path, True).rows}
    assert texts == {
        "plain.tsv2": '"open',
        "plain.tsv3": '"closed"',
        "plain.tsv4": 'both "in"',
        "quoted.tsv2": "a\ttab",
        "quoted.tsv3": 'a "quote" and\ttab',
    }


# -- damaged rows --


@pytest.mark.parametrize(
    ("name", "content", "line", "reason"),
    [
        ("a.jsonl", '{"text": "a"}\n{"text": \n', 2, "is no JSON (Expecting value, sign 10)"),
        ("a.jsonl", '{"text": "a"}\n["a"]\n', 2, "is no JSON object"),
        (
            "a.jsonl",
            '{"text": "a"}\n' + "[" * 100_000 + "\n",
            2,
            "is no JSON (nested too deeply or a number too long)",
        ),
        (
            "a.json",
            '{"text": "a"}\n{"text": \n{"text": "b"}\n',
            2,
            "is no JSON (Expecting ',' delimiter, sign 1)",
        ),
        ("a.jsonl", '{"text": "a"}\n{"text": "b\0"}\n', 2, "has NUL bytes"),
    ],
)
def test_damaged_json_is_set_aside(tmp_path: Path, name: str, content: str, line: int, reason: str) -> None:
    (tmp_path / name).write_text(content)
    raw = read(tmp_path, True)
    assert raw.rows[0].values == {"text": "a"}
    assert [one.line for one in raw.rejected] == [line]
    assert raw.rejected[0].reason == reason


def test_some_bytes_that_are_not_utf8_cost_their_line_only(tmp_path: Path) -> None:
    good = "".join(f"Z\u00fcrich {n},x\n" for n in range(30)).encode()
    (tmp_path / "a.csv").write_bytes(b"text,label\n" + good + b"Z\xfcrich,x\n" + "M\u00fcnchen,y\n".encode())
    raw = read(tmp_path, True)
    assert raw.notes[0].encoding == "utf-8"
    assert raw.rows[-1].values["text"] == "M\u00fcnchen"
    assert [(one.line, one.reason) for one in raw.rejected] == [(32, "has bytes that are no characters")]


def test_faults_of_all_files_are_told_together(tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    (tmp_path / "b.json").write_bytes(b"\x00" * 100)
    (tmp_path / "c.parquet").write_bytes(b"PAR1")
    (tmp_path / "d.jsonl").write_text(json.dumps({"text": "fine"}))
    (tmp_path / "e").symlink_to("/")
    (tmp_path / "f.csv").symlink_to("gone.csv")
    with pytest.raises(DataError) as caught:
        read(tmp_path, True)
    assert [fault.split(maxsplit=1)[0].rstrip(":") for fault in caught.value.faults] == [
        "e",
        "f.csv",
        "a.csv",
        "b.json",
        "c.parquet",
    ]


def test_links_inside_the_folder_are_followed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\nfoo,x\n")
    (tmp_path / "b.csv").symlink_to("a.csv")
    assert len(values(tmp_path)) == 2
