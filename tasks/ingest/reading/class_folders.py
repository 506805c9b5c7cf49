"""Reads files that lie in a folder named after their label.

Texts, and images, which are only named here and read later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tasks.ingest.raw.encoding import detect
from tasks.ingest.raw.rows import UNREADABLE, RawRow, Rejected, lines, rejected
from tasks.ingest.raw.sides import is_side

TEXT = ".txt"
UNLABELLED = "unlabelled"
ARRIVED = "arrived"
IMAGES = frozenset(
    {
        ".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".bmp", ".dib", ".gif", ".tif", ".tiff",
        ".webp", ".avif", ".avifs", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".qoi", ".pbm", ".pgm",
        ".ppm", ".pnm", ".pfm",
    }
)  # fmt: skip
"""Endings of what images.py reads."""

TEXT_COLUMNS = ("text", "title", "body", "label")

Reader = Callable[[str, str, Iterable[Path]], tuple[list[RawRow], list[Rejected], str]]
"""(folder, label, files in it) -> rows, what could not be made one, and the encodings or formats in words."""


def is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in IMAGES


def is_unlabelled(name: str) -> bool:
    """Whether this relative path is `unlabelled/<name>.txt`."""
    return PurePosixPath(name).suffix.lower() == TEXT and name.startswith(f"{UNLABELLED}/")


def is_arrived(name: str) -> bool:
    """Whether this relative path lies below the folder `arrived`: its rows came after the start."""
    return name.startswith(f"{ARRIVED}/")


def is_class_text(name: str) -> bool:
    """Whether this relative path is `<label>/<name>.txt`, or `<label>/<number>`, as newsgroups are kept."""
    path = PurePosixPath(name)
    is_text = path.suffix.lower() == TEXT or path.name.isdecimal()
    return is_text and _in_folder(name) and not is_unlabelled(name)


def is_whole_file(row: RawRow) -> bool:
    """Whether a row is a file of a class folder, and not one among many of a table."""
    by_text = is_class_text(row.file) and row.values.keys() == {*TEXT_COLUMNS}
    return by_text or (is_image(row.file) and row.values.get("image") == row.file)


@dataclass
class Found:
    """Files that are no tables, by what becomes of them. A class folder holds rows for the `reader`."""

    reader: Reader
    classes: dict[tuple[str, str], list[Path]] = field(default_factory=dict)
    """(folder, label) -> its files."""
    homeless: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    above: set[str] = field(default_factory=set)
    """Names of folders that hold class folders."""


def sort_out(files: Mapping[str, Path], tabled: bool, above: Collection[str] = ()) -> Found:
    """Class folders hold texts or images, whichever there is more of: a folder of images may have a
    README.txt, or captions.

    Beside a table images are what it names, and no rows of their own. `above`: names of folders that hold
    class folders, as `labels` takes.
    """
    pictures = {name for name in files if is_image(name)}
    written = {name for name in files if is_class_text(name)}
    pictured = not tabled and sum(map(_in_folder, pictures)) > len(written)
    found = Found(images if pictured else texts)
    rows = [name for name in (pictures if pictured else written) if _in_folder(name)]
    label_of = labels(rows, above)
    found.above = {
        part for name, label in label_of.items() for part in folders_of(name)[: folders_of(name).index(label)]
    }
    for name, path in files.items():
        if name in label_of:
            found.classes.setdefault((str(PurePosixPath(name).parent), label_of[name]), []).append(path)
        elif name not in pictures or (written and not pictured and not tabled):
            found.ignored.append(name)
        elif not tabled:
            found.homeless.append(name)
    return found


def labels(names: Collection[str], above: Collection[str] = ()) -> dict[str, str]:
    """The label of each file: the first folder on its path, as torchvision's ImageFolder has it, but for
    folders that hold class folders.

    Those are one folder that holds all the rest, as archives are unpacked, and folders that are all named
    after sides of the split. Of what arrived it is not known what else there is: there they are `above`.
    """
    folders = {name: folders_of(name) for name in names}
    if any(is_arrived(name) for name in names):
        return {name: _first(parts, above) for name, parts in folders.items()}
    level = 0
    for is_above in (_single, _sides):
        deep = all(len(parts) > level + 1 for parts in folders.values())
        level += bool(folders) and deep and is_above({parts[level] for parts in folders.values()})
    return {name: parts[level] for name, parts in folders.items()}


def _first(parts: Sequence[str], above: Collection[str]) -> str:
    return next((part for part in parts[:-1] if part not in above and not is_side(part)), parts[-1])


def _single(names: set[str]) -> bool:
    return len(names) == 1


def _sides(names: set[str]) -> bool:
    return all(map(is_side, names))


def folders_of(name: str) -> tuple[str, ...]:
    """The folders of a path, without `arrived`."""
    parts = PurePosixPath(name).parts[:-1]
    return parts[1:] if is_arrived(name) else parts


def _in_folder(name: str) -> bool:
    """Whether the file's folder may be named after its label."""
    return "/" in name and str(PurePosixPath(name).parent) != ARRIVED


def texts(folder: str, label: str, paths: Iterable[Path]) -> tuple[list[RawRow], list[Rejected], str]:
    """Columns text (all of it), title (its first line), body (the rest) and label.

    And the encodings, in words.
    """
    rows, bad, encodings = [], [], Counter[str]()
    for path in paths:
        name = f"{folder}/{path.name}"
        encoding = detect(path)
        if encoding is None:
            bad.append(rejected(name, 1, "is no text", ""))
            continue
        try:
            text = path.read_text(encoding=encoding)
        except UnicodeError:
            bad.append(rejected(name, 1, UNREADABLE, ""))
            continue
        title, _, body = text.strip().partition("\n")
        rows.append(RawRow(name, 1, dict(zip(TEXT_COLUMNS, (text, title, body, label), strict=True))))
        encodings[encoding] += 1
    return rows, bad, _counted(encodings)


def images(folder: str, label: str, paths: Iterable[Path]) -> tuple[list[RawRow], list[Rejected], str]:
    """Columns image (the file's name, relative to the raw folder) and label; and the formats, in words."""
    names = [f"{folder}/{path.name}" for path in paths]
    rows = [RawRow(name, 1, {"image": name, "label": label}) for name in names]
    return rows, [], _counted(Counter(PurePosixPath(name).suffix.lower().removeprefix(".") for name in names))


def unlabelled(path: Path, name: str) -> tuple[list[str], list[Rejected], list[str]]:
    """The lines of a text file that are whole, those that are not, and what makes the file unreadable."""
    encoding = detect(path)
    if encoding is None:
        return [], [], [f"{name} is no text: it looks like a binary file; save it as text in UTF-8"]
    try:
        found = [*lines(path, encoding)]
    except UnicodeError:
        return [], [], [f"{name} cannot be read as {encoding}, which it seems to be; save it as UTF-8"]
    torn = [rejected(name, line.number, line.fault, line.text) for line in found if line.fault]
    return [line.text for line in found if not line.fault], torn, []


def homeless(name: str) -> Rejected:
    return rejected(
        name,
        1,
        "image without a label: put it in a folder named after its label, or name it in a table",
        name,
    )


def _counted(found: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in found.most_common()) or "none"
