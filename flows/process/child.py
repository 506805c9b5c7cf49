"""A Python module run as a child that cannot outlive its parent: when the parent dies, however it dies, the
child's whole group is killed.

The child holds the reading end of a pipe whose only writing end is the parent's, so the end of the pipe is
the parent's death. Run as a script this file is the child's side; it uses the standard library alone.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO

stopping = threading.Event()
_live: set[subprocess.Popen[str]] = set()


def start(
    module: str, *arguments: str, env: Mapping[str, str], output: IO[str] | int, keep: Sequence[int] = ()
) -> subprocess.Popen[str]:
    """`python -m module arguments`, bound to this process.

    `keep` are file descriptors the child holds open, such as a lock's.
    """
    command = [sys.executable, "-P", __file__, module, *arguments]
    return subprocess.Popen(
        command,
        env=env,
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        pass_fds=keep,
    )


def run(
    module: str,
    *arguments: str,
    env: Mapping[str, str],
    on_line: Callable[[str], None],
    timeout: float | None,
    keep: Sequence[int],
) -> int:
    """Its exit status; negative when a signal ended it. Each line of output goes to `on_line`, called in
    another thread.

    Raises:
        TimeoutError: it was killed after `timeout` seconds.
    """
    with start(module, *arguments, env=env, output=subprocess.PIPE, keep=keep) as process:
        _live.add(process)
        reader = threading.Thread(target=_read, args=(process, on_line), daemon=True)
        reader.start()
        if stopping.is_set():
            kill(process)
        try:
            return process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"stopped after {timeout:g} s") from None
        finally:
            kill(process)
            reader.join()
            _live.discard(process)


@contextlib.contextmanager
def stopped_on_error() -> Iterator[None]:
    """Around the submission of tasks too, not only the wait for them: the first already run while the last
    are submitted, and a process told to end then would wait for them for ever."""
    try:
        yield
    except BaseException:
        stop_all()
        raise


def stop_all() -> None:
    """Kills every running child; those still to come are killed as they start."""
    stopping.set()
    for process in list(_live):
        kill(process)


def kill(process: subprocess.Popen[str]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _read(process: subprocess.Popen[str], on_line: Callable[[str], None]) -> None:
    from tasks.core import escape  # here, for the child's side has the standard library alone

    for line in process.stdout or ():
        on_line(escape.visible(line.rstrip(), keep="\t"))


def _die_with_parent() -> None:
    pipe = os.dup(sys.stdin.fileno())
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
    threading.Thread(target=_watch, args=(pipe,), daemon=True).start()


def _watch(pipe: int) -> None:
    os.read(pipe, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    _die_with_parent()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
