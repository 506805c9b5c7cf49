"""Reads CSV and TSV.

Finds the delimiter, keeps line breaks inside quoted fields, and takes apart what a stray quote has swallowed.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from tasks.core.errors import DataError
from tasks.ingest.forms.tables import SEPARATOR_HINT
from tasks.ingest.raw import packed
from tasks.ingest.raw.rows import LONGEST_LINE, Line, RawRow, Rejected, lines, rejected

DELIMITERS = ",;\t|"
SAMPLE = 1_000
DOUBLED = re.compile(r'"[^"]*[^",;\t|]""[^"]')
ALIKE = 0.9
"""A record is swallowed rows if so many of its lines are whole rows by themselves."""


def read(
    path: Path, name: str, encoding: str, header: bool, delimiter: str = ""
) -> Iterator[RawRow | Rejected]:
    """Rows of the file `path`, called `name`. Without a header the columns are "1", "2", ...

    `delimiter`: what parts the fields, if that is known.

    Raises:
        DataError: the header names a column twice.
    """
    source = lines(path, encoding)
    ahead = deque(islice(source, SAMPLE))
    sound = [line.text for line in ahead if not line.fault]
    if not sound:
        yield from (rejected(name, line.number, line.fault, line.text) for line in ahead)
        return
    hint = SEPARATOR_HINT.fullmatch(sound[0])
    if hint:
        _drop_hint(ahead)
        sound = sound[1:] or [""]
    found = delimiter or _delimiter(sound, prefer_tab=packed.suffix(name) == ".tsv")
    delimiter = hint["sign"] if hint else found
    if header:
        while ahead and ahead[0].fault:
            line = ahead.popleft()
            yield rejected(name, line.number, line.fault, line.text)
        if ahead:
            ahead.popleft()
    table, first = _table(delimiter, sound, header), sound[0]
    columns = (
        _header(name, table.fields(first) or table.plain(first))
        if header
        else [str(number + 1) for number in range(table.width)]
    )
    yield from _rows(name, columns, table, _Ahead(ahead, source))


def _drop_hint(ahead: deque[Line]) -> None:
    ahead.remove(next(line for line in ahead if not line.fault))


def _table(delimiter: str, sample: list[str], header: bool) -> _Table:
    """Tabs need no quotes: in a TSV they are signs like others, unless the file clearly uses them."""
    strict = _Table(delimiter)
    strict.width = Counter(_widths(strict, sample[:1] if header else sample)).most_common(1)[0][0]
    strict.quoted = strict.needs_quotes(sample)
    strict.quoting = strict.quoted or delimiter != "\t"
    return strict


def _widths(table: _Table, sample: list[str]) -> Iterator[int]:
    """Fields of each record; a quoted text may go over more lines than there are records."""
    at = 0
    while at < len(sample):
        over_lines = '"' in sample[at] and table.delimiter != "\t"
        record = _record(table, islice(sample, at, None)) if over_lines else [sample[at]]
        if (fields := table.fields(*record)) is None:
            record, fields = record[:1], table.fields(sample[at]) or table.plain(sample[at])
        yield len(fields)
        at += len(record)


def _header(name: str, fields: list[str]) -> list[str]:
    columns = [field.strip() or str(number) for number, field in enumerate(fields, 1)]
    twice = [column for column, count in Counter(columns).items() if count > 1]
    if twice:
        raise DataError(
            name,
            f"the header names {', '.join(f'`{column}`' for column in twice)} twice; give each column a "
            "name of its own",
        )
    return columns


def _delimiter(sample: list[str], prefer_tab: bool) -> str:
    """The sign that parts the first line into the most fields."""
    first = sample[0]
    if prefer_tab and "\t" in first:
        return "\t"
    widths = {sign: len(_Table(sign).fields(first) or _Table(sign).plain(first)) for sign in DELIMITERS}
    return max(DELIMITERS, key=lambda sign: widths[sign])


class _Table:
    """How one file parts its lines into fields."""

    def __init__(self, delimiter: str) -> None:
        self.delimiter = delimiter
        self.width = 0
        self.quoting = True
        """Quotes hold fields together; else they are signs like others."""
        self.quoted = False
        """The file clearly uses them so."""

    def plain(self, text: str) -> list[str]:
        return text.split(self.delimiter)

    def fields(self, *texts: str) -> list[str] | None:
        """The fields of one record, by the rules of quoting; None if it breaks them."""
        if not self.quoting or not any('"' in text for text in texts):
            return self.plain(texts[0]) if len(texts) == 1 else None
        try:
            records = list(
                csv.reader(
                    [*(f"{text}\n" for text in texts[:-1]), texts[-1]], delimiter=self.delimiter, strict=True
                )
            )
        except csv.Error:
            return None
        return records[0] if len(records) == 1 else None

    def row(self, text: str) -> list[str] | None:
        """The fields of a line that is a whole row by itself, with its quotes as signs like others if need
        be.
        """
        for fields in (self.fields(text), self.plain(text)):
            if fields is not None and len(fields) == self.width:
                return fields
        return None

    def needs_quotes(self, sample: list[str]) -> bool:
        """Many records have quotes that hold a delimiter, a line break, a quote or nothing else than the
        field, and few have stray ones.
        """
        needed = stray = at = 0
        while at < len(sample):
            text = sample[at]
            record = _record(self, islice(sample, at, None)) if '"' in text else [text]
            fields = self.fields(*record)
            good = fields is not None and len(fields) == self.width and not _is_swallowed(self, record)
            if '"' in text:
                needed += good and (
                    len(record) > 1
                    or len(self.plain(text)) != self.width
                    or _all_quoted(text, self.delimiter)
                )
                stray += not good
            at += len(record) if good else 1
        return needed > stray and needed > 0


def _all_quoted(text: str, delimiter: str) -> bool:
    return all(len(field) > 1 and field[0] == field[-1] == '"' for field in text.strip().split(delimiter))


class _Ahead:
    """Lines with a look ahead."""

    def __init__(self, ahead: deque[Line], source: Iterator[Line]) -> None:
        self._ahead, self._source = ahead, source

    def peek(self, index: int) -> Line | None:
        while len(self._ahead) <= index and (line := next(self._source, None)):
            self._ahead.append(line)
        return self._ahead[index] if index < len(self._ahead) else None

    def texts(self) -> Iterator[str]:
        """Of the lines ahead, up to one that cannot be read."""
        index = 0
        while (line := self.peek(index)) and not line.fault:
            yield line.text
            index += 1

    def drop(self, count: int) -> None:
        for _ in range(count):
            self._ahead.popleft()


def _rows(name: str, columns: list[str], table: _Table, source: _Ahead) -> Iterator[RawRow | Rejected]:
    swallowed = 0
    while first := source.peek(0):
        span = 1
        if first.fault:
            yield rejected(name, first.number, first.fault, first.text)
        elif fields := _whole(table, first.text):
            yield RawRow(name, first.number, dict(zip(columns, fields, strict=True)), rescued=swallowed > 0)
        else:
            inside = swallowed > 0
            record = [first.text] if inside else _record(table, source.texts())
            fields = table.fields(*record) if len(record) > 1 and not _is_swallowed(table, record) else None
            if fields and len(fields) == table.width:
                span = len(record)
                yield RawRow(name, first.number, dict(zip(columns, fields, strict=True)))
            elif fields := table.row(first.text):
                swallowed = max(swallowed, len(record))
                yield RawRow(
                    name,
                    first.number,
                    dict(zip(columns, fields, strict=True)),
                    rescued=inside or len(record) > 1,
                )
            else:
                yield rejected(name, first.number, _ragged(table, first.text), first.text)
        swallowed = max(0, swallowed - span)
        source.drop(span)


def _whole(table: _Table, text: str) -> list[str] | None:
    fields = table.fields(text)
    return fields if fields is not None and len(fields) == table.width else None


def _record(table: _Table, texts: Iterable[str]) -> list[str]:
    """The first lines of `texts` that a quote opened on the first one runs over, as an ordinary reader takes
    them.
    """
    taken: list[str] = []

    def feed() -> Iterator[str]:
        size = 0
        for text in texts:
            taken.append(text)
            yield f"{text}\n"
            size += len(text)
            if size > LONGEST_LINE:
                return

    next(csv.reader(feed(), delimiter=table.delimiter))
    return taken if table.quoting else taken[:1]


def _is_swallowed(table: _Table, record: list[str]) -> bool:
    """Lines that are rows by themselves.

    But two or three lines of a file that quotes its fields well are a text with a comma in each; so are those
    with a quote that is written twice, as programs write one within a field.
    """
    if len(record) < 2:
        return False
    alone = sum(table.row(text) is not None for text in record)
    if alone < ALIKE * len(record):
        return False
    fields = table.fields(*record)
    is_meant = table.quoted or _doubles(record)
    return not (is_meant and len(record) <= 3 and fields is not None and len(fields) == table.width)


def _doubles(record: Sequence[str]) -> bool:
    """Whether a field that begins with a quote holds one that is written twice."""
    return DOUBLED.search("\n".join(record)) is not None


def _ragged(table: _Table, text: str) -> str:
    fields = table.fields(text)
    if fields is None:
        return "ragged: a quote is opened and not closed"
    return f"ragged: {len(fields)} fields where the table has {table.width}"
