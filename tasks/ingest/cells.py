"""What a raw row holds for a role: the value of its column, or of several as one text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from tasks.core.attachments import attached
from tasks.core.errors import UnusableRowError
from tasks.ingest import joined
from tasks.ingest.cleaning import clean
from tasks.ingest.joined import Names
from tasks.ingest.raw import values
from tasks.ingest.raw.rows import RawRow
from tasks.kinds.base.data import Role


def raw_value(row: RawRow, names: Names) -> str | bytes:
    """As the row has it; of several columns what of them is text."""
    found = [row.values.get(part, "") for part in joined.parts(names)]
    return found[0] if len(found) == 1 else joined.text_of([one for one in found if isinstance(one, str)])


def value_of(row: RawRow, name: str, names: Names, role: Role, cleaned: Counter[str], raw: Path) -> Any:
    """The value of a role as it asks for it: text, what a list is written as, or a file's bytes."""
    if isinstance(names, str):
        return _value_of(row, name, names, role, cleaned, raw)
    return joined.text_of([_value_of(row, name, part, role, cleaned, raw) for part in names])


def _value_of(row: RawRow, name: str, column: str, role: Role, cleaned: Counter[str], raw: Path) -> Any:
    value = row.values.get(column, "")
    if isinstance(value, values.UnsupportedValue) and role.form == "list" and not value.is_nested:
        raise value.refused(column)
    if isinstance(value, str) and role.form != "list":
        value = values.single(value, column, is_label=name == "label")
    if role.form == "file" and isinstance(value, str) and value:
        return attached(raw, value, row.file)
    if isinstance(value, bytes) and role.form != "file":
        raise UnusableRowError(f"no text: the column `{column}` holds bytes")
    if isinstance(value, bytes):
        return value
    return values.whole(value, cleaned) if role.as_is else clean(value, cleaned, role.keeps_lines)
