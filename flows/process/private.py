"""Files and folders that other accounts of this machine can neither read nor write."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path

from tasks.core.errors import ParamsError

OTHERS = stat.S_IRWXG | stat.S_IRWXO
THEIR_WRITING = stat.S_IWGRP | stat.S_IWOTH


def folder(path: Path) -> Path:
    """The folder, made where it is missing and closed where it stood open.

    Raises:
        ParamsError: it belongs to another account, or cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.stat()
        if found.st_uid == os.getuid() and found.st_mode & OTHERS:
            path.chmod(0o700)
    except (FileExistsError, NotADirectoryError):
        raise ParamsError(
            str(path), "cannot be used: a file stands there or above; name a folder of your own"
        ) from None
    except OSError as error:
        raise ParamsError(
            str(path), f"cannot be used: {(error.strerror or str(error)).lower()}; name a folder of your own"
        ) from None
    if found.st_uid != os.getuid():
        raise ParamsError(
            str(path),
            "belongs to another account, which could read and change it; name a folder of your own",
        )
    return path


def scratch(path: Path) -> Path:
    """The same for a folder whose content can be made anew: what others could have written into it is
    removed.

    Raises:
        ParamsError: as above.
    """
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            path.unlink()
        elif found.st_uid != os.getuid() or found.st_mode & THEIR_WRITING:
            shutil.rmtree(path, ignore_errors=True)
    except OSError:
        pass
    return folder(path)


def write(path: Path, text: str) -> None:
    """Writes the file at once, from its first byte on for its owner alone."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def read(path: Path) -> str | None:
    """The text of the file.

    None where there is none, or where it is one that others could have read or written.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), encoding="utf-8") as file:
            found = os.fstat(file.fileno())
            return file.read() if found.st_uid == os.getuid() and not found.st_mode & OTHERS else None
    except (OSError, UnicodeDecodeError):
        return None
