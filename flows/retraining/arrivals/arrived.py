"""Writes the good rows of a night as one file for data/raw/<run>/arrived/; ingest makes the same records of
it as of where they came from.

The file's name follows from its content, and its content from the rows alone, so that writing the same rows
again changes nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.core.attachments import attached
from tasks.core.errors import DataError, UnusableRowError
from tasks.ingest.raw.rows import LONGEST_LINE, RawRow

if TYPE_CHECKING:
    import pyarrow as pa

UNFINISHED = ".part"
"""With a dot before the name, which hides it from ingest."""
Values = Mapping[str, str | bytes]


def write(
    rows: Sequence[RawRow],
    into: Path,
    raw: Path,
    file_columns: Collection[str],
    columns: Collection[str] = (),
) -> Path | None:
    """JSON lines; Parquet if rows hold pictures, or texts too long for a line.

    Args:
        into: the folder, made if it is not there.
        raw: what the rows' `file` and the files they name are relative to.
        file_columns: columns whose texts name files; what is in them is written instead, so that the file
            stands alone.
        columns: those it must have, even if all of these rows leave them empty; others are as the rows have
            them.

    Returns:
        The file, or None if there are no rows.

    Raises:
        DataError: with the rows that name files which cannot be had.
    """
    if not rows:
        return None
    names = sorted({*columns, *(name for row in rows for name in row.values)})
    whole = [
        {name: values.get(name, "") for name in names} for values in _with_files(rows, raw, file_columns)
    ]
    lines = (
        None
        if any(isinstance(value, bytes) for values in whole for value in values.values())
        else _json_lines(whole)
    )
    content = _parquet(whole, names) if lines is None else lines
    suffix = ".parquet" if lines is None else ".jsonl"
    return _put(into, hashlib.sha256(content).hexdigest()[:16] + suffix, content)


def _with_files(rows: Sequence[RawRow], raw: Path, columns: Collection[str]) -> list[Values]:
    whole: list[Values] = []
    faults = []
    for row in rows:
        values = dict(row.values)
        for column in columns:
            value = values.get(column)
            if isinstance(value, str) and value:
                try:
                    values[column] = attached(raw, value, row.file)
                except UnusableRowError as reason:
                    faults.append(f"{row.file}:{row.line}: {reason}")
        whole.append(values)
    if faults:
        raise DataError("arrived rows", *faults)
    return whole


def _json_lines(rows: Sequence[Values]) -> bytes | None:
    """None if a line would be longer than what is read.

    In ASCII: no guess at an encoding can go wrong, and half characters are kept.
    """
    lines = sorted(json.dumps(values) for values in rows)
    return (
        None
        if max(map(len, lines)) > LONGEST_LINE
        else "".join(f"{line}\n" for line in lines).encode("ascii")
    )


def _parquet(rows: Sequence[Values], names: Sequence[str]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    ordered = sorted(rows, key=lambda values: [_bytes(values[name]) for name in names])
    table = pa.table({_bytes(name).decode(): _column([values[name] for values in ordered]) for name in names})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", compression_level=3, version="2.6", row_group_size=1_000)
    return bytes(sink.getvalue())


def _column(values: Sequence[str | bytes]) -> pa.Array:
    """Bytes if there are any.

    An empty text among them is nothing, which is read as an empty text; empty bytes stay what they are.
    """
    import pyarrow as pa

    if any(isinstance(value, bytes) for value in values):
        return pa.array([None if value == "" else _bytes(value) for value in values], pa.large_binary())
    return pa.array([_bytes(value).decode() for value in values], pa.large_string())


def _bytes(value: str | bytes) -> bytes:
    """Without half characters, which Parquet cannot hold and ingest removes."""
    return value if isinstance(value, bytes) else value.encode("utf-8", "ignore")


def _put(into: Path, name: str, content: bytes) -> Path:
    into.mkdir(parents=True, exist_ok=True)
    for left in into.glob(f".*{UNFINISHED}"):  # by a kill
        left.unlink()
    path = into / name
    if not path.is_file() or path.read_bytes() != content:
        unfinished = into / f".{name}{UNFINISHED}"
        with unfinished.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    return path
