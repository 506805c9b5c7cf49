"""YAML and JSON of the project are read within bounds.

What cannot be read is told in one message, with its place.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tasks.core import documents
from tasks.core.errors import ParamsError

LEVELS = list(zip("abcdefgh", "bcdefghi", strict=True))
BOMB = "a: &a [x, x]\n" + "".join(f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in LEVELS)
MERGED = "a: &a {x: 1}\n" + "".join(
    f"{new}: &{new} {{<<: [{', '.join([f'*{old}'] * 9)}]}}\n" for old, new in LEVELS
)
MARKED = "a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> other\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "holds more than 100,000 values once its aliases are followed"),
        (MERGED, "holds more than 100,000 values once its aliases are followed"),
        ("- a\n" * 150_000, "holds more than 100,000 values"),
        ("a: &a [*a]", "line 1: `*a` stands within what it names"),
        ("a: &a\n  b: {c: *a}", "line 2: `*a` stands within what it names"),
        ("[" * 100_000, "line 1: is nested deeper than 40 levels"),
        ("".join(f"{' ' * at}a:\n" for at in range(60)), "line 40: is nested deeper"),
        ("a: " + "x" * 1_000_001, "has 1,000,004 bytes; more than 1,000,000 are not read"),
        ("a: " + "9" * 5000, "line 1, column 4: '999"),
        ("a: " + "9" * 5000, "has 5,000 digits; no value here needs more than 400"),
        ("a: 0x" + "f" * 5000, "digits; no value here needs more than 400"),
        ("a: 2026-13-45", "'2026-13-45' is no value: month must be in 1..12"),
        ("a: !!int x", "'x' is no value"),
        ("a: !!bool x", "'x' is no value"),
        ("a: !!binary x@", "failed to decode base64"),
        ("a: !!python/object:os.system x", "could not determine a constructor for the tag"),
        ("a: 1\na: 2", 'line 2, column 1: found duplicate key "a"'),
        ("a:\n\tb: 1", "line 2, column 1: found character"),
        ("? {a: 1}\n: 1", "found unhashable key"),
        ("a: 1\n---\nb: 1", "found another document"),
        (MARKED, "line 2 is a conflict marker of git (`<<<<<<< HEAD`): a merge is not finished"),
    ],
)
def test_what_would_hang_or_break_a_reader_is_refused_at_once(text: str, said: str) -> None:
    started = time.process_time()
    with pytest.raises(ParamsError) as caught:
        documents.yaml(text.encode(), "some.yaml")
    assert said in str(caught.value)
    assert str(caught.value).startswith("some.yaml: ")
    assert time.process_time() - started < 30


def test_a_file_that_is_no_utf8_is_told_with_the_place() -> None:
    with pytest.raises(ParamsError, match=r"some\.yaml: is no UTF-8 text \(byte 3\)"):
        documents.yaml("a: ä".encode("latin-1"), "some.yaml")


@pytest.mark.parametrize("content", [b"\xef\xbb\xbfa: 1\n", b"a: 1\r\n", b"a: 1"])
def test_marks_and_line_ends_of_other_systems_are_read(content: bytes) -> None:
    assert documents.yaml(content, "some.yaml") == {"a": 1}


def test_aliases_within_the_bounds_are_followed() -> None:
    assert documents.yaml(b"a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}", "some.yaml") == {
        "a": {"x": 1},
        "b": {"x": 1},
        "c": {"x": 1, "y": 2},
    }


def test_a_long_lock_is_read_and_one_with_a_bomb_is_not() -> None:
    assert len(documents.yaml(b"- abcdefg\n" * 101_000, "dvc.lock")) == 101_000
    with pytest.raises(ParamsError, match="holds more than"):
        documents.yaml(BOMB.encode(), "dvc.lock")


@pytest.mark.parametrize(
    "text", ["{", "[" * 100_000, "9" * 5000, "<<<<<<< HEAD\n{}\n=======\n[]\n>>>>>>> x\n"]
)
def test_json_is_as_strict(text: str) -> None:
    with pytest.raises(
        ParamsError, match=r"some\.json: (is not readable as JSON|line 1 is a conflict marker)"
    ):
        documents.json(text.encode(), "some.json")


def test_all_files_with_conflict_markers_are_told_at_once(tmp_path: Path) -> None:
    names = [
        "params.yaml",
        "dvc.lock",
        "dvc.yaml",
        "data/raw/a.dvc",
        "data/a/benchmark/timings.json",
        "registry/a/champion.json",
        ".dvc/config",
    ]
    for name in [*names, ".gitignore", "recipes/a.yaml", "data/a/retrain/history.jsonl"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(MARKED)
    with pytest.raises(ParamsError) as caught:
        documents.check_files(tmp_path)
    assert len(caught.value.faults) == 10
    assert "data/raw/a.dvc: line 2 is a conflict marker of git" in str(caught.value)


def test_a_title_that_is_underlined_is_no_conflict(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("# Title\n=======\n")
    (tmp_path / "dvc.lock").write_bytes(b"torn: [\xff")
    documents.check_files(tmp_path)
