"""Columns whose names differ from those of the params in case or blanks alone."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.core.errors import DataError
from tasks.ingest.columns import matched
from tasks.ingest.raw.rows import RawRow, column_key

ROLES = {"text": "TEXT", "label": "my label"}
QUICK = settings(max_examples=60, deadline=None, derandomize=True, database=None)


def row(file: str, **values: str) -> RawRow:
    return RawRow(file, 2, {name.replace("__", " "): value for name, value in values.items()})


def test_a_column_is_found_though_case_and_blanks_differ_and_it_is_told() -> None:
    rows, told = matched(
        [
            row("a.csv", Text="foo", **{" My  Label ": "x"}, other="1"),
            row("b.csv", TEXT="bar", my__label="y"),
        ],
        ROLES,
    )
    assert [dict(one.values) for one in rows] == [
        {"TEXT": "foo", "my label": "x", "other": "1"},
        {"TEXT": "bar", "my label": "y"},
    ]
    assert told == [
        "the column `Text` is read as `TEXT`, for they differ in case or blanks alone: 1 rows of a.csv",
        "the column ` My  Label ` is read as `my label`, for they differ in case or blanks alone: 1 rows of "
        "a.csv",
    ]


def test_two_columns_that_differ_only_so_are_a_fault() -> None:
    with pytest.raises(DataError) as caught:
        matched([row("a.csv", text="foo", Text="bar", my__label="x")], ROLES)
    assert str(caught.value.faults[0]).startswith(
        "a.csv: `text` and `Text` differ in case or blanks alone, and `TEXT` could be either"
    )


def test_a_column_that_is_written_alike_is_taken_and_the_other_is_told() -> None:
    given_rows = [row("a.csv", TEXT="foo", Text="bar", my__label="x")]
    rows, told = matched(given_rows, ROLES)
    assert rows == given_rows
    assert told == [
        "the column `TEXT` is read; `Text`, from which it differs in case or blanks, is not",
    ]


def test_a_column_of_another_role_is_not_taken() -> None:
    with pytest.raises(DataError, match="no column `TEXT`"):
        matched(
            [row("a.csv", text="foo", **{"my label": "x"})],
            {"label": "text", "text": "TEXT", "pool": "my label"},
        )


def test_rows_of_one_file_may_differ() -> None:
    rows, _ = matched(
        [row("a.jsonl", Text="a", **{"my label": "x"}), row("a.jsonl", tEXT="b", **{"MY LABEL": "y"})], ROLES
    )
    assert [one.values["TEXT"] for one in rows] == ["a", "b"]


@QUICK
@given(name=st.text("aBéß \t\u00a0", max_size=8), pad=st.sampled_from(["", " ", "\t", "\ufeff"]))
def test_key_of_a_column_forgets_case_and_outer_blanks(name: str, pad: str) -> None:
    assert column_key(f"{pad}{name}{pad}") == column_key(name)
    assert column_key(column_key(name)) == column_key(name)
