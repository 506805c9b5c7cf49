"""Files that a table of the raw folder, or a user, names."""

from __future__ import annotations

from pathlib import Path, PurePosixPath, PureWindowsPath

from tasks.core import links
from tasks.core.errors import UnusableRowError

LARGEST = 256 * 2**20
"""Bytes."""


def attached(raw: Path, name: str, beside: str) -> bytes:
    """The file `name`, relative to the folder `raw` or, if it is not there, to the folder of the table
    `beside`, itself relative to `raw`.

    Names written on Windows, with `\\` between folders, are understood.

    Raises:
        UnusableRowError: the name leads out of `raw`, or to what is no file, or to one that is too large.
    """
    path = PureWindowsPath(name)
    if path.anchor or ".." in path.parts:
        raise UnusableRowError(f"unsafe path: {name!r}; relative ones without `..` are allowed")
    places = [raw.joinpath(*path.parts), raw.joinpath(PurePosixPath(beside).parent, *path.parts)]
    found = next((place for place in places if _exists(place)), None)
    if found is None:
        raise UnusableRowError(f"no such file: {name!r} is neither in the raw folder nor beside its table")
    place = found.parent if found.is_symlink() else found
    outside = not place.resolve().is_relative_to(raw.resolve())
    if (
        fault := "leads out of the raw folder through a link; put the file itself there"
        if outside
        else links.fault(found, raw)
    ):
        raise UnusableRowError(f"unsafe path: {name!r} {fault}")
    return given(found)


def given(file: Path) -> bytes:
    """A file that the user names, wherever it is.

    Raises:
        UnusableRowError: it is no file, cannot be read, or is too large.
    """
    if not _exists(file) or not file.is_file():
        raise UnusableRowError(f"no such file: {file.name!r} is not there, or a folder or a device")
    if (size := file.stat().st_size) > LARGEST:
        raise UnusableRowError(f"file too large: {size:,} bytes; at most {LARGEST:,} are allowed")
    try:
        return file.read_bytes()
    except OSError as error:
        raise UnusableRowError(f"no such file: {file.name!r} cannot be read ({error.strerror})") from None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        # A name longer than any file's: a whole text stands where a name should.
        return False
