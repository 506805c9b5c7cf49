"""What of a raw folder was not read, and what of its folders was not taken for a label.

Nothing of it stays unsaid.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

from tasks.ingest.forms import names
from tasks.ingest.raw.rows import RawRow
from tasks.ingest.reading import class_folders

SHOWN = 3


def warnings(
    raw: Path,
    rows: Collection[RawRow],
    ignored: Iterable[str],
    aside: Collection[str],
    columns: Collection[str],
    looks: Mapping[str, str] | None = None,
) -> list[str]:
    """A sentence for each thing to tell; none for a folder that was read whole.

    Args:
        ignored: files that the readers left.
        aside: files of which something was set aside with a reason.
        columns: those that may name a file.
        looks: of the ignored files, those that look like data, and why they were left.
    """
    hidden = {
        path.relative_to(raw).as_posix()
        for path in raw.rglob("*")
        if path.is_file() and is_hidden(path.relative_to(raw).as_posix())
    }
    left = {*ignored, *hidden, *(_unnamed(raw, rows, columns) - set(aside))}
    found = [f"{len(left):,} file{'' if len(left) == 1 else 's'} not read: {by_ending(left)}"] if left else []
    found += [f"{name} {why}" for name, why in sorted((looks or {}).items())][:SHOWN]
    below = nested(rows)
    return [*found, below] if below else found


def _unnamed(raw: Path, rows: Collection[RawRow], columns: Collection[str]) -> set[str]:
    """Pictures beside a table that no row names."""
    pictures = {
        path.relative_to(raw).as_posix()
        for path in raw.rglob("*")
        if class_folders.is_image(path.name) and path.is_file()
    }
    for row in rows if pictures else ():
        pictures.discard(row.file)
        for column in columns:
            if isinstance(value := row.values.get(column), str):
                name = PureWindowsPath(value).as_posix()
                pictures -= {name, (PurePosixPath(row.file).parent / name).as_posix()}
    return pictures


def is_hidden(name: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(name).parts)


def nested(rows: Iterable[RawRow]) -> str:
    """What there is to tell of class folders that hold further folders; nothing if none does."""
    found = {row.file: str(row.values["label"]) for row in rows if class_folders.is_whole_file(row)}
    below = sorted(
        {
            str(PurePosixPath(name).parent)
            for name, label in found.items()
            if class_folders.folders_of(name)[-1] != label
        }
    )
    if not below:
        return ""
    some = ", ".join(below[:SHOWN]) + (f" and {len(below) - SHOWN} more" if len(below) > SHOWN else "")
    return (
        f"folders below class folders are no labels ({some}); the labels are "
        f"{', '.join(sorted(set(found.values()))[:10])}"
    )


def by_ending(names: Collection[str]) -> str:
    """`2 .heic (a.heic, b.heic), 1 without ending (Makefile)`.

    How many files of each sort, and some of them.
    """
    sorts: dict[str, list[str]] = {}
    for name in sorted(names):
        hidden = is_hidden(name)
        ending = "hidden" if hidden else PurePosixPath(name).suffix.lower() or "without ending"
        sorts.setdefault(ending, []).append(name if name.isprintable() else ascii(name))
    return ", ".join(
        f"{len(found):,} {ending} "
        f"({', '.join(found[:SHOWN])}{', ...' if len(found) > SHOWN else ''}{_remedy(ending)})"
        for ending, found in sorted(sorts.items(), key=lambda one: (-len(one[1]), one[0]))
    )


def _remedy(ending: str) -> str:
    advice = names.remedy(ending)
    return f": {advice}" if advice else ""
