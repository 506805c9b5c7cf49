"""Reads a folder of raw data: CSV, TSV, JSON lines, JSON, Parquet, CoNLL, idx, and folders of texts or images named after their label.

What cannot be made a row is set aside with file, line and reason. What makes a whole file unreadable is an error, for all files together.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from tasks.shared import conll, delimited, folders, idx, links
from tasks.shared.encoding import detect
from tasks.shared.errors import DataError
from tasks.shared.records import Rejected, Row, lines, rejected

SUFFIXES = [".csv", ".tsv", ".jsonl", ".json", ".parquet", ".conll"]
FORMATS = f"{', '.join(SUFFIXES)}, pairs of idx files, or a folder for each label with {folders.TEXT} files or images in it"
BATCH = 1_000
"""Rows of a Parquet file that are in memory in both forms; each may hold an image."""
NO_TEXT = "is no text: it looks like a binary file; save it as text in UTF-8"
OBJECT = re.compile(r"^[ \t]*\{", re.MULTILINE)


@dataclass(frozen=True)
class Note:
    """What was found in a file, or in a class folder, whose `encoding` tells each with its count."""

    file: str
    encoding: str
    rows: int
    rescued: int


@dataclass
class Raw:
    rows: list[Row] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)
    """Lines of the text files in the folder `unlabelled`."""


def read(raw: Path, header: bool) -> Raw:
    """All rows below `raw`, files by name. `header`: CSV and TSV begin with the names of their columns (else they are "1", "2", ...).

    Raises:
        DataError: with every file that cannot be read, and why.
    """
    paths, faults = _files(raw)
    result = Raw()
    files = {path.relative_to(raw).as_posix(): path for path in paths}
    for name in [name for name in files if folders.is_unlabelled(name)]:
        texts, bad = folders.unlabelled(files.pop(name), name)
        result.unlabelled, faults = result.unlabelled + texts, faults + bad
    tables = {name: path for name, path in files.items() if is_table(name)}
    for name, path in tables.items():
        if idx.is_labels(name):
            faults += [f"{name} has no images beside it"] if idx.lacks_images(path) else []
        else:
            faults += _take(result, path, name, header)
    above: set[str] = set()
    for arrived in (False, True):  # what arrives changes nothing in how the rest is read
        others = {name: path for name, path in files.items() if name not in tables and folders.is_arrived(name) == arrived}
        above = _take_folders(result, others, any(folders.is_arrived(name) == arrived for name in tables), above)
    if not faults and not result.notes:
        unused = sorted([*result.ignored, *(one.file for one in result.rejected)])
        found = f"only {_some(unused)}" if unused else "no file"
        faults.append(f"holds {found}; what can be read: {FORMATS}")
    if faults:
        raise DataError(raw.name, *faults)
    return result


def is_table(name: str) -> bool:
    """Whether a file of this name holds many rows."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES or idx.is_images(name) or idx.is_labels(name)


def is_data(name: str) -> bool:
    """Whether a file of this relative path may be read: as a table, as a row, or because a table names it."""
    return is_table(name) or folders.is_class_text(name) or folders.is_image(name) or folders.is_unlabelled(name)


def _take_folders(result: Raw, files: dict[str, Path], tabled: bool, above: set[str]) -> set[str]:
    found = folders.sort_out(files, tabled, above)
    result.ignored += found.ignored
    result.rejected += map(folders.homeless, found.homeless)
    for (folder, label), paths in sorted(found.classes.items()):
        rows, bad, stated = found.reader(folder, label, paths)
        result.rows += rows
        result.rejected += bad
        result.notes.append(Note(f"{folder}/", stated, len(rows), 0))
    return found.above


def _files(raw: Path) -> tuple[list[Path], list[str]]:
    if not raw.is_dir():
        raise DataError(raw.name, "there is no such folder of raw data; bring data in with `python -m flows.data add RUN SOURCE`")
    if raw.is_symlink():
        raise DataError(raw.name, "is a link; put the folder itself there")
    files, faults = [], []
    for path in sorted(raw.rglob("*"), key=lambda path: path.relative_to(raw).parts):
        name = path.relative_to(raw)
        if any(part.startswith(".") for part in name.parts):
            continue
        if fault := links.fault(path, raw):
            faults.append(f"{name.as_posix()} {fault}")
        elif path.is_file():
            files.append(path)
    return files, faults


def _take(result: Raw, path: Path, name: str, header: bool) -> list[str]:
    """Adds what a file holds to the result; its faults if it cannot be read."""
    encoding = "binary" if path.suffix.lower() == ".parquet" or idx.is_images(name) else detect(path)
    if path.stat().st_size == 0:
        return [f"{name} is empty"]
    if encoding is None:
        return [f"{name} {NO_TEXT}"]
    rows: list[Row] = []
    bad: list[Rejected] = []
    try:
        for item in _parse(path, name, encoding, header):
            (rows if isinstance(item, Row) else bad).append(item)  # type: ignore[arg-type]
    except DataError as error:
        return [f"{error.where}: {fault}" for fault in error.faults]
    except UnicodeError:
        return [f"{name} cannot be read as {encoding}, which it seems to be; save it as UTF-8"]
    if not rows and not bad:
        return [f"{name} has no rows"]
    result.rows += rows
    result.rejected += bad
    result.notes.append(Note(name, encoding, len(rows), sum(row.rescued for row in rows)))
    return []


def _parse(path: Path, name: str, encoding: str, header: bool) -> Iterator[Row | Rejected]:
    if idx.is_images(name):
        return idx.read(path, name)
    match path.suffix.lower():
        case ".csv" | ".tsv":
            return delimited.read(path, name, encoding, header)
        case ".jsonl":
            return _json_lines(path, name, encoding)
        case ".conll":
            return conll.read(path, name, encoding)
        case ".json":
            return _json(path, name, encoding)
        case _:
            return _parquet(path, name)


def _json_lines(path: Path, name: str, encoding: str) -> Iterator[Row | Rejected]:
    for line in lines(path, encoding):
        if line.fault:
            yield rejected(name, line.number, line.fault, line.text)
            continue
        try:
            yield _row(name, line.number, json.loads(line.text), line.text)
        except (ValueError, RecursionError) as error:
            yield rejected(name, line.number, f"is no JSON ({_why(error)})", line.text)


def _json(path: Path, name: str, encoding: str) -> Iterator[Row | Rejected]:
    """An array of objects, or objects one after another, in one line or over several."""
    text = path.read_text(encoding=encoding, errors="surrogateescape" if encoding.startswith("utf-8") else "strict")
    decoder = json.JSONDecoder()
    position = _skip(text, 0, "")
    array = text.startswith("[", position)
    position = _skip(text, position + array, ",")
    counted, number = 0, 1
    while position < len(text) and not (array and text[position] == "]"):
        number += text.count("\n", counted, position)
        counted = position
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            yield rejected(name, number, f"is no JSON ({_why(error)})", text[position : position + 400])
            following = OBJECT.search(text, text.find("\n", position) + 1 or len(text))
            position = following.end() - 1 if following else len(text)
            continue
        yield _row(name, number, value, text[position : position + 400])
        position = _skip(text, end, ",")


def _skip(text: str, position: int, signs: str) -> int:
    while position < len(text) and (text[position].isspace() or text[position] in signs):
        position += 1
    return position


def _why(error: Exception) -> str:
    return f"{error.msg}, sign {error.colno}" if isinstance(error, json.JSONDecodeError) else "nested too deeply or a number too long"


def _row(name: str, number: int, value: Any, text: str) -> Row | Rejected:
    if not isinstance(value, dict):
        return rejected(name, number, "is no JSON object", text)
    return Row(name, number, {key: _text(item) for key, item in value.items()})


def _text(value: Any) -> str | bytes:
    match value:
        case str() | bytes():
            return value
        case None:
            return ""
        case dict() | list() | bool():
            return json.dumps(value, ensure_ascii=False, default=str)
        case _:
            return str(value)


def _parquet(path: Path, name: str) -> Iterator[Row | Rejected]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            images = [column.name for column in file.schema_arrow if _is_image(column.type)]
            number = 0
            for batch in file.iter_batches(batch_size=BATCH):
                for values in batch.to_pylist():
                    number += 1
                    values |= {column: _image(values[column]) for column in images}
                    yield _row(name, number, values, "")
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(name, f"is no readable Parquet ({str(error).splitlines()[0]})") from None


def _is_image(column: Any) -> bool:
    """Whether a column holds images as the hub stores them: their bytes, or where they are."""
    import pyarrow as pa

    return pa.types.is_struct(column) and {field.name for field in column} == {"bytes", "path"}


def _image(value: dict[str, Any] | None) -> Any:
    return value and (value["bytes"] or value["path"])


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
