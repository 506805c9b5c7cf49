"""Reads JSON lines and JSON.

Objects one after another, in an array, below a key, or a table as pandas writes it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from tasks.ingest.raw import packed
from tasks.ingest.raw.rows import UNREADABLE, RawRow, Rejected, lines, rejected
from tasks.ingest.raw.values import text_of
from tasks.ingest.reading.json_files import annotation_exports, snips, tables

SAMPLE = 1_000
EXCERPT = 400
NEXT_OBJECT = re.compile(r"^[ \t]*\{", re.MULTILINE)
MARK = "\ufeff"
DAMAGED = re.compile("[\udc80-\udcff]")
"""How bytes that are no characters are held."""


@dataclass(frozen=True)
class Found:
    """A value at its line, with the beginning of how it is written."""

    line: int
    value: Any
    text: str
    damaged: bool = False
    """Some of its bytes are no characters."""
    below: str = ""
    """The key of the file that it stands below, where others are other sides of the split."""


class TwiceError(ValueError):
    """An object names a key twice."""


def read(
    path: Path, name: str, encoding: str, remarks: Counter[str], by_line: bool
) -> Iterator[RawRow | Rejected]:
    """`remarks` counts what was recognised in the file and what of it was left out."""
    found = (
        _of_lines(path, name, encoding)
        if by_line
        else _of_tables(name, _of_text(path, name, encoding), remarks)
    )
    sample = list(islice(found, SAMPLE))
    export = annotation_exports.recognised([one.value for one in sample if isinstance(one, Found)])
    for one in chain(sample, found):
        yield one if isinstance(one, Rejected) else _row(name, one, export, remarks)


def _of_lines(path: Path, name: str, encoding: str) -> Iterator[Found | Rejected]:
    for line in lines(path, encoding):
        if line.fault:
            yield rejected(name, line.number, line.fault, line.text)
            continue
        try:
            yield Found(line.number, DECODER.decode(line.text), line.text[:EXCERPT])
        except (ValueError, RecursionError) as error:
            yield rejected(name, line.number, _why(error), line.text)


def _of_text(path: Path, name: str, encoding: str) -> Iterator[Found | Rejected]:
    """Values one after another, in one line or over several, in arrays or not."""
    with packed.open_text(
        path, encoding, "surrogateescape" if encoding.startswith("utf-8") else "strict"
    ) as file:
        text = file.read()
    damaged = DAMAGED.search(text) is not None
    position, is_open, counted, number = _skip(text, 0), False, 0, 1
    while position < len(text):
        number += text.count("\n", counted, position)
        counted = position
        if text[position] == ("]" if is_open else "["):
            is_open = not is_open
            position = _skip(text, position + 1)
            continue
        try:
            value, end = DECODER.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            end = _next_object(text, position)
            is_open = is_open and end < len(text)
            yield rejected(
                name,
                number,
                _why(error) + _left_out(text, position, end),
                text[position : position + EXCERPT],
            )
        else:
            is_bad = damaged and DAMAGED.search(text, position, end) is not None
            yield Found(number, value, text[position : position + EXCERPT], is_bad)
        position = _skip(text, end)
    if is_open:
        yield rejected(name, number, "the array has no end: the file seems to be cut off", text[-EXCERPT:])


def _next_object(text: str, position: int) -> int:
    """Where a line begins with one, so that no object within a damaged one is taken for a row."""
    following = NEXT_OBJECT.search(text, text.find("\n", position) + 1 or len(text))
    return following.end() - 1 if following else len(text)


def _left_out(text: str, position: int, end: int) -> str:
    has_more = text.find("{", position + 1, end) > 0
    return (
        f"; all {end - position:,} signs up to the next line that begins an object are left out"
        if has_more
        else ""
    )


def _skip(text: str, position: int) -> int:
    while position < len(text) and (text[position].isspace() or text[position] in f",{MARK}"):
        position += 1
    return position


def _of_tables(
    name: str, found: Iterator[Found | Rejected], remarks: Counter[str]
) -> Iterator[Found | Rejected]:
    """A file of one object may be a table, whose rows are counted from 1."""
    first = list(islice(found, 2))
    if len(first) == 1 and isinstance(first[0], Found) and (split := tables.sides(first[0].value)):
        for side, listed in split.items():
            yield from (
                _sound(name, _within(number, row, first[0], side)) for number, row in enumerate(listed, 1)
            )
        return
    rows = _rows_within(name, first[0], remarks) if len(first) == 1 and isinstance(first[0], Found) else None
    if rows is None:
        yield from (_sound(name, one) for one in chain(first, found))
        return
    assert isinstance(first[0], Found)  # noqa: S101  # for rows are within it
    for at, row in enumerate(rows, 1):
        yield _sound(name, _within(at, row, first[0]))


def _within(at: int, row: Any, whole: Found, below: str = "") -> Found:
    """A row of a file that is one value."""
    text = json.dumps(row, ensure_ascii=False) if whole.damaged else ""
    return Found(at, row, text[:EXCERPT], DAMAGED.search(text) is not None, below)


def _sound(name: str, one: Found | Rejected) -> Found | Rejected:
    if isinstance(one, Found) and one.damaged:
        return rejected(name, one.line, UNREADABLE, one.text)
    return one


def _rows_within(name: str, only: Found, remarks: Counter[str]) -> Iterator[Any] | None:
    if (said := snips.utterances(only.value)) is not None:
        rows = list(said)
        remarks[f"read as an export of {snips.TOOL}"] += len(rows)
        return iter(rows)
    is_row = not isinstance(only.value, dict) or annotation_exports.recognised([only.value]) is not None
    return None if is_row else tables.rows(only.value, name)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        twice = [key for key, count in Counter(key for key, _ in pairs).items() if count > 1]
        raise TwiceError(f"names {', '.join(f'`{key[:40]}`' for key in twice[:5])} twice in one object")
    return made


DECODER = json.JSONDecoder(object_pairs_hook=_once)


def _why(error: Exception) -> str:
    if isinstance(error, TwiceError):
        return str(error)
    said = (
        f"{error.msg}, sign {error.colno}"
        if isinstance(error, json.JSONDecodeError)
        else "nested too deeply or a number too long"
    )
    return f"is no JSON ({said})"


def _row(
    name: str, found: Found, export: annotation_exports.Export | None, remarks: Counter[str]
) -> RawRow | Rejected:
    file = f"{name}/{found.below}" if found.below else name
    try:
        value = export.columns(found.value, remarks) if export else found.value
        if found.below and isinstance(value, list):
            value = {str(number): item for number, item in enumerate(value, 1)}
        if not isinstance(value, dict):
            return rejected(file, found.line, "is no JSON object", found.text)
        own = {key: text_of(item) for key, item in value.items()}
        return RawRow(
            file, found.line, own | {key: item for key, item in _inside(value).items() if key not in own}
        )
    except annotation_exports.NoRowError as reason:
        return rejected(file, found.line, str(reason), found.text)


def _inside(value: dict[str, Any]) -> dict[str, str | bytes]:
    """The values of objects in an object, by `meta.intent`."""
    return {
        f"{key}.{name}": text_of(item)
        for key, one in value.items()
        if isinstance(one, dict)
        for name, item in one.items()
        if not isinstance(item, dict | list)
    }
