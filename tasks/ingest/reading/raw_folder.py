"""Reads a folder of raw data: CSV, TSV, JSON lines, JSON, Parquet, CoNLL, idx, and folders of texts or images
named after their label.

What cannot be made a row is set aside with file, line and reason. What makes a whole file unreadable is an
error, for all files together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tasks.core import links
from tasks.core.errors import DataError
from tasks.ingest.raw import packed
from tasks.ingest.raw.encoding import detect
from tasks.ingest.raw.rows import RawRow, Rejected
from tasks.ingest.reading import arrow, class_folders, conll, delimited, idx, json_rows

TEXTS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", *conll.SUFFIXES)
SUFFIXES = (*TEXTS, *arrow.SUFFIXES)
FORMATS = (
    f"{', '.join(SUFFIXES)} (those of text also compressed: {', '.join(packed.OPENERS)}), pairs of idx "
    "files, "
    f"or a folder for each label with {class_folders.TEXT} files or images in it"
)
REMEDIES = {
    **dict.fromkeys(
        (".xlsx", ".xls", ".xlsm", ".ods", ".numbers", ".dta", ".sav", ".sas7bdat"), "save it as CSV"
    ),
    **dict.fromkeys(
        (".pickle", ".pkl", ".npy", ".npz", ".h5", ".db", ".sqlite", ".duckdb", ".orc", ".avro"),
        "save it as Parquet or CSV",
    ),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".7z", ".rar", *packed.OPENERS), "unpack it"),
    **dict.fromkeys((".xml", ".yaml", ".yml", ".tab", ".psv", ".dat"), "save it as CSV or JSON"),
}
ABOUT_ARROW = ("dataset_info.json", "dataset_dict.json", "state.json")
NO_TEXT = "is no text: it looks like a binary file; save it as text in UTF-8"


@dataclass(frozen=True)
class Note:
    """What was found in a file, or in a class folder, whose `encoding` tells each with its count."""

    file: str
    encoding: str
    rows: int
    rescued: int
    remarks: dict[str, int] = field(default_factory=dict)
    """What was recognised in it, and left out of it, with counts."""


@dataclass
class Raw:
    rows: list[RawRow] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    unlabelled: list[str] = field(default_factory=list)
    """Lines of the text files in the folder `unlabelled`."""


def read(raw: Path, header: bool) -> Raw:
    """All rows below `raw`, files by name. `header`: CSV and TSV begin with the names of their columns (else
    they are "1", "2", ...).

    Raises:
        DataError: with every file that cannot be read, and why.
    """
    paths, faults = _files(raw)
    result = Raw()
    files = {path.relative_to(raw).as_posix(): path for path in paths}
    for name in [name for name in files if class_folders.is_unlabelled(name)]:
        texts, bad = class_folders.unlabelled(files.pop(name), name)
        result.unlabelled, faults = result.unlabelled + texts, faults + bad
    tables = {name: path for name, path in files.items() if is_table(name)}
    result.ignored = [name for name in tables if _tells_of_arrow(name, tables)]
    tables = {name: path for name, path in tables.items() if name not in result.ignored}
    for name, path in tables.items():
        if idx.is_labels(name):
            faults += [f"{name} has no images beside it"] if idx.lacks_images(path) else []
        else:
            faults += _take(result, path, name, header)
    above: set[str] = set()
    for arrived in (False, True):  # what arrives changes nothing in how the rest is read
        others = {
            name: path
            for name, path in files.items()
            if name not in {*tables, *result.ignored} and class_folders.is_arrived(name) == arrived
        }
        above = _take_folders(
            result, others, any(class_folders.is_arrived(name) == arrived for name in tables), above
        )
    if not faults and not result.notes:
        unused = sorted([*result.ignored, *(one.file for one in result.rejected)])
        found = f"only {some(unused)}" if unused else "no file"
        faults.append(f"holds {found}; what can be read: {FORMATS}")
    if faults:
        raise DataError(raw.name, *faults)
    return result


def _tells_of_arrow(name: str, tables: Iterable[str]) -> bool:
    """Whether it is a file that the library `datasets` saves beside its tables, or above them."""
    path = PurePosixPath(name)
    return path.name in ABOUT_ARROW and any(
        PurePosixPath(one).suffix == ".arrow" and PurePosixPath(one).is_relative_to(path.parent)
        for one in tables
    )


def with_remedy(name: str) -> str:
    """The name of a file that is not read, with what to do if it holds data."""
    suffix = PurePosixPath(name.lower()).suffix
    return f"{name} ({REMEDIES[suffix]})" if suffix in REMEDIES else name


def is_table(name: str) -> bool:
    """Whether a file of this name holds many rows."""
    allowed = TEXTS if packed.is_packed(name) else SUFFIXES
    return packed.suffix(name) in allowed or idx.is_images(name) or idx.is_labels(name)


def is_data(name: str) -> bool:
    """Whether a file of this relative path may be read: as a table, as a row, or because a table names it."""
    return (
        is_table(name)
        or class_folders.is_class_text(name)
        or class_folders.is_image(name)
        or class_folders.is_unlabelled(name)
    )


def _take_folders(result: Raw, files: dict[str, Path], tabled: bool, above: set[str]) -> set[str]:
    found = class_folders.sort_out(files, tabled, above)
    result.ignored += found.ignored
    result.rejected += map(class_folders.homeless, found.homeless)
    for (folder, label), paths in sorted(found.classes.items()):
        rows, bad, stated = found.reader(folder, label, paths)
        result.rows += rows
        result.rejected += bad
        result.notes.append(Note(f"{folder}/", stated, len(rows), 0))
    return found.above


def _files(raw: Path) -> tuple[list[Path], list[str]]:
    if not raw.is_dir():
        raise DataError(
            raw.name,
            "there is no such folder of raw data; bring data in with `slipway data add RUN SOURCE`",
        )
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
    if path.stat().st_size == 0:
        return [f"{name} is empty"]
    encoding: str | None = "binary"
    try:
        if not (packed.suffix(name) in arrow.SUFFIXES or idx.is_images(name)):
            encoding = detect(path)
        return _added(result, path, name, encoding, header) if encoding else [f"{name} {NO_TEXT}"]
    except DataError as error:
        return [f"{error.where}: {fault}" for fault in error.faults]
    except packed.PackedError as error:
        return [f"{name} {error}"]
    except UnicodeError:
        return [f"{name} cannot be read as {encoding}, which it seems to be; save it as UTF-8"]


def _added(result: Raw, path: Path, name: str, encoding: str, header: bool) -> list[str]:
    rows: list[RawRow] = []
    bad: list[Rejected] = []
    remarks: Counter[str] = Counter()
    for item in _parse(path, name, encoding, header, remarks):
        (rows if isinstance(item, RawRow) else bad).append(item)  # type: ignore[arg-type]
    if not rows and not bad:
        return [f"{name} has no rows"]
    result.rows += rows
    result.rejected += bad
    result.notes.append(
        Note(name, encoding, len(rows), sum(row.rescued for row in rows), dict(sorted((+remarks).items())))
    )
    return []


def _parse(
    path: Path, name: str, encoding: str, header: bool, remarks: Counter[str]
) -> Iterator[RawRow | Rejected]:
    if idx.is_images(name):
        return idx.read(path, name)
    match packed.suffix(name):
        case ".csv" | ".tsv":
            return delimited.read(path, name, encoding, header)
        case ".json":
            return json_rows.read(path, name, encoding, remarks, by_line=False)
        case ".jsonl" | ".ndjson":
            return json_rows.read(path, name, encoding, remarks, by_line=True)
        case suffix if suffix in conll.SUFFIXES:
            return conll.read(path, name, encoding, remarks)
        case _:
            return arrow.read(path, name)


def some(names: list[str]) -> str:
    return ", ".join(map(with_remedy, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
