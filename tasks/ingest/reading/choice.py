"""Which files of a raw folder are read as tables.

A file whose suffix says that it is a table is one. One that is known by its content alone is read too, but
beside such tables only if it has the columns of one of them, and beside class folders not at all: a list of
the labels, or notes in columns, are no rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tasks.ingest.forms import form
from tasks.ingest.forms.form import AmbiguousError, Form
from tasks.ingest.forms.names import holds_no_rows
from tasks.ingest.raw import packed
from tasks.ingest.raw.sides import is_side, side_named
from tasks.ingest.reading import class_folders, idx, parallel_lines

ABOUT_ARROW = ("dataset_info.json", "dataset_dict.json", "state.json")
STATE = "state.json"
LARGEST_STATE = 10_000_000
TO_BE_READ = "name it .csv, .tsv, .jsonl or .conll, whichever it is, if it holds rows"


@dataclass
class Chosen:
    """Tables by name. `idx_files` are those of images and of labels."""

    idx_files: list[str] = field(default_factory=list)
    parallel: list[parallel_lines.Group] = field(default_factory=list)
    tables: dict[str, Form] = field(default_factory=dict)
    maybe: dict[str, Form] = field(default_factory=dict)
    """Known by their content; read if they have the columns of a table."""
    left: dict[str, str] = field(default_factory=dict)
    """What could be a table and is not read, and why."""
    ignored: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """Of what could be one thing or another, where nothing else tells which; of lines without counterpart."""

    @property
    def of_groups(self) -> set[str]:
        """The files whose lines belong to those of others."""
        return {name for group in self.parallel for name in group.names.values()}


def choose(files: Mapping[str, Path]) -> Chosen:
    """Of the files of a folder, by their relative paths."""
    chosen = Chosen(idx_files=[name for name in files if _is_idx(name)])
    rest = {name: path for name, path in files.items() if name not in set(chosen.idx_files)}
    stale = _not_in_the_set(rest)
    chosen.ignored = [name for name in rest if name in stale or _tells_of_arrow(name, rest)]
    content: dict[str, Form] = {}
    unclear: dict[str, str] = {}
    texts = _class_texts(rest)
    for name in (name for name in rest if name not in set(chosen.ignored)):
        if name in texts:
            continue
        try:
            found = _form(rest[name], name)
        except AmbiguousError as error:
            unclear[name] = str(error)
            continue
        if found is not None:
            (chosen.tables if found.surely else content)[name] = found
        elif class_folders.is_class_text(name):
            chosen.ignored.append(name)
    _take_groups(chosen, content, rest)
    for name in chosen.of_groups:
        content.pop(name, None)
        unclear.pop(name, None)
    for arrived in (False, True):
        _take(chosen, content, unclear, rest, arrived)
    return chosen


def is_data(path: Path, name: str) -> bool:
    """Whether a file of this relative path may be read: as a table, as a row, or because a table names it."""
    return (
        class_folders.is_class_text(name)
        or class_folders.is_image(name)
        or class_folders.is_unlabelled(name)
        or why_no_table(path, name) == ""
    )


def why_no_table(path: Path, name: str) -> str:
    """Empty for a file that holds many rows, or a column of them."""
    try:
        found = _is_idx(name) or parallel_lines.column_named(name) or _form(path, name)
        return "" if found else "this kind of file cannot be read, by its ending or by its content"
    except AmbiguousError as error:
        return str(error)


def _form(path: Path, name: str) -> Form | None:
    is_beside = name.startswith(f"{class_folders.UNLABELLED}/") and packed.suffix(name) not in form.BY_SUFFIX
    return None if class_folders.is_image(name) or is_beside else form.of(path, name)


def _is_idx(name: str) -> bool:
    return idx.is_images(name) or idx.is_labels(name)


def _take_groups(chosen: Chosen, content: Mapping[str, Form], rest: Mapping[str, Path]) -> None:
    """Files whose lines belong together, where there are neither tables nor class folders: there the names of
    files say nothing of the kind. Those that arrived follow those of the start.
    """
    in_columns = {name for name, found in content.items() if found.delimiter == "\t"}
    if chosen.idx_files or any(not class_folders.is_arrived(name) for name in chosen.tables):
        return
    for arrived in (False, True):
        own = {
            name: path
            for name, path in rest.items()
            if name not in {*chosen.tables, *in_columns} and class_folders.is_arrived(name) == arrived
        }
        if not arrived and _has_class_folders(own, of_sides=False):
            return
        fewest = 1 if arrived else parallel_lines.FEWEST
        found, faults = parallel_lines.groups(own, fewest) if chosen.parallel or not arrived else ([], [])
        chosen.parallel += found
        chosen.faults += faults
    chosen.parallel.sort(key=lambda group: group.first)
    chosen.ignored = [name for name in chosen.ignored if name not in chosen.of_groups]


def _take(
    chosen: Chosen,
    content: Mapping[str, Form],
    unclear: Mapping[str, str],
    rest: Mapping[str, Path],
    arrived: bool,
) -> None:
    """Those of the start, or those that arrived, which change nothing in what is made of the start."""
    own = {name: found for name, found in content.items() if class_folders.is_arrived(name) == arrived}
    open_ones = {name: why for name, why in unclear.items() if class_folders.is_arrived(name) == arrived}
    tabled = bool(chosen.idx_files) or any(
        arrived or not class_folders.is_arrived(name) for name in [*chosen.tables, *chosen.of_groups]
    )
    foldered = not tabled and _has_class_folders({*rest} - {*content, *chosen.ignored, *chosen.of_groups})
    if tabled:
        chosen.maybe |= own
    elif foldered:
        chosen.left |= {
            name: f"looks like {found.about}, and is not read beside class folders; {TO_BE_READ}"
            for name, found in own.items()
        }
    else:
        chosen.tables |= own
    if tabled or foldered or own:
        chosen.left |= {name: f"is not read: it {why}" for name, why in open_ones.items()}
    else:
        chosen.faults += [f"{name} {why}" for name, why in open_ones.items()]


def _has_class_folders(names: Iterable[str], of_sides: bool = True) -> bool:
    """Whether files lie in folders of two names at least; `of_sides`: be they those of sides."""
    rows = [name for name in names if class_folders.is_image(name) or class_folders.is_class_text(name)]
    inside = [name for name in rows if class_folders.folders_of(name)]
    found = set(class_folders.labels(inside).values())
    return len(found) > 1 and (of_sides or not all(map(is_side, found)))


def _class_texts(files: Mapping[str, Path]) -> set[str]:
    """The texts in folders named after their label.

    Where the names of all but documents say a side of the split, and each looks like a table
    (`sst/train.txt`), there are none.
    """
    found: set[str] = set()
    for arrived in (False, True):
        texts = [
            name
            for name in files
            if class_folders.is_class_text(name) and class_folders.is_arrived(name) == arrived
        ]
        speaking = [name for name in texts if not holds_no_rows(name)]
        if not (speaking and _are_sides(speaking, files)):
            found.update(texts)
    return found


def _are_sides(texts: Iterable[str], files: Mapping[str, Path]) -> bool:
    """Whether all are tables of a side."""
    try:
        return all(side_named(PurePosixPath(name).name) and form.of(files[name], name) for name in texts)
    except AmbiguousError:
        return False


def _tells_of_arrow(name: str, names: Iterable[str]) -> bool:
    """Whether it is a file that the library `datasets` saves beside its tables, or above them."""
    path = PurePosixPath(name)
    return path.name in ABOUT_ARROW and any(
        PurePosixPath(one).suffix == ".arrow" and PurePosixPath(one).is_relative_to(path.parent)
        for one in names
    )


def _not_in_the_set(files: Mapping[str, Path]) -> set[str]:
    """Tables in folders that the library `datasets` has saved, of which its state.json does not speak: what
    it has kept of earlier steps.
    """
    stale: set[str] = set()
    for name, path in files.items():
        if PurePosixPath(name).name == STATE and (listed := _listed(path)):
            folder = PurePosixPath(name).parent
            stale |= {
                one
                for one in files
                if PurePosixPath(one).parent == folder
                and PurePosixPath(one).suffix == ".arrow"
                and PurePosixPath(one).name not in listed
            }
    return stale


def _listed(state: Path) -> set[str]:
    try:
        if state.stat().st_size > LARGEST_STATE:
            return set()
        found = json.loads(state.read_text(encoding="utf-8"))["_data_files"]
        return {str(one["filename"]) for one in found}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return set()
