"""Several sources at once: files and folders that are named one by one, or by a pattern (`news/*.csv`)."""

from __future__ import annotations

import filecmp
import glob
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from flows.raw_data import sources
from tasks.core.errors import DataError

SHOWN = 5


def bring(given: Sequence[str], into: Path) -> list[str]:
    """Puts the data of all sources into the empty folder `into` and returns their names; that of a pattern is
    its last part.

    One folder gives what is in it. Of several sources a folder stays a folder, as a label or a side may be
    its name.

    Raises:
        DataError: there is no such source, nothing fits a pattern, or two sources bring a file of one name.
        PassingError: the hub cannot be reached.
    """
    found = [(one, path) for one in dict.fromkeys(given) for path in expanded(one)]
    if len(found) == 1:
        sources.bring(found[0][1], into)
    else:
        origin: dict[Path, str] = {}
        for _, path in found:
            _merge(path, into, origin)
    return list(dict.fromkeys(name_of(one) for one in given))


def expanded(source: str) -> list[str]:
    """The files and folders that a pattern names, in order; any other source as it is.

    Raises:
        DataError: nothing fits the pattern.
    """
    if not is_pattern(source):
        return [source]
    found = sorted(glob.glob(str(Path(source).expanduser()), recursive=True))  # noqa: PTH207 (it has an anchor)
    inside = {str(parent) for one in found for parent in Path(one).parents}
    files = [one for one in found if one.rstrip("/") not in inside]
    if not files:
        raise DataError(source, "nothing fits this pattern; put it in quotes, and check the folder in front")
    return files


def is_pattern(source: str) -> bool:
    """Whether a source is none itself but names some by `*`, `?` or `[...]`."""
    is_own = source in sources.EMBEDDED or source.startswith("hub:")
    return not is_own and glob.has_magic(source) and not Path(source).expanduser().exists()


def name_of(source: str) -> str:
    """What is remembered of a source: of a path its last part."""
    is_own = source in sources.EMBEDDED or source.startswith("hub:")
    if is_own or is_pattern(source):
        return source if is_own else Path(source).name
    return Path(source).expanduser().resolve().name


def left_behind(given: Sequence[str]) -> list[str]:
    """Of each folder which files stayed behind."""
    paths = [path for one in dict.fromkeys(given) for path in expanded(one)]
    return [said for path in paths if (said := sources.left_behind(path))]


def _merge(source: str, into: Path, origin: dict[Path, str]) -> None:
    """Adds one of several sources. `origin`: where each file came from."""
    with tempfile.TemporaryDirectory(dir=into.parent, prefix=f"{into.name}-") as folder:
        own = Path(folder)
        path = Path(source).expanduser()
        inner = own / path.resolve().name if path.is_dir() else own
        inner.mkdir(exist_ok=True)
        sources.bring(source, inner)
        brought = sorted(one.relative_to(own) for one in own.rglob("*") if one.is_file())
        clash = [
            one for one in brought if one in origin and not filecmp.cmp(own / one, into / one, shallow=False)
        ]
        if clash:
            shown = ", ".join(one.as_posix() for one in clash[:SHOWN])
            more = f" and {len(clash) - SHOWN} more" if len(clash) > SHOWN else ""
            raise DataError(
                source,
                f"brings {shown}{more}, as {origin[clash[0]]} does with other bytes; rename one of them, or "
                "give the folder that holds both",
            )
        for one in brought:
            origin.setdefault(one, source)
            (into / one).parent.mkdir(parents=True, exist_ok=True)
            shutil.move(own / one, into / one)
