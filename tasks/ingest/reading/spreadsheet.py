"""Reads workbooks of Excel: the sheet that has rows, with values as their user sees them.

openpyxl reads a row at a time. calamine, which is faster, takes the rectangle that the outermost cells span
at once, and ends the process where a cell stands far out.
"""

from __future__ import annotations

import datetime
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from decimal import ROUND_HALF_UP, Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.core.errors import DataError
from tasks.ingest.raw import packed
from tasks.ingest.raw.rows import RawRow
from tasks.ingest.raw.sides import side_named
from tasks.ingest.raw.values import text_of

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.worksheet.worksheet import Worksheet

CELL_COST = 8
NUMBER = re.compile(r"[#,]*(?P<least>0+)(\.(?P<decimals>0+))?(?P<percent>%?)")
"""Formats of numbers that are followed; others say how a number looks, as with the sign of a currency."""
ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
"""How a workbook writes signs that XML has no room for."""
FORMULA, MERGED = re.compile(rb"<f[ >/]"), re.compile(rb"<mergeCell ")
SHEETS = re.compile(r"xl/worksheets/[^/]+\.xml")
CHUNK, OVERLAP = 1 << 20, 16
SIGNIFICANT = 15
"""Digits that Excel keeps of a number."""


def read(path: Path, name: str, header: bool, remarks: Counter[str]) -> Iterator[RawRow]:
    """Rows of the file `path`, called `name`; `line` is the number of the row in its sheet. `remarks` counts
    what of the workbook is no value.

    Of several sheets with rows each is a file, `rows.xlsx/train`, if the names of all say a side of the
    split.

    Raises:
        DataError: it is no workbook, unpacks to far more than its size, names a column twice, or has rows in
            several sheets.
    """
    try:
        formulas = _look_into(path, name, remarks)
        with _open(path, values=True) as book:
            for file, sheet in _chosen(book, name, path, header, remarks).items():
                yield from _rows(_filled(sheet, path), file, header, remarks)
                if formulas:
                    remarks["formulas without a kept value, read as empty"] += _without_value(path, sheet)
    except DataError:
        raise
    except Exception as error:  # whatever the libraries of zip, XML and openpyxl raise
        raise DataError(
            name,
            f"is no readable workbook of Excel ({_line(error)}); save it anew, without a password, or as CSV",
        ) from None


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _look_into(path: Path, name: str, remarks: Counter[str]) -> int:
    """Counts merged cells, and returns how many formulas there are. Nothing is unpacked that is too large."""
    formulas = 0
    with zipfile.ZipFile(path) as file:
        if sum(one.file_size for one in file.infolist()) > packed.limit(path):
            raise DataError(name, packed.too_large(path))
        for one in file.namelist():
            if SHEETS.fullmatch(one):
                with file.open(one) as stream:
                    tail = b""
                    while chunk := stream.read(CHUNK):
                        seen = tail + chunk
                        tail = seen[-OVERLAP:]
                        formulas += len(FORMULA.findall(seen)) - len(FORMULA.findall(tail))
                        remarks["merged cells, of which only the first has the value"] += len(
                            MERGED.findall(seen)
                        ) - len(MERGED.findall(tail))
    return formulas


@contextmanager
def _open(path: Path, values: bool) -> Iterator[Workbook]:
    """`values`: as they were kept when the workbook was saved; else formulas."""
    import openpyxl

    with path.open("rb") as stream:  # of a path it would judge the ending
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles and the like that openpyxl leaves out
            book = openpyxl.load_workbook(stream, read_only=True, data_only=values, keep_links=False)
        with closing(book):
            yield book


def _chosen(
    book: Workbook, name: str, path: Path, header: bool, remarks: Counter[str]
) -> dict[str, Worksheet]:
    """The sheets to be read, by the names of the files they stand for."""
    hidden = [one for one in book.worksheets if one.sheet_state != "visible"]
    remarks["hidden sheets left out"] += len(hidden)
    filled = [one for one in book.worksheets if one not in hidden and _has_rows(one, path, header)]
    if len(filled) < 2:
        return dict(zip([name], filled, strict=False))
    sides = [side_named(one.title) for one in filled]
    if not all(sides):
        shown = ", ".join(f"`{one.title}`" for one in filled[:10])
        raise DataError(
            name,
            f"has rows in {len(filled)} sheets ({shown}); keep those of one, or name each after a side of "
            "the split: train, validation, test",
        )
    return {f"{name}/{one.title}": one for one in filled}


def _has_rows(sheet: Worksheet, path: Path, header: bool) -> bool:
    return len(list(islice(_filled(sheet, path), 2))) > header


def _filled(sheet: Worksheet, path: Path) -> Iterator[tuple[int, Sequence[Any]]]:
    """Rows that have a value, by their number."""
    sheet.reset_dimensions()  # it may say what it likes
    left = packed.limit(path)
    for number, row in enumerate(sheet.iter_rows(), 1):
        values = [cell.value for cell in row if cell.value is not None]
        left -= CELL_COST * len(row) + (packed.ROW_COST if values else 0)
        left -= sum(len(value) for value in values if isinstance(value, str))
        if left < 0:
            raise DataError(path.name, packed.too_large(path))
        if values:
            yield number, row


def _rows(
    found: Iterator[tuple[int, Sequence[Any]]], file: str, header: bool, remarks: Counter[str]
) -> Iterator[RawRow]:
    names: list[str] | None = None if header else []
    for number, row in found:
        shown = [_shown(cell, remarks) for cell in row]
        if names is None:
            names = _names(file, shown)
            continue
        columns = [*names, *(str(at + 1) for at in range(len(names), len(shown)))]
        cells = zip(columns, [*shown, *[""] * (len(columns) - len(shown))], strict=True)
        values = {
            column: text_of(value)
            for at, (column, value) in enumerate(cells)
            if value or (at < len(names) and column != str(at + 1))
        }
        yield RawRow(file, number, values)


def _names(file: str, shown: Sequence[str]) -> list[str]:
    """Of the columns, as the first row has them; one without a name is called by its number."""
    names = [" ".join(one.split()) or str(at) for at, one in enumerate(shown, 1)]
    twice = [one for one, count in Counter(names).items() if count > 1]
    if twice:
        shown_names = ", ".join(f"`{one}`" for one in twice[:5])
        raise DataError(file, f"the header names {shown_names} twice; give each column a name of its own")
    return names


def _shown(cell: Any, remarks: Counter[str]) -> str:
    """A value as its user sees it: `3`, not `3.0`; a day without a time; nothing for a formula in error."""
    value, form = cell.value, str(cell.number_format)
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return _number(value, form)
    if isinstance(value, datetime.datetime) and value.time() == datetime.time() and "h" not in form.lower():
        return value.date().isoformat()
    if cell.data_type == "e":
        remarks["cells in error, read as empty"] += 1
        return ""
    return "" if value is None else ESCAPED.sub(lambda found: chr(int(found[1], 16)), str(value))


def _number(value: float, form: str) -> str:
    plain = format(value, f".{SIGNIFICANT}g")
    found = NUMBER.fullmatch(form.partition(";")[0])
    if found is None or not plain.lstrip("-")[0].isdigit():
        return str(int(value)) if "e" in plain and value == int(value) else plain
    exact = Decimal(plain) * (100 if found["percent"] else 1)
    decimals = len(found["decimals"] or "")
    rounded = exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    sign, digits = ("-" if rounded < 0 else ""), f"{abs(rounded):f}"
    width = len(found["least"]) + (decimals + 1 if decimals else 0)
    return f"{sign}{digits.rjust(width, '0')}{found['percent']}"


def _without_value(path: Path, sheet: Worksheet) -> int:
    """Formulas whose values were not kept, as programs leave them that write workbooks without reckoning."""
    with _open(path, values=False) as book:
        formulas = {
            (number, at)
            for number, row in _filled(book[sheet.title], path)
            for at, cell in enumerate(row)
            if cell.data_type == "f"
        }
    kept = {
        (number, at)
        for number, row in _filled(sheet, path)
        for at, cell in enumerate(row)
        if cell.value is not None
    }
    return len(formulas - kept)
