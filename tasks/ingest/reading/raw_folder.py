"""Reads a folder of raw data: tables of text, JSON, Parquet, Arrow, Excel, CoNLL, idx, lines that begin with
their label, and folders of texts or images named after their label.

What cannot be made a row is set aside with file, line and reason. What makes a whole file unreadable is an
error, for all files together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tasks.core import links
from tasks.core.errors import DataError
from tasks.ingest.forms.form import BY_SUFFIX, EXCEL, Form
from tasks.ingest.forms.names import with_remedy
from tasks.ingest.raw import packed
from tasks.ingest.raw.encoding import detect
from tasks.ingest.raw.rows import RawRow, Rejected, column_key
from tasks.ingest.reading import (
    arrow,
    choice,
    class_folders,
    conll,
    delimited,
    idx,
    labelled_lines,
    parallel_lines,
    spreadsheet,
)
from tasks.ingest.reading.json_files import rows as json_rows

SUFFIXES = tuple(BY_SUFFIX)
FORMATS = (
    f"{', '.join([*BY_SUFFIX, *EXCEL])} (those of text also compressed: {', '.join(packed.OPENERS)}), "
    "files with other endings or none that hold a table, JSON, CoNLL or lines that begin with their label or "
    "end with @ and it, "
    "files whose lines belong together (train_text.txt and train_labels.txt), "
    f"pairs of idx files, or a folder for each label with {class_folders.TEXT} files or images in it"
)
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
    left: dict[str, str] = field(default_factory=dict)
    """Of the ignored files, those that look like data, and why they are not read."""


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
        texts, torn, bad = class_folders.unlabelled(files.pop(name), name)
        result.unlabelled, faults = result.unlabelled + texts, faults + bad
        result.rejected += torn
    chosen = choice.choose(files)
    faults += chosen.faults
    result.ignored, result.left = chosen.ignored, chosen.left
    for group in chosen.parallel:
        faults += _take_parallel(result, group, files)
    read_as = {name: chosen.tables.get(name) for name in files if name in {*chosen.idx_files, *chosen.tables}}
    for name in sorted(read_as, key=lambda name: (found := read_as[name]) is not None and not found.surely):
        if idx.is_labels(name):
            faults += [f"{name} has no images beside it"] if idx.lacks_images(files[name]) else []
        else:
            faults += _take(result, files[name], name, read_as[name], header)
    read_as |= {
        name: form
        for name, form in chosen.maybe.items()
        if _take_alike(result, files[name], name, form, header)
    }
    above: set[str] = set()
    for arrived in (False, True):  # what arrives changes nothing in how the rest is read
        others = {
            name: path
            for name, path in files.items()
            if name not in {*read_as, *chosen.of_groups, *chosen.ignored}
            and class_folders.is_arrived(name) == arrived
        }
        tabled = any(class_folders.is_arrived(name) == arrived for name in [*read_as, *chosen.of_groups])
        above = _take_folders(result, others, tabled, above)
    if not faults and not result.notes:
        unused = sorted([*result.ignored, *(one.file for one in result.rejected)])
        found = f"only {some(unused)}" if unused else "no file"
        faults.append(f"holds {found}; what can be read: {FORMATS}")
    if faults:
        raise DataError(raw.name, *faults)
    return result


def _take_parallel(result: Raw, group: parallel_lines.Group, files: dict[str, Path]) -> list[str]:
    encodings = parallel_lines.encodings(group, files)
    texts = [encoding for encoding in encodings if encoding]
    if len(texts) < len(encodings):
        unread = [name for name, one in zip(group.names.values(), encodings, strict=True) if not one]
        return [f"{name} {NO_TEXT}" for name in unread]
    found = [*parallel_lines.read(group, files, texts)]
    rows = [one for one in found if isinstance(one, RawRow)]
    result.rows += rows
    result.rejected += [one for one in found if isinstance(one, Rejected)]
    told = {parallel_lines.told(group): len(rows)}
    result.notes.append(Note(group.first, ", ".join(dict.fromkeys(texts)), len(rows), 0, told))
    return []


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


def _take(result: Raw, path: Path, name: str, form: Form | None, header: bool) -> list[str]:
    """Adds what a file holds to the result; its faults if it cannot be read. `form`: None for idx."""
    if path.stat().st_size == 0:
        return [f"{name} is empty"]
    encoding: str | None = "binary"
    try:
        if form is not None and form.is_text:
            encoding = detect(path)
        return _added(result, path, name, encoding, form, header) if encoding else [f"{name} {NO_TEXT}"]
    except DataError as error:
        return [f"{error.where}: {fault}" for fault in error.faults]
    except packed.PackedError as error:
        return [f"{name} {error}"]
    except UnicodeError:
        return [f"{name} cannot be read as {encoding}, which it seems to be; save it as UTF-8"]


def _added(result: Raw, path: Path, name: str, encoding: str, form: Form | None, header: bool) -> list[str]:
    rows: dict[str, list[RawRow]] = {}
    bad: list[Rejected] = []
    remarks: Counter[str] = Counter()
    for item in _parse(path, name, encoding, form, header, remarks):
        if isinstance(item, Rejected):
            bad.append(item)
        else:
            rows.setdefault(item.file, []).append(item)
    if not rows and not bad:
        return [f"{name} has no rows"]
    if form is not None and (form.against_name or not form.surely):
        is_said = "not what its ending says, but" if form.against_name else "by its content"
        remarks[f"{is_said} {form.about}"] += sum(map(len, rows.values()))
    result.rejected += bad
    told = dict(sorted((+remarks).items()))
    for number, (file, found) in enumerate((rows or {name: []}).items()):
        result.rows += found
        rescued = sum(row.rescued for row in found)
        result.notes.append(Note(file, encoding, len(found), rescued, told if number == 0 else {}))
    return []


def _take_alike(result: Raw, path: Path, name: str, form: Form, header: bool) -> bool:
    """Adds what a file holds that is known by its content alone, if it has the columns of a table; whether it
    has.
    """
    alone = Raw()
    fault = next(iter(_take(alone, path, name, form, header)), "")
    columns = {column_key(column) for row in alone.rows for column in row.values}
    if fault or columns not in _columns(result):
        why = f"cannot be read ({fault})" if fault else "has not the columns of a table here"
        result.left[name] = f"looks like {form.about}, but {why}; {choice.TO_BE_READ}"
        return False
    result.rows += alone.rows
    result.rejected += alone.rejected
    result.notes += alone.notes
    return True


def _columns(result: Raw) -> list[set[str]]:
    """The different sets of columns that files have."""
    by_file: dict[str, set[str]] = {}
    for row in result.rows:
        by_file.setdefault(row.file, set()).update(map(column_key, row.values))
    return list(by_file.values())


def _parse(
    path: Path, name: str, encoding: str, form: Form | None, header: bool, remarks: Counter[str]
) -> Iterator[RawRow | Rejected]:
    found: Iterator[RawRow | Rejected]
    match form.reader if form is not None else "idx":
        case "delimited":
            found = delimited.read(path, name, encoding, header, form.delimiter if form else "")
        case "JSON" | "lines of JSON" as kind:
            found = json_rows.read(path, name, encoding, remarks, by_line=kind == "lines of JSON")
        case "CoNLL":
            found = conll.read(path, name, encoding, remarks)
        case "fastText":
            found = labelled_lines.fasttext(path, name, encoding)
        case "labelled lines":
            found = labelled_lines.labelled(path, name, encoding, remarks)
        case "ended lines":
            found = labelled_lines.ended(path, name, encoding)
        case "Excel":
            found = spreadsheet.read(path, name, header, remarks)
        case "idx":
            found = idx.read(path, name)
        case kind:
            found = arrow.read(path, name, is_parquet=kind == "Parquet")
    return found


def some(names: list[str]) -> str:
    return ", ".join(map(with_remedy, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
