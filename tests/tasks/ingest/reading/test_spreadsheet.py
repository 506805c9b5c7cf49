"""Workbooks of Excel: which sheet is read, and its values as their user sees them."""

from __future__ import annotations

import contextlib
import datetime
import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from tasks.core.errors import DataError
from tasks.ingest.reading import raw_folder

HEAD = ("text", "label")
ROWS = [("foo\nbar", "x"), ("baz", "y")]


def book(*sheets: tuple[str, Sequence[Sequence[Any]]]) -> Any:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets:
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    return made


def read(folder: Path, made: Any, name: str = "a.xlsx", header: bool = True) -> raw_folder.Raw:
    made.save(folder / name)
    return raw_folder.read(folder, header)


def changed(made: Any, change: Callable[[str], str]) -> bytes:
    """The workbook with other XML in its sheets."""
    made.save(whole := io.BytesIO())
    result = io.BytesIO()
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(result, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            text = old.read(name)
            new.writestr(name, change(text.decode()) if "worksheets/" in name else text)
    return result.getvalue()


@pytest.mark.parametrize("name", ["a.xlsx", "A.XLSX", "a.xlsm", "a.csv", "a"])
def test_a_sheet_gives_rows_by_the_numbers_that_excel_shows(tmp_path: Path, name: str) -> None:
    made = book(("Tabelle1", [(), HEAD, ROWS[0], (None, None), ROWS[1]]), ("empty", []), ("also", [HEAD]))
    made.save(tmp_path / "whole.xlsx")
    (tmp_path / "whole.xlsx").rename(tmp_path / name)
    raw = raw_folder.read(tmp_path, header=True)
    assert [(row.file, row.line, dict(row.values)) for row in raw.rows] == [
        (name, 3, {"text": "foo\nbar", "label": "x"}),
        (name, 5, {"text": "baz", "label": "y"}),
    ]


def test_without_a_header_columns_are_numbered(tmp_path: Path) -> None:
    raw = read(tmp_path, book(("a", ROWS)), header=False)
    assert [dict(row.values) for row in raw.rows] == [{"1": "foo\nbar", "2": "x"}, {"1": "baz", "2": "y"}]


SHOWN = [
    (3, "General", "3"),
    (3.0, "General", "3"),
    (0.1 + 0.2, "General", "0.3"),
    (1e20, "General", "100000000000000000000"),
    (-2.5, "General", "-2.5"),
    (7, "000", "007"),
    (2.345, "0.00", "2.35"),
    (-2.345, "#,##0.00", "-2.35"),
    (0.125, "0%", "13%"),
    (0.125, "0.0%", "12.5%"),
    (1234.5, '#,##0.00 "€"', "1234.5"),
    (True, "General", "TRUE"),
    (datetime.datetime(2024, 5, 1), "yyyy-mm-dd", "2024-05-01"),
    (datetime.datetime(2024, 5, 1), "yyyy-mm-dd hh:mm", "2024-05-01 00:00:00"),
    (datetime.datetime(2024, 5, 1, 13, 0, 5), "dd.mm.yyyy", "2024-05-01 13:00:05"),
    (datetime.time(13, 5), "hh:mm", "13:05:00"),
    ("a_x000D_b", "@", "a\rb"),
    ("  kept ", "@", "  kept "),
    ("#N/A", "General", ""),
    (None, "General", ""),
]


def test_values_are_what_their_user_sees(tmp_path: Path) -> None:
    made = book(("a", [("id", "v")]))
    for at, (value, form, _) in enumerate(SHOWN, 2):
        made["a"].cell(at, 1, "k")
        made["a"].cell(at, 2, value).number_format = form
    raw = read(tmp_path, made)
    assert [row.values["v"] for row in raw.rows] == [shown for _, _, shown in SHOWN]
    assert raw.notes[0].remarks["cells in error, read as empty"] == 1


def test_formulas_give_the_value_that_was_kept_and_those_without_are_counted(tmp_path: Path) -> None:
    made = book(("a", [HEAD, ("one", "=1+1"), ("two", "=2+2")]))
    content = changed(made, lambda text: text.replace("<f>1+1</f><v />", "<f>1+1</f><v>2</v>"))
    assert b"PK" in content
    (tmp_path / "a.xlsx").write_bytes(content)
    raw = raw_folder.read(tmp_path, header=True)
    assert [row.values["label"] for row in raw.rows] == ["2", ""]
    assert raw.notes[0].remarks["formulas without a kept value, read as empty"] == 1


def test_merged_cells_hidden_sheets_and_cells_beyond_the_header_are_not_lost_unsaid(tmp_path: Path) -> None:
    made = book(("a", [HEAD, ("one", "x"), ("two", None, "note")]), ("lists", [HEAD, ("no", "row")]))
    made["a"].merge_cells("B2:B3")
    made["lists"].sheet_state = "hidden"
    raw = read(tmp_path, made)
    assert [dict(row.values) for row in raw.rows] == [
        {"text": "one", "label": "x"},
        {"text": "two", "label": "", "3": "note"},
    ]
    assert {what: count for what, count in raw.notes[0].remarks.items() if "content" not in what} == {
        "hidden sheets left out": 1,
        "merged cells, of which only the first has the value": 1,
    }


def test_several_sheets_with_rows_are_files_if_they_are_named_after_sides(tmp_path: Path) -> None:
    raw = read(tmp_path, book(("Train", [HEAD, *ROWS]), ("test", [HEAD, ROWS[0]]), ("notes", [])))
    assert [row.file for row in raw.rows] == ["a.xlsx/Train"] * 2 + ["a.xlsx/test"]
    assert [(note.file, note.rows) for note in raw.notes] == [("a.xlsx/Train", 2), ("a.xlsx/test", 1)]
    (tmp_path / "a.xlsx").unlink()
    with pytest.raises(DataError) as caught:
        read(tmp_path, book(("2023", [HEAD, *ROWS]), ("test", [HEAD, ROWS[0]])))
    assert "a.xlsx: has rows in 2 sheets (`2023`, `test`); keep those of one, or name each" in str(
        caught.value
    )


def test_a_column_named_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the header names `text` twice"):
        read(tmp_path, book(("a", [("text", "text"), ROWS[0]])))


@pytest.mark.parametrize("at", range(0, 40))
def test_a_damaged_workbook_is_a_fault_of_ours(tmp_path: Path, at: int) -> None:
    book(("a", [HEAD, *ROWS])).save(tmp_path / "a.xlsx")
    content = bytearray((tmp_path / "a.xlsx").read_bytes())
    content[at * len(content) // 40] ^= 255
    (tmp_path / "a.xlsx").write_bytes(bytes(content))
    with contextlib.suppress(DataError):
        assert raw_folder.read(tmp_path, header=True).rows


def test_a_cell_far_out_costs_no_memory_and_little_time(tmp_path: Path) -> None:
    made = book(("a", [HEAD, *ROWS]))
    made["a"]["XFD1048576"] = "far"
    raw = read(tmp_path, made)
    assert [dict(row.values) for row in raw.rows[2:]] == [{"text": "", "label": "", "16384": "far"}]


def test_a_small_workbook_that_unpacks_to_much_is_refused(tmp_path: Path) -> None:
    made = book(("a", [HEAD, *ROWS]))
    wide = "".join(f'<row r="{n}"><c r="XFD{n}" s="0"/></row>' for n in range(5, 3_000))
    (tmp_path / "wide.xlsx").write_bytes(
        changed(made, lambda text: text.replace("</sheetData>", f"{wide}</sheetData>"))
    )
    large = " " * 80_000_000
    (tmp_path / "large.xlsx").write_bytes(
        changed(made, lambda text: text.replace("</sheetData>", f"</sheetData>{large}"))
    )
    with pytest.raises(DataError) as caught:
        raw_folder.read(tmp_path, header=True)
    assert [fault.partition(":")[0] for fault in caught.value.faults] == ["large.xlsx", "wide.xlsx"]
    assert str(caught.value).count("unpacks to more than 67,108,864 bytes") == 2


def test_entities_are_not_unfolded(tmp_path: Path) -> None:
    made = book(("a", [HEAD, *ROWS]))
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>'
    content = changed(
        made,
        lambda text: f"{bomb}{text}" if not text.startswith("<?xml") else text.replace("?>", f"?>{bomb}", 1),
    )
    (tmp_path / "a.xlsx").write_bytes(content)
    with pytest.raises(DataError, match="is no readable workbook of Excel"):
        raw_folder.read(tmp_path, header=True)
