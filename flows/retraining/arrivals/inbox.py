"""What lies in data/inbox/<run>/: each file there, or folder, is a drop. Nothing is changed here.

A drop is left alone while it is being written: its name says so (`.part`, a hidden file), it changed a moment
ago, or a process has it open for writing. The time of its last change is the system's own (ctime), which a
copy cannot bring along.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from flows.raw_data import sources
from tasks.core.errors import DataError
from tasks.ingest.reading.choice import is_data
from tasks.ingest.reading.raw_folder import FORMATS

UNFINISHED = re.compile(r"^\.|~$|\.(tmp|temp|part|partial|crdownload|download|filepart|swp)$", re.IGNORECASE)

NO_DATA = (".DS_Store", ".directory", ".gitkeep")
"""Hidden files that file managers and git leave in folders; ingest does not read them."""


@dataclass(frozen=True)
class Drop:
    """`sha256` is of its bytes, of a folder also of the names in it.

    `fault` says why it cannot even be opened; empty if it can.
    """

    path: Path
    sha256: str
    bytes: int
    fault: str

    @property
    def name(self) -> str:
        return self.path.name


def folder(root: Path, run: str) -> Path:
    return root / "data" / "inbox" / run


def look(inbox: Path, settle_seconds: float) -> tuple[list[Drop], list[str]]:
    """The drops that are whole, by name, and the names of those that are left alone: they are being written,
    or cannot be read or named.

    Raises:
        DataError: the inbox is a link.
    """
    if inbox.is_symlink():
        raise DataError(inbox.name, "the inbox is a link; mount or make the folder itself there")
    found = sorted(inbox.iterdir()) if inbox.is_dir() else []
    written = _open_for_writing(inbox) if found else set()
    whole: list[Drop] = []
    left: list[str] = []
    for path in found:
        try:
            if _is_nameless(path):
                left.append(
                    f"{os.fsencode(path.name).decode(errors='backslashreplace')} (a name is no UTF-8; "
                    "rename it)"
                )
            elif _is_unfinished(path, settle_seconds, written):
                left.append(path.name)
            else:
                whole.append(_drop(path))
        except OSError as error:  # gone meanwhile, or not ours to read
            left.append(f"{path.name} ({(error.strerror or str(error)).lower()})")
    return whole, left


def remove(inbox: Path, name: str, sha256: str) -> bool:
    """Takes a drop away whose rows are safe elsewhere; not if it has changed meanwhile. Whether it did."""
    path = inbox / name
    if not (path.exists() or path.is_symlink()) or _drop(path).sha256 != sha256:
        return False
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    return True


def _is_nameless(path: Path) -> bool:
    """Whether its name, or one within, is no text: neither history nor DVC could write it down."""
    names = [
        path.name,
        *(one.name for one in (path.rglob("*") if path.is_dir() and not path.is_symlink() else ())),
    ]
    return any("\udc80" <= sign <= "\udcff" for name in names for sign in name)


def _is_unfinished(path: Path, settle_seconds: float, written: set[Path]) -> bool:
    parts = [path, *(path.rglob("*") if path.is_dir() and not path.is_symlink() else ())]
    changed = max(one.lstat().st_ctime for one in parts)
    return (
        bool(UNFINISHED.search(path.name))
        or any(UNFINISHED.search(one.name) for one in parts[1:] if one.name not in NO_DATA)
        or time.time() - changed < settle_seconds
        or any(one in written for one in parts)
    )


def _open_for_writing(inbox: Path) -> set[Path]:
    """As far as the system lets us see into other processes."""
    found = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            found |= {
                Path(file.path)
                for file in process.open_files()
                if set(getattr(file, "mode", "")) & set("wa+")
            }
    return {path for path in found if path.is_relative_to(inbox.resolve())} | {
        inbox / path.relative_to(inbox.resolve()) for path in found if path.is_relative_to(inbox.resolve())
    }


def _drop(path: Path) -> Drop:
    if path.is_symlink():
        return Drop(
            path,
            hashlib.sha256(str(path.readlink()).encode()).hexdigest(),
            0,
            "is a link; put the file itself there",
        )
    if not (path.is_file() or path.is_dir()):
        return Drop(path, hashlib.sha256(path.name.encode()).hexdigest(), 0, "is no ordinary file")
    digest, size = hashlib.sha256(), 0
    for file in _files(path):
        if path.is_dir():
            digest.update(f"{file.relative_to(path).as_posix()}\0".encode(errors="surrogateescape"))
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
        size += file.stat().st_size
    return Drop(path, digest.hexdigest(), size, _fault(path))


def _files(path: Path) -> list[Path]:
    return (
        [path]
        if path.is_file()
        else sorted(one for one in path.rglob("*") if one.is_file() and not one.is_symlink())
    )


def _fault(path: Path) -> str:
    if bad := sources.bad_name(path.name):
        return bad
    return "; ".join(_faults_within(path)) or (
        "is empty" if not any(one.stat().st_size for one in _files(path)) else ""
    )


def _faults_within(path: Path) -> Iterator[str]:
    if path.is_file():
        if path.stat().st_size and not is_data(path, path.name):
            yield f"this kind of file cannot be read; what can: {FORMATS}"
        return
    for one in sorted(path.rglob("*")):
        name = one.relative_to(path).as_posix()
        if one.is_symlink() or not (one.is_file() or one.is_dir()):
            yield f"holds {name!r}, which is a link or no ordinary file"
        elif bad := sources.bad_name(one.name):
            yield f"holds {name!r}, which {bad}"
