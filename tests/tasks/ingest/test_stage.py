"""Ingest on small real files.

What is kept, what is set aside and why, and that nothing moves a row once placed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tasks.core.errors import DataError, ParamsError
from tasks.ingest import stage as ingest
from tasks.ingest.split import SIDES

WORDS = [
    "budget",
    "goal",
    "chip",
    "actor",
    "vote",
    "match",
    "phone",
    "film",
    "party",
    "striker",
    "laptop",
    "song",
    "minister",
    "coach",
    "network",
]
WORDS += [
    "award",
    "tax",
    "referee",
    "browser",
    "stage",
    "law",
    "keeper",
    "virus",
    "drama",
    "treaty",
    "league",
    "search",
    "critic",
    "growth",
]
Rows = list[dict[str, Any]]


def rows(count: int, seed: int = 0) -> Rows:
    """Distinct rows of two labels."""
    draw = random.Random(seed)
    return [
        {"text": f"{' '.join(draw.choices(WORDS, k=6))} {seed}-{n}", "label": ["sport", "tech"][n % 2]}
        for n in range(count)
    ]


def params(**changed: Any) -> ingest.Params:
    values: dict[str, Any] = {
        "kind": "text/classification",
        "options": {"long_texts": "head"},
        "split_seed": 0,
        "columns": {"text": "text", "label": "label"},
        "header": True,
        "near_duplicates": 0.8,
        "split": "sticky",
        "validation": 0.2,
        "test": 0.3,
        "fresh": 0.2,
        "pool_words": 40,
        "min_rows_per_class": 3,
        "min_test_rows": 2,
    }
    return ingest.Params(**{**values, **changed})


def write_jsonl(path: Path, data: Rows) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in data), encoding="utf-8")


def write_csv(path: Path, data: Rows, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "text,label\n" + "".join(f"{row['text']},{row['label']}\n" for row in data)
    path.write_bytes(text.encode(encoding))


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def run(raw: Path, out: Path, **changed: Any) -> dict[str, Any]:
    out.mkdir(exist_ok=True, parents=True)
    return dict(ingest.run(ingest.Inputs(raw), params(**changed), out, out).figures)


def sides(out: Path) -> dict[str, str]:
    """Text -> side."""
    return {row["text"]: side for side in SIDES for row in read(out, side)}


def read(out: Path, name: str) -> Rows:
    table: Rows = pq.read_table(out / "out" / f"{name}.parquet").to_pylist()
    return table


def reasons(out: Path) -> list[str]:
    return [row["reason"] for row in read(out, "rejected")]


# -- what comes out --


def test_run_writes_splits_that_datasets_reads_back(tmp_path: Path) -> None:
    import datasets

    write_jsonl(tmp_path / "raw/a.jsonl", rows(60))
    figures = run(tmp_path / "raw", tmp_path / "o")
    files = {side: str(tmp_path / f"o/out/{side}.parquet") for side in SIDES}
    loaded = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))
    assert {side: loaded[side].num_rows for side in SIDES} == figures["rows"]
    assert loaded["train"].column_names == ["id", "text", "label", "group", "file", "line"]
    assert loaded["test"]["id"][:] == sorted(loaded["test"]["id"][:])
    assert json.loads((tmp_path / "o/out/labels.json").read_text()) == ["sport", "tech"]
    assert sum(figures["rows"].values()) == 60


def test_same_bytes_whatever_the_order_of_the_columns_in_params(tmp_path: Path) -> None:
    data = [
        {**row, "body": f"This is the body number {n} of the article. It goes on here for a while."}
        for n, row in enumerate(rows(60))
    ]
    write_jsonl(tmp_path / "raw/a.jsonl", data)
    columns = {"text": "text", "label": "label", "pool": "body"}
    for name, given in {"one": columns, "two": dict(reversed(columns.items()))}.items():
        run(tmp_path / "raw", tmp_path / name, columns=given)
    written = {path.name: path.read_bytes() for path in (tmp_path / "one/out").iterdir()}
    assert len(written) == 8
    assert written == {path.name: path.read_bytes() for path in (tmp_path / "two/out").iterdir()}


def test_pool_has_only_sentences_of_training_rows_and_none_that_is_measured(tmp_path: Path) -> None:
    data = rows(80)
    write_jsonl(tmp_path / "plain/a.jsonl", data)
    run(tmp_path / "plain", tmp_path / "o")
    bodies = [
        f"{row['text']} once more. The very same sentence stands in all. {data[n - 1]['text']}."
        for n, row in enumerate(data)
    ]
    write_jsonl(
        tmp_path / "raw/a.jsonl", [{**row, "body": body} for row, body in zip(data, bodies, strict=True)]
    )
    figures = run(
        tmp_path / "raw",
        tmp_path / "p",
        columns={"text": "text", "label": "label", "pool": "body"},
        near_duplicates=1,
    )
    pool = [row["text"] for row in read(tmp_path / "p", "pool")]
    placed = sides(tmp_path / "p")
    assert figures["pool"] == len(pool) == len(set(pool)) > 0
    assert "The very same sentence stands in all." in pool
    measured = {text for text, side in placed.items() if side != "train"}
    assert not measured & set(pool)
    assert not any(f"{text} once more." in pool for text in measured)
    assert pool != sorted(pool)


def test_cleaning_is_counted_and_visible(tmp_path: Path) -> None:
    write_jsonl(
        tmp_path / "raw/a.jsonl",
        [*rows(40), {"text": "  a\tlaw\x07 for  caf\u0065\u0301s \ud800 ", "label": " sport\n"}],
    )
    run(tmp_path / "raw", tmp_path / "o")
    assert "a law for caf\u00e9s" in sides(tmp_path / "o")
    report = json.loads((tmp_path / "o/out/report.json").read_text())
    assert report["cleaned"] == {
        "composed (NFC)": 1,
        "control characters removed": 1,
        "white space collapsed": 2,
    }
    assert "control characters removed: 1" in (tmp_path / "o/out/report.md").read_text()


# -- the split is sticky --


@pytest.mark.parametrize("name", ["0.jsonl", "z.jsonl"])
def test_sticky_split_moves_no_old_row_when_rows_are_added(tmp_path: Path, name: str) -> None:
    old = rows(200)
    write_jsonl(tmp_path / "raw/m.jsonl", old)
    run(tmp_path / "raw", tmp_path / "before")
    twins = [{"text": f"{row['text']}!", "label": row["label"]} for row in old[:100]]
    write_jsonl(tmp_path / "raw" / name, [*rows(100, seed=1), *twins])
    run(tmp_path / "raw", tmp_path / "after")
    before, after = sides(tmp_path / "before"), sides(tmp_path / "after")
    moved = [text for text in before if text in after and after[text] != before[text]]
    assert moved == []
    assert all(text in after for text, side in before.items() if side == "test")
    assert sum(text in after for text in before) > 150


def test_near_duplicates_never_straddle_and_the_measuring_side_keeps_its_rows(tmp_path: Path) -> None:
    data = rows(60)
    write_jsonl(
        tmp_path / "raw/a.jsonl", [row for one in data for row in (one, {**one, "text": f"{one['text']}."})]
    )
    run(tmp_path / "raw", tmp_path / "o")
    groups = [row for side in SIDES for row in {row["group"] for row in read(tmp_path / "o", side)}]
    assert len(groups) == len(set(groups))
    twins = [reason for reason in reasons(tmp_path / "o") if reason.startswith("near duplicate of a ")]
    assert len(twins) > 10
    placed = {f"{row['file']}:{row['line']}": side for side in SIDES for row in read(tmp_path / "o", side)}
    for reason in twins:
        _, _, side, _, at = reason.rsplit(" ", 4)
        assert placed[at] == side != "train"


def test_near_duplicates_of_one_keep_all_but_equal_rows(tmp_path: Path) -> None:
    data = rows(40)
    write_jsonl(
        tmp_path / "raw/a.jsonl",
        [*data, {**data[0], "text": f"{data[0]['text']}."}, {**data[1], "text": data[1]["text"].upper()}],
    )
    assert run(tmp_path / "raw", tmp_path / "o", near_duplicates=1)["rejected"] == {"duplicate": 1}


# -- given splits --


def test_given_split_follows_the_names_of_files(tmp_path: Path) -> None:
    write_csv(tmp_path / "raw/Train-full.csv", rows(40))
    write_csv(tmp_path / "raw/dev.csv", rows(10, seed=1))
    write_csv(tmp_path / "raw/test.csv", [*rows(10, seed=2), *rows(3)])
    figures = run(tmp_path / "raw", tmp_path / "o", split="given")
    assert figures == {
        "rows": {"train": 37, "validation": 10, "test": 13},
        "pool": 0,
        "rejected": {"duplicate": 3},
        "labels": 2,
    }
    assert sorted(reasons(tmp_path / "o")) == [f"duplicate of test.csv:{line}" for line in (12, 13, 14)]


def test_given_split_follows_a_column_and_takes_a_missing_validation_from_train(tmp_path: Path) -> None:
    data = [{**row, "part": "Test" if n % 3 == 0 else "train"} for n, row in enumerate(rows(90))]
    write_jsonl(tmp_path / "raw/a.jsonl", [*data, {"text": "one more", "label": "tech", "part": "spare"}])
    figures = run(
        tmp_path / "raw",
        tmp_path / "o",
        split="given",
        columns={"text": "text", "label": "label", "split": "part"},
    )
    assert figures["rows"]["test"] == 30
    assert 5 < figures["rows"]["validation"] < 20
    assert reasons(tmp_path / "o") == ["unknown split: 'spare'"]


# -- rows that are set aside --


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b",sport", "empty text"),
        (b" \t ,sport", "empty text"),
        (b"some text,", "no label"),
        (b"some text", "ragged: 1 fields where the table has 2"),
        (b"some,text,sport", "ragged: 3 fields where the table has 2"),
        (b'"some text,sport,tech', "ragged: a quote is opened and not closed"),
        (b"some\0text,sport", "has NUL bytes"),
        (b"x" * 1_000_001 + b",sport", "over-long: a line of more than 1,000,000 characters"),
    ],
)
def test_bad_row_is_set_aside_with_its_place(tmp_path: Path, line: bytes, reason: str) -> None:
    write_csv(tmp_path / "raw/a.csv", rows(40))
    with (tmp_path / "raw/a.csv").open("ab") as file:
        file.write(line + b"\nand a good one at the end,sport\n")
    assert sum(run(tmp_path / "raw", tmp_path / "o")["rows"].values()) == 41
    found = read(tmp_path / "o", "rejected")
    assert [(row["file"], row["line"], row["reason"]) for row in found] == [("a.csv", 42, reason)]
    assert len(found[0]["excerpt"]) <= 200


def test_label_conflicts_set_all_of_the_rows_aside(tmp_path: Path) -> None:
    write_jsonl(
        tmp_path / "raw/a.jsonl",
        [*rows(40), {"text": "Same words", "label": "sport"}, {"text": "same  words", "label": "tech"}],
    )
    assert run(tmp_path / "raw", tmp_path / "o")["rejected"] == {"label conflict": 2}
    assert reasons(tmp_path / "o") == [
        "label conflict: sport here, tech at a.jsonl:42",
        "label conflict: tech here, sport at a.jsonl:41",
    ]
    assert not {"Same words", "same words"} & sides(tmp_path / "o").keys()


def test_fifty_megabytes_in_one_line_are_set_aside_in_little_memory(tmp_path: Path) -> None:
    import tracemalloc

    write_csv(tmp_path / "raw/a.csv", rows(40))
    with (tmp_path / "raw/a.csv").open("ab") as file:
        file.write(b"word " * 10_000_000 + b"\n")
    tracemalloc.start()
    figures = run(tmp_path / "raw", tmp_path / "o")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert figures["rejected"] == {"over-long": 1}
    assert peak < 40_000_000


# -- data that cannot be used --


def _mixed(raw: Path) -> None:
    write_csv(raw / "a.csv", rows(40))
    (raw / "b.csv").write_bytes(b"")
    (raw / "c.csv").write_bytes(bytes(range(256)) * 40)


def _linked(raw: Path) -> None:
    write_csv(raw / "a.csv", rows(40))
    write_csv(raw.parent / "secret.csv", rows(5, seed=3))
    (raw / "b.csv").symlink_to(raw.parent / "secret.csv")


FAULTS: list[tuple[str, Callable[[Path], object], list[str]]] = [
    (
        "missing column",
        lambda raw: write_jsonl(raw / "a.jsonl", [{"texts": "a", "label": "b"}]),
        ["a.jsonl: no column `text`", "did you mean `texts`"],
    ),
    (
        "no label at all",
        lambda raw: write_jsonl(raw / "a.jsonl", [{**row, "label": None} for row in rows(9)]),
        ["no row is left", "9 no label"],
    ),
    (
        "one class",
        lambda raw: write_csv(raw / "a.csv", [{**row, "label": "x"} for row in rows(40)]),
        ["one class is left (x)", "at least 2"],
    ),
    (
        "class of one row",
        lambda raw: write_csv(raw / "a.csv", [*rows(40), {"text": "lone", "label": "odd"}]),
        ["class `odd` has 1 row, fewer than"],
    ),
    ("too few test rows", lambda raw: write_csv(raw / "a.csv", rows(3)), ["min_test_rows = 2"]),
    ("empty file", lambda raw: write(raw / "a.csv", b""), ["a.csv is empty"]),
    ("header only", lambda raw: write_csv(raw / "a.csv", []), ["a.csv has no rows"]),
    ("binary", lambda raw: write(raw / "a.csv", bytes(range(256)) * 40), ["a.csv is no text"]),
    ("no Parquet", lambda raw: write(raw / "a.parquet", b"no"), ["a.parquet: is no readable Parquet"]),
    ("two files at once", _mixed, ["raw: 2 faults", "b.csv is empty", "c.csv is no text"]),
    ("link out", _linked, ["b.csv is a link that leads out"]),
    ("nothing there", lambda raw: raw.mkdir(), ["holds no file"]),
    ("unknown format", lambda raw: write(raw / "a.xlsx", b"x"), ["holds only a.xlsx", ".parquet"]),
    ("no folder", lambda _: None, ["there is no such folder", "slipway data add"]),
    ("column twice", lambda raw: write(raw / "a.csv", b"text,text\na,b\n"), ["names `text` twice"]),
]


@pytest.mark.parametrize(("make", "said"), [case[1:] for case in FAULTS], ids=[case[0] for case in FAULTS])
def test_unusable_data_is_one_clear_error(
    tmp_path: Path, make: Callable[[Path], object], said: list[str]
) -> None:
    make(tmp_path / "raw")
    with pytest.raises(DataError) as caught:
        run(tmp_path / "raw", tmp_path / "o")
    assert [part for part in said if part not in str(caught.value)] == []
    assert caught.value.exit_code == 2
    assert str(tmp_path) not in str(caught.value)
    assert list((tmp_path / "o").iterdir()) == []


def test_given_split_without_a_side_in_the_name_is_an_error(tmp_path: Path) -> None:
    write_csv(tmp_path / "raw/spare.csv", rows(10))
    with pytest.raises(DataError, match=r"the name of spare\.csv says no side"):
        run(tmp_path / "raw", tmp_path / "o", split="given")


def test_given_split_without_test_rows_is_said_once(tmp_path: Path) -> None:
    write_csv(tmp_path / "raw/train.csv", rows(40))
    with pytest.raises(DataError, match="there is no test row at all") as caught:
        run(tmp_path / "raw", tmp_path / "o", split="given")
    assert len(caught.value.faults) == 3


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"text": "text"}, "the role `label` is missing"),
        ({"text": "text", "lable": "label"}, "unknown role `lable`; did you mean `label`?"),
        ({"text": "text", "label": "label", "split": "x"}, "unknown role `split`"),
    ],
)
def test_wrong_roles_are_a_params_error(tmp_path: Path, columns: dict[str, str], said: str) -> None:
    write_csv(tmp_path / "raw/a.csv", rows(10))
    with pytest.raises(ParamsError) as caught:
        run(tmp_path / "raw", tmp_path / "o", columns=columns)
    assert said in str(caught.value)


# -- encodings and headers, all the way through --


@pytest.mark.parametrize(
    ("encoding", "stated"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("iso-8859-1", "iso-8859-1"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-32", "utf-32"),
    ],
)
def test_encodings_are_read_right_and_stated(tmp_path: Path, encoding: str, stated: str) -> None:
    write_csv(
        tmp_path / "raw/a.csv", [*rows(40), {"text": "Ça va très bien à Zürich", "label": "sport"}], encoding
    )
    run(tmp_path / "raw", tmp_path / "o")
    assert "Ça va très bien à Zürich" in sides(tmp_path / "o")
    assert json.loads((tmp_path / "o/out/report.json").read_text())["files"][0]["encoding"] == stated


def test_columns_without_a_header_are_numbers(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw/a.tsv").write_text("".join(f'x\t"{row["text"]}\t{row["label"]}\n' for row in rows(40)))
    run(tmp_path / "raw", tmp_path / "o", header=False, columns={"text": "2", "label": "3"})
    assert len(sides(tmp_path / "o")) == 40
    assert all(text.startswith('"') for text in sides(tmp_path / "o"))
