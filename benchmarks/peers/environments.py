"""An environment for each peer, from its lock, in the git-ignored folder .peers/.

Made when missing or when the lock has changed.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

TAIL = 1500
"""Signs of what a program said last that are told when it failed."""


class NotToBeHadError(Exception):
    """An environment could not be made; says what pip said last."""


def ready(folder: Path, locks: Sequence[Path]) -> Path:
    """The interpreter of the environment in `folder`, which has just what the locks pin.

    Raises:
        NotToBeHadError: it cannot be made.
    """
    python, stamp = folder / "bin" / "python", folder / "ready"
    wanted = hashlib.sha256(b"\n".join(lock.read_bytes() for lock in locks)).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="ascii") == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    print(f"making the environment {folder.name}", flush=True)
    _call([sys.executable, "-m", "venv", "--without-pip", str(folder)])
    listed = [word for lock in locks for word in ("-r", str(lock))]
    _call(
        [
            sys.executable,
            "-m",
            "pip",
            "--python",
            str(python),
            "install",
            "--quiet",
            "--disable-pip-version-check",
            *listed,
        ]
    )
    stamp.write_text(wanted, encoding="ascii")
    return python


def _call(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NotToBeHadError(tail(done.stderr or done.stdout))


def tail(text: str) -> str:
    """The last lines, as many as fit in TAIL signs."""
    if len(text) <= TAIL:
        return text.strip()
    return text[-TAIL:].partition("\n")[2].strip()
