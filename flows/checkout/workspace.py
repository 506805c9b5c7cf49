"""One flow at a time in a checkout, and the mending of what a killed one left behind.

Reads and writes .dvc/tmp/workspace.lock, which names its holder; mends .dvc/tmp/rwlock and dvc.lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import psutil
from dvc.lock import make_lock
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from voluptuous import Invalid

from tasks.core import documents
from tasks.core.errors import ParamsError, PassingError

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Held:
    """A workspace of our own.

    `mended` says what was put right in it; `died` is the flow run of a holder that was killed.
    """

    root: Path
    file: TextIO
    mended: tuple[str, ...]
    died: str | None

    def sign(self, flow_run: str) -> None:
        """Tells those who find the workspace taken, or its holder dead, which flow run it was."""
        _write(self.file, {"pid": os.getpid(), "flow_run": flow_run})


_held: ContextVar[Held | None] = ContextVar("held", default=None)


@contextmanager
def hold(root: Path, wait: float = 0) -> Iterator[Held]:
    """The workspace, for the length of the `with`; at once where the caller holds it already.

    Raises:
        PassingError: another holds it still after `wait` seconds.
        ParamsError: `root` is not the top folder of a DVC project, or a merge is not finished in it.
    """
    held = _held.get()
    if held is not None and held.root == root:
        yield held
        return
    if not (root / ".dvc").is_dir():
        raise ParamsError(
            str(root), "is not the top folder of a project (it has no .dvc); run this where dvc.yaml is"
        )
    documents.check_files(root)
    path = root / ".dvc" / "tmp" / "workspace.lock"
    path.parent.mkdir(exist_ok=True)
    with path.open("a+", encoding="utf-8") as file:
        _lock(file, root, wait)
        dead = _read(file)
        _write(file, {"pid": os.getpid()})
        mended = [f"the run before this one was killed (pid {dead.get('pid')})"] if dead else []
        held = Held(root, file, (*mended, *mend_locks(root), *_mend_dvc_lock(root)), dead.get("flow_run"))
        token = _held.set(held)
        try:
            yield held
        finally:
            _held.reset(token)
            file.truncate(0)


def mend_locks(root: Path) -> list[str]:
    """Drops what dead processes left in .dvc/tmp/rwlock.

    DVC itself takes any process of the same number for the holder.
    """
    file = root / ".dvc" / "tmp" / "rwlock"
    if not file.is_file():
        return []
    with make_lock(str(file.with_name("rwlock.lock")), tmp_dir=str(file.parent), wait=True):
        try:
            locks = json.loads(file.read_text(encoding="utf-8"))
            writers, readers = locks.get("write", {}), locks.get("read", {})
            living = {
                "write": {path: holder for path, holder in writers.items() if _alive(holder)},
                "read": {
                    path: alive
                    for path, holders in readers.items()
                    if (alive := [holder for holder in holders if _alive(holder)])
                },
            }
        except (ValueError, AttributeError, TypeError, KeyError):
            file.unlink()
            return ["removed .dvc/tmp/rwlock, which was torn"]
        if living == {"write": writers, "read": readers}:
            return []
        file.write_text(json.dumps(living), encoding="utf-8")
        return ["dropped the entries of dead processes from .dvc/tmp/rwlock"]


def _mend_dvc_lock(root: Path) -> list[str]:
    """Moves a dvc.lock that DVC cannot read out of the way.

    The run-cache then restores the stages without running them.
    """
    path = root / "dvc.lock"
    if not path.exists():
        return []
    try:
        COMPILED_LOCKFILE_SCHEMA(documents.yaml(path.read_bytes(), path.name))
    except (ParamsError, Invalid):
        path.replace(path.with_name("dvc.lock.bad"))
        return [
            "moved dvc.lock, which was torn, to dvc.lock.bad; what is in DVC's run-cache is restored "
            "without a run"
        ]
    return []


def _alive(holder: dict[str, Any]) -> bool:
    """Whether the process of this number lives and still is the one that wrote the entry.

    Its arguments are the same.
    """
    try:
        process = psutil.Process(holder["pid"])
        arguments = holder["cmd"].partition(" ")[2]
        return process.status() != psutil.STATUS_ZOMBIE and " ".join(process.cmdline()).endswith(arguments)
    except psutil.AccessDenied:
        return True
    except psutil.NoSuchProcess:
        return False


def _lock(file: TextIO, root: Path, wait: float) -> None:
    deadline = time.monotonic() + wait
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                who = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in _read(file).items())
                fault = (
                    f"another flow or command is at work here ({who}); try again later, or wait for it "
                    "with --wait SECONDS"
                )
                raise PassingError(str(root), fault) from None
            time.sleep(POLL_SECONDS)
        else:
            return


def _read(file: TextIO) -> dict[str, Any]:
    file.seek(0)
    try:
        found = json.loads(file.read() or "{}")
    except ValueError:
        found = {}
    return found if isinstance(found, dict) else {}


def _write(file: TextIO, holder: dict[str, Any]) -> None:
    file.truncate(0)
    file.write(json.dumps(holder))
    file.flush()
