"""Reads files whose lines belong together: line n of each is of row n.

`train_text.txt` and `train_labels.txt`, or `seq.in`, `label` and `seq.out` in a folder `train`. Files are one
table if their names differ only in the word that says what they hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path, PurePosixPath

from tasks.ingest.forms import form
from tasks.ingest.forms.names import holds_no_rows
from tasks.ingest.raw import packed
from tasks.ingest.raw.encoding import detect
from tasks.ingest.raw.rows import Line, RawRow, Rejected, lines, rejected
from tasks.ingest.raw.sides import BORDERS
from tasks.ingest.reading.class_folders import UNLABELLED

WORDS = {
    "text": ("text", "texts", "sentence", "sentences", "utterance", "utterances", "tweets", "questions"),
    "label": ("label", "labels", "intent", "intents", "category", "categories", "classes"),
    "tags": ("tags", "slots"),
}
WHOLE = {"seq.in": "text", "seq.out": "tags"}
COLUMN_OF = {word: column for column, words in WORDS.items() for word in words}
ENDINGS = ("", ".txt", ".text", *(f".{word}" for word in COLUMN_OF), ".in", ".out")
FEWEST = 10
"""Lines that some texts have at least: two short notes side by side are no data."""
ALIKE = 0.9
"""Share of the texts' lines from which on another number of labels is a fault; fewer list the classes."""


@dataclass(frozen=True)
class Group:
    """Files by the column that they hold, `text` first; names are relative to the raw folder."""

    names: Mapping[str, str]

    @property
    def first(self) -> str:
        """The file of the texts, after which rows are called."""
        return self.names["text"]


def column_named(name: str) -> str | None:
    """The column that the name of a file says it holds; None for none, several, or what may be a table."""
    found = _parted(name)
    return found[1] if found else None


def groups(files: Mapping[str, Path], fewest: int = FEWEST) -> tuple[list[Group], list[str]]:
    """Those among files that are nothing else, of which one has so many lines at least; and faults: files
    whose numbers of lines differ where they should not.
    """
    together: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for name in files:
        if found := _parted(name):
            together.setdefault(found[0], {}).setdefault(found[1], []).append(name)
    made: list[Group] = []
    odd: list[tuple[str, str, bool]] = []
    most = 0
    for by_column in together.values():
        texts = by_column.pop("text", [])
        counts = {name: _count(files[name]) for names in (texts, *by_column.values()) for name in names}
        lines = counts[texts[0]] if len(texts) == 1 else None
        if not lines:
            continue
        most, kept = max(most, lines), dict[str, str]()
        for column, names in by_column.items():
            same = [name for name in names if counts[name] == lines]
            if len(same) == 1:
                kept[column] = same[0]
            else:
                said = [_told(texts[0], lines, name, counts[name]) for name in names]
                odd += [
                    (one, column, _is_near(counts[name], lines))
                    for one, name in zip(said, names, strict=True)
                ]
        if kept:
            named = {"text": texts[0], **kept}
            made.append(Group({column: named[column] for column in WORDS if column in named}))
    if most < fewest:
        return [], []
    known = {column for group in made for column in group.names}
    return made, [said for said, column, near in odd if near or column in known]


def _told(texts: str, lines: int, name: str, count: int | None) -> str:
    """What is wrong with a file beside one of texts."""
    if count is None:
        return f"{name}, whose lines should belong to those of {texts}, is no text, or torn"
    if count == lines:
        return f"{name} is not alone in having a line for each of {texts}: take the others out of the folder"
    advice = "they are read line by line: add what is missing, or take one of them out of the folder"
    return f"{texts} has {lines:,} lines and {name} {count:,}; {advice}"


def _is_near(count: int | None, lines: int) -> bool:
    return count is not None and ALIKE * lines <= count <= lines / ALIKE


def read(group: Group, files: Mapping[str, Path], encodings: Sequence[str]) -> Iterator[RawRow | Rejected]:
    """Rows with the columns of the group, called after its texts; a first line that names them is none."""
    streams = [
        lines(files[name], encoding, blank=True)
        for name, encoding in zip(group.names.values(), encodings, strict=True)
    ]
    for found in zip_longest(*streams, fillvalue=Line(0, "")):
        number = found[0].number
        if number == 1 and _are_names(group, [one.text for one in found]):
            continue
        if fault := next((one.fault for one in found if one.fault), ""):
            yield rejected(group.first, number, fault, found[0].text)
        else:
            values = {column: one.text.strip() for column, one in zip(group.names, found, strict=True)}
            yield RawRow(group.first, number, values)


def _are_names(group: Group, first: Sequence[str]) -> bool:
    return all(
        text.strip().casefold() in WORDS[column] for column, text in zip(group.names, first, strict=True)
    )


def told(group: Group) -> str:
    """How the rows came about, in words."""
    others = [PurePosixPath(name).name for column, name in group.names.items() if column != "text"]
    return f"read line by line beside {' and '.join(others)}"


def encodings(group: Group, files: Mapping[str, Path]) -> list[str | None]:
    """Of each file of the group; None for what is no text."""
    return [detect(files[name]) for name in group.names.values()]


def _parted(name: str) -> tuple[tuple[str, ...], str] | None:
    """What the name is besides the word that says what the file holds, and the column that this is."""
    path = PurePosixPath(name)
    ending = packed.suffix(name)
    is_other = ending in form.BY_SUFFIX or ending not in ENDINGS or holds_no_rows(name)
    if is_other or UNLABELLED in path.parts[:-1]:
        return None
    folder = str(path.parent)
    bare = path.name.lower()
    bare = bare.removesuffix(PurePosixPath(bare).suffix) if packed.is_packed(bare) else bare
    if bare in WHOLE:
        return (folder,), WHOLE[bare]
    words = BORDERS.split(bare.removesuffix(".txt"))
    columns = [COLUMN_OF[word] for word in words if word in COLUMN_OF]
    if len(columns) != 1:
        return None
    return (folder, *(word for word in words if word not in COLUMN_OF)), columns[0]


def _count(path: Path) -> int | None:
    """Lines; None of what is no text, or cannot be read."""
    try:
        encoding = detect(path)
        return sum(1 for _ in lines(path, encoding, blank=True)) if encoding else None
    except (UnicodeError, packed.PackedError, OSError):
        return None
