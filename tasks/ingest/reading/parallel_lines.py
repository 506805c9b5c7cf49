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

WORDS = {
    "text": ("text", "texts", "sentence", "sentences", "utterance", "utterances", "tweets", "questions"),
    "label": ("label", "labels", "intent", "intents", "category", "categories", "classes"),
    "tags": ("tags", "slots"),
}
WHOLE = {"seq.in": "text", "seq.out": "tags"}
COLUMN_OF = {word: column for column, words in WORDS.items() for word in words}
ENDINGS = ("", ".txt", ".text", *(f".{word}" for word in COLUMN_OF), ".in", ".out")
ALIKE = 0.9
"""Share of the texts from which on another number of labels is a fault; fewer are a list of the classes."""


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


def groups(files: Mapping[str, Path]) -> tuple[list[Group], list[str]]:
    """Those among the files of a folder, and faults: numbers of lines that differ by little."""
    together: dict[tuple[str, ...], dict[str, str]] = {}
    twice: set[tuple[str, ...]] = set()
    for name in files:
        if found := _parted(name):
            rest, column = found
            if column in together.setdefault(rest, {}):
                twice.add(rest)
            together[rest][column] = name
    made, faults = [], []
    for rest, names in together.items():
        if rest in twice or "text" not in names or len(names) == 1:
            continue
        counted = {column: _count(files[name]) for column, name in names.items()}
        kept = {column: name for column, name in names.items() if counted[column] == counted["text"]}
        odd = [column for column in names.keys() - kept.keys() if counted[column] >= ALIKE * counted["text"]]
        if odd:
            faults += [
                f"{names['text']} has {counted['text']:,} lines and {names[column]} {counted[column]:,}; "
                "they are read line by line: add what is missing, or take one of them out of the folder"
                for column in sorted(odd)
            ]
        elif len(kept) > 1:
            made.append(Group({column: kept[column] for column in WORDS if column in kept}))
    return made, faults


def read(group: Group, files: Mapping[str, Path], encodings: Sequence[str]) -> Iterator[RawRow | Rejected]:
    """Rows with the columns of the group, called after its texts."""
    streams = [
        lines(files[name], encoding, blank=True)
        for name, encoding in zip(group.names.values(), encodings, strict=True)
    ]
    for found in zip_longest(*streams, fillvalue=Line(0, "")):
        number = found[0].number
        if fault := next((one.fault for one in found if one.fault), ""):
            yield rejected(group.first, number, fault, found[0].text)
        else:
            values = {column: one.text.strip() for column, one in zip(group.names, found, strict=True)}
            yield RawRow(group.first, number, values)


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
    if packed.suffix(name) in form.BY_SUFFIX or holds_no_rows(name) or packed.suffix(name) not in ENDINGS:
        return None
    folder = str(path.parent)
    if path.name.lower() in WHOLE:
        return (folder,), WHOLE[path.name.lower()]
    words = [word.lower() for word in BORDERS.split(path.name.removesuffix(".txt"))]
    columns = [COLUMN_OF[word] for word in words if word in COLUMN_OF]
    if len(columns) != 1:
        return None
    return (folder, *(word for word in words if word not in COLUMN_OF)), columns[0]


def _count(path: Path) -> int:
    encoding = detect(path)
    try:
        return sum(1 for _ in lines(path, encoding, blank=True)) if encoding else 0
    except UnicodeError:
        return 0
