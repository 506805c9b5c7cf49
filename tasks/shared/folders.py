"""Reads files that lie in a folder named after their label: texts, and images, which are only named here and read later."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tasks.shared.encoding import detect
from tasks.shared.records import UNREADABLE, Rejected, Row, lines, rejected

TEXT = ".txt"
UNLABELLED = "unlabelled"
ARRIVED = "arrived"
IMAGES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp"})

Reader = Callable[[str, Iterable[Path]], tuple[list[Row], list[Rejected], str]]


def is_image(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in IMAGES


def is_unlabelled(name: str) -> bool:
    """Whether this relative path is `unlabelled/<name>.txt`."""
    return PurePosixPath(name).suffix.lower() == TEXT and name.startswith(f"{UNLABELLED}/")


def is_arrived(name: str) -> bool:
    """Whether this relative path lies below the folder `arrived`: its rows came after the start."""
    return name.startswith(f"{ARRIVED}/")


def is_class_text(name: str) -> bool:
    """Whether this relative path is `<label>/<name>.txt`."""
    return PurePosixPath(name).suffix.lower() == TEXT and _in_folder(name) and not is_unlabelled(name)


@dataclass
class Found:
    """Files that are no tables, by what becomes of them. A class folder holds rows for the `reader`."""

    reader: Reader
    classes: dict[str, list[Path]] = field(default_factory=dict)
    homeless: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def sort_out(files: Mapping[str, Path], tabled: bool) -> Found:
    """Class folders hold texts or images, whichever there is more of: a folder of images may have a README.txt, or captions.

    Beside a table images are what it names, and no rows of their own.
    """
    pictures = {name for name in files if is_image(name)}
    written = {name for name in files if is_class_text(name)}
    pictured = not tabled and sum(map(_in_folder, pictures)) > len(written)
    found = Found(images if pictured else texts)
    for name, path in files.items():
        if name in (pictures if pictured else written) and _in_folder(name):
            found.classes.setdefault(str(PurePosixPath(name).parent), []).append(path)
        elif name not in pictures or (written and not pictured and not tabled):
            found.ignored.append(name)
        elif not tabled:
            found.homeless.append(name)
    return found


def _in_folder(name: str) -> bool:
    """Whether the file's folder may be named after its label."""
    return "/" in name and str(PurePosixPath(name).parent) != ARRIVED


def texts(folder: str, paths: Iterable[Path]) -> tuple[list[Row], list[Rejected], str]:
    """Columns text (all of it), title (its first line), body (the rest) and label (the folder's name); and the encodings, in words."""
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
        rows.append(Row(name, 1, {"text": text, "title": title, "body": body, "label": PurePosixPath(folder).name}))
        encodings[encoding] += 1
    return rows, bad, _counted(encodings)


def images(folder: str, paths: Iterable[Path]) -> tuple[list[Row], list[Rejected], str]:
    """Columns image (the file's name, relative to the raw folder) and label (the folder's name); and the formats, in words."""
    names = [f"{folder}/{path.name}" for path in paths]
    rows = [Row(name, 1, {"image": name, "label": PurePosixPath(folder).name}) for name in names]
    return rows, [], _counted(Counter(PurePosixPath(name).suffix.lower().removeprefix(".") for name in names))


def unlabelled(path: Path, name: str) -> tuple[list[str], list[str]]:
    """The lines of a text file that are whole, and what makes the file unreadable."""
    encoding = detect(path)
    if encoding is None:
        return [], [f"{name} is no text: it looks like a binary file; save it as text in UTF-8"]
    try:
        return [line.text for line in lines(path, encoding) if not line.fault], []
    except UnicodeError:
        return [], [f"{name} cannot be read as {encoding}, which it seems to be; save it as UTF-8"]


def homeless(name: str) -> Rejected:
    return rejected(name, 1, "image without a label: put it in a folder named after its label, or name it in a table", name)


def _counted(found: Counter[str]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in found.most_common()) or "none"
