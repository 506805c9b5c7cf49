"""What raw data look like before anything is known of them: whether their files begin with names, and their
columns."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tasks.core import links
from tasks.core.errors import DataError, UnusableRowError
from tasks.ingest.raw.rows import RawRow
from tasks.ingest.raw.sides import side_named
from tasks.ingest.raw.values import NUMBER, UnsupportedValue, single
from tasks.ingest.reading import class_folders, raw_folder
from tasks.ingest.reading.raw_folder import Raw
from tasks.kinds.text.common.texts import WORD
from tasks.proposals.proposal import Column

MOST_TOLD = 1_000
"""Values of a column that are counted one by one."""
IMAGES = 20
"""That are looked at."""
LONGEST_NAME, MOST_WORDS = 40, 4
"""Of a column's name, in characters and in words."""
SPLIT_NAMES = ("split", "set", "fold", "subset", "partition")


@dataclass(frozen=True)
class Looked:
    """Raw data."""

    raw: Raw
    header: bool
    """Files of delimited text begin with the names of their columns."""
    columns: Mapping[str, Column]
    sides: Mapping[str, int]
    """Rows of each side of a split that the data give, by the names of files or the column `split`; empty if
    they give none."""
    split_column: str | None
    """The column that says the side of a row."""


def look(folder: Path) -> Looked:
    """Reads a folder of raw data.

    Raises:
        DataError: with every file that cannot be read.
    """
    plain = raw_folder.read(folder, header=False)
    header = has_header(plain.rows)
    raw = raw_folder.read(folder, header=True) if header else plain
    if not raw.rows:
        raise DataError(folder.name, "no row could be read", *[one.reason for one in raw.rejected[:5]])
    sides, split_column = _sides(raw.rows)
    return Looked(raw, header, columns_of(raw.rows, folder), sides, split_column)


def has_header(rows: Sequence[RawRow]) -> bool:
    """Whether delimited files begin with the names of their columns; True where there are none."""
    by_file: defaultdict[str, list[RawRow]] = defaultdict(list)
    for row in rows:
        if all(name.isdecimal() for name in row.values):
            by_file[row.file].append(row)
    firsts = [tuple(map(str, listed[0].values.values())) for listed in by_file.values()]
    if len(firsts) > 1 and len(set(firsts)) == 1:
        return _could_be_names(firsts[0])
    return all(
        _could_be_names(first) and not _recurs(first, listed)
        for first, listed in zip(firsts, by_file.values(), strict=True)
    )


def _could_be_names(fields: Sequence[str]) -> bool:
    return len(set(fields)) == len(fields) and all(
        field
        and len(field) <= LONGEST_NAME
        and len(field.split()) <= MOST_WORDS
        and not NUMBER.fullmatch(field)
        for field in map(str.strip, fields)
    )


def _recurs(fields: Sequence[str], rows: Sequence[RawRow]) -> bool:
    """Whether a field of the first row stands in its column again, as a label would."""
    columns = zip(*(map(str, row.values.values()) for row in rows[1:]), strict=False)
    return any(field in set(column) for field, column in zip(fields, columns, strict=False))


def columns_of(rows: Sequence[RawRow], folder: Path) -> dict[str, Column]:
    """The columns of rows of a raw folder, in the order in which they are met."""
    values: dict[str, list[str | bytes]] = {}
    for row in rows:
        for name, value in row.values.items():
            values.setdefault(name, []).append(value)
    return {name: _column(name, listed, folder) for name, listed in values.items()}


def _column(name: str, values: Sequence[str | bytes], folder: Path) -> Column:
    filled = [value for value in (_alone(one, name) for one in values) if value not in ("", b"")]
    texts = [value for value in filled if isinstance(value, str)]
    nested = [value for value in texts if isinstance(value, UnsupportedValue) and value.is_nested]
    pictures = len(filled) - len(texts) + sum(map(class_folders.is_image, texts))
    counts = Counter(texts)
    share = 1 / max(len(filled), 1)
    return Column(
        name,
        rows=len(values),
        filled=len(filled),
        distinct=len(counts) + len(filled) - len(texts),
        words=share * sum(len(WORD.findall(text)) for text in texts),
        numeric=share * sum(NUMBER.fullmatch(text.strip()) is not None for text in texts),
        listed=share * len(nested),
        pictures=share * pictures,
        top=counts.most_common(MOST_TOLD),
        images=list(_images(filled, folder)) if pictures else [],
    )


def _alone(value: str | bytes, column: str) -> str | bytes:
    """Of a list of one what is in it, as ingest takes labels; everything else as it is."""
    if isinstance(value, bytes):
        return value
    try:
        return single(value, column, is_label=True)
    except UnusableRowError:
        return value


def _images(values: Sequence[str | bytes], folder: Path) -> Iterator[bytes]:
    """Some of the images, spread over the values."""
    for value in values[:: max(1, len(values) // IMAGES)][:IMAGES]:
        if isinstance(value, bytes):
            yield value
        elif links.fault(folder / value, folder) == "" and (folder / value).is_file():
            yield (folder / value).read_bytes()


def _sides(rows: Sequence[RawRow]) -> tuple[dict[str, int], str | None]:
    """Rows of each side, and the column that says it.

    A split needs rows to train on and others to test on.
    """
    for column in SPLIT_NAMES:
        named = next((name for name in rows[0].values if name.strip().casefold() == column), None)
        if named and (found := _counted(str(row.values.get(named, "")) for row in rows)):
            return found, named
    return _counted(row.file for row in rows) or {}, None


def _counted(names: Iterable[str]) -> dict[str, int] | None:
    counts = Counter(map(side_named, names))
    return dict(counts) if None not in counts and {"train", "test"} <= counts.keys() else None  # type: ignore[arg-type]


def stem(file: str) -> str:
    """The name of a file without its folder and endings."""
    return PurePosixPath(file).name.partition(".")[0]
