"""What tests of the data door look at in a DVC project."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

CSV = "text,label\nfoo,x\nbar,y\n"


def dvc(*arguments: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], check=True, capture_output=True, text=True
    ).stdout


def everything(root: Path) -> dict[str, str]:
    """Every file of data/ and its hash."""
    return {
        path.relative_to(root).as_posix(): hashlib.md5(path.read_bytes()).hexdigest()  # noqa: S324
        for path in sorted((root / "data").rglob("*"))
        if path.is_file()
    }
