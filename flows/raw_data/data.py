"""Brings raw data into data/raw/<run>/ and versions it with DVC; makes or fetches again what the .dvc files
there ask for.

    slipway data add RUN SOURCE [SOURCE ...] [--replace]
    slipway data restore [RUN ...]             all, when none is named

SOURCE is bbc-news, a file, a folder, a pattern in quotes ("news/*.csv") or hub:OWNER/NAME@REVISION.

Reads and writes data/raw/. Run it in the top folder of the project.
"""

from __future__ import annotations

import argparse
import filecmp
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import flows.process.environment  # noqa: F401  # isort: skip  (before DVC, which reads the environment)
from dvc.exceptions import DvcException
from dvc.lock import LockError

from flows.checkout.workspace import hold
from flows.raw_data import several, sources
from flows.raw_data.pointer import Pointer, files
from tasks.core import escape, params
from tasks.core.errors import DataError, ParamsError, PassingError, SlipwayError
from tasks.launch.command import Command, Group

ADD = "slipway data add"
SHOWN = 5


def add(
    root: Path, run: str, source: str | Sequence[str], replace: bool = False, beside: Sequence[str] = ()
) -> str:
    """Copies the data of one source, or of several, into data/raw/<run>/ of the project `root`, versions the
    folder and says what was done. Embedded sources that come `beside` change nothing in how those are laid.

    Raises:
        DataError: the source cannot be had, or would overwrite other bytes and `replace` is not set.
        ParamsError: `run` is no name for a run.
        PassingError: the workspace is taken, or the hub cannot be reached.
    """
    if bad := params.bad_name(run):
        raise ParamsError(f"run `{run}`", bad)
    pointer = Pointer(root, root / "data" / "raw" / run)
    given = [source] if isinstance(source, str) else list(source)
    with hold(root), _staging(pointer.folder) as staging:
        names = [*several.bring(given, staging), *beside]
        for name in beside:
            sources.bring(name, staging)
        lost = _complete(pointer)
        new = _new_files(staging, pointer, replace)
        _move(staging, pointer.folder, new)
        same = pointer.matches()
        try:
            if lost and not same:
                raise lost
            if not same:
                pointer.version()
        except BaseException:
            _take_back(pointer.folder, new)
            raise
        for name in names:
            pointer.remember(name)
    left = "".join(f"\n{said}" for said in several.left_behind(given))
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    if not new and same:
        return f"{pointer.name}: {shown} is there already; nothing changed{left}"
    return (
        f"{pointer.name}: added {shown} ({len(new)} file{'' if len(new) == 1 else 's'}); commit "
        f"{pointer.name}.dvc{left}"
    )


def _complete(pointer: Pointer) -> DataError | None:
    """Brings back files that are missing, so that the next version has them too.

    The fault if they cannot be had.
    """
    try:
        if pointer.lacks_files():
            _restore(pointer)
    except DataError as error:
        return error
    return None


def restore(root: Path, runs: Sequence[str] = ()) -> list[str]:
    """Completes every folder that a data/raw/*.dvc file stands for, or those of some runs; a line about each.

    Raises:
        DataError: with those that cannot be had.
    """
    said, faults = [], []
    with hold(root):
        for path in sorted((root / "data" / "raw").glob("*.dvc")):
            if runs and path.stem not in runs:
                continue
            pointer = Pointer(root, path.with_suffix(""))
            try:
                said.append(f"{pointer.name}: {_restore(pointer)}")
            except DataError as error:
                faults += [f"{pointer.name}: {fault}" for fault in error.faults]
    if faults:
        raise DataError("restore", *faults)
    return said or [
        f"data/raw has no .dvc files{' of these runs' if runs else ''}: there is nothing to restore"
    ]


def _restore(pointer: Pointer) -> str:
    if pointer.matches():
        return "complete"
    if not pointer.lacks_files():
        raise DataError(
            pointer.name,
            f"its files were changed; `dvc add {pointer.name}` keeps the change, `dvc checkout --force "
            f"{pointer.name}.dvc` undoes it",
        )
    tried, embedded = "", [name for name in pointer.sources() if name in sources.EMBEDDED]
    # One alone may be what it was before a second was added; all together are what it became.
    for names in [*([one] for one in embedded), *([embedded] if len(embedded) > 1 else [])]:
        try:
            if _made_again(names, pointer):
                return f"made again from {' and '.join(names)}, the same bytes"
        except DataError as error:
            tried = f"; {error}"
    try:
        pointer.pull()
    except DataError as error:
        came = ", ".join(pointer.sources())
        remedy = (
            f"; the data came from {came}: bring all of it in again with `{ADD}`, or delete "
            f"{pointer.name}.dvc first"
        )
        raise DataError(pointer.name, f"{error.faults[0]}{tried}{remedy}") from None
    return "pulled"


def _made_again(names: Sequence[str], pointer: Pointer) -> bool:
    """Adds the missing files of embedded sources, if that makes the folder what it should be."""
    with _staging(pointer.folder) as staging:
        for name in names:
            sources.bring(name, staging)
        missing = [path for path in files(staging) if not (pointer.folder / path).exists()]
        _move(staging, pointer.folder, missing)
    if pointer.matches():
        pointer.version()
        return True
    _take_back(pointer.folder, missing)
    return False


@contextmanager
def _staging(folder: Path) -> Iterator[Path]:
    """A folder beside, on the same disk, that is gone afterwards."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as staging:
        yield Path(staging)


def _new_files(staging: Path, pointer: Pointer, replace: bool) -> list[Path]:
    """Those of the staged files that are not there yet with the same bytes."""
    folder = pointer.folder
    new = [
        path
        for path in files(staging)
        if not (folder / path).is_file() or not filecmp.cmp(staging / path, folder / path, shallow=False)
    ]
    clash = [path.as_posix() for path in new if (folder / path).exists()]
    if clash and not replace:
        some = ", ".join(clash[:5]) + (f" and {len(clash) - 5} more" if len(clash) > 5 else "")
        raise DataError(
            pointer.name, f"has {some} with other bytes; give --replace to overwrite, or rename what you add"
        )
    return new


def _move(staging: Path, folder: Path, paths: Sequence[Path]) -> None:
    if not folder.exists() and paths:
        shutil.copymode(folder.parent, staging)
        kept = staging.with_name(f"{staging.name}-done")
        staging.rename(kept)
        kept.rename(folder)
        staging.mkdir()
        return
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (staging / path).replace(folder / path)


def _take_back(folder: Path, paths: Sequence[Path]) -> None:
    """Undoes a move; a file that was replaced is then missing, and comes back from DVC's cache."""
    for path in paths:
        (folder / path).unlink()
    for below in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        if not any(below.iterdir()):
            below.rmdir()
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()


def printed(lines: Sequence[str], stream: TextIO | None = None) -> int:
    """Prints what was done, and returns the exit status of a command that did it."""
    for line in lines:
        print(escape.visible(line), file=stream, flush=True)
    return 0


def translate(error: Exception) -> SlipwayError | None:
    """What an error of the operating system or of DVC means to the user."""
    if isinstance(error, OSError):
        return DataError(
            str(error.filename or "data/raw"), f"{(error.strerror or str(error)).lower()}; not completed"
        )
    if isinstance(error, DvcException):
        fault = PassingError if isinstance(error, LockError) else DataError
        return fault("data/raw", f"DVC says: {escape.line(error)}")
    return None


def _adding(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run's name")
    parser.add_argument(
        "source",
        metavar="SOURCE",
        nargs="+",
        help='bbc-news, a file, a folder, a pattern in quotes ("news/*.csv"), or hub:OWNER/NAME@REVISION',
    )
    parser.add_argument("--replace", action="store_true", help="overwrite files of the same name")


def _restoring(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="*", metavar="RUN", help="of these runs alone (default: all)")


COMMAND = Group(
    "slipway data",
    __doc__,
    {
        "add": Command(
            ADD,
            "Brings data into data/raw/RUN and versions it.",
            lambda given: printed([add(Path.cwd(), given.run, given.source, given.replace)]),
            _adding,
            translate,
        ),
        "restore": Command(
            "slipway data restore",
            "Completes the folders that data/raw/*.dvc stand for.",
            lambda given: printed(restore(Path.cwd(), given.runs)),
            _restoring,
            translate,
        ),
    },
)
main = COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
