"""What a trial reads: the training and validation rows, the pool, the teacher and its kept outputs, and
whatever else its stages read of the stages before. Of the test split it gets nothing.

A trial works in a folder of its own with links to these files alone, so that no stage, however it is written,
can open the test rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from flows.searching import chain
from tasks.core import stages
from tasks.core.errors import DataError

ROWS = ("train.parquet", "validation.parquet", "pool.parquet", "labels.json")
TEACHER, OUTPUTS, INGEST = "finetune/out", "finetune/outputs", "ingest/out"
RAW = "raw"
"""It holds the test rows too: no trial may read it."""


def hashes(root: Path, run: str) -> dict[str, str]:
    """What a student's trial reads: file, relative to data/<run>, -> its SHA-256.

    Raises:
        DataError: there are none yet.
    """
    found = _hashes(root, run, {TEACHER, OUTPUTS, *chain.of_trial().given})
    if not found:
        raise DataError(f"data/{run}", f"has no teacher; make it with `dvc repro finetune@{run}`")
    return found


def hashes_for_teacher(root: Path, run: str) -> dict[str, str]:
    """What a teacher's trial reads, likewise."""
    return _hashes(root, run, set(stages.artifacts(stages.load(chain.TEACHER)).values()))


def _hashes(root: Path, run: str, folders: set[str]) -> dict[str, str]:
    home = root / "data" / run
    files = [home / INGEST / name for name in ROWS if (home / INGEST / name).is_file()]
    read = sorted(folders - {INGEST, RAW})
    files += [file for folder in read for file in sorted((home / folder).rglob("*")) if file.is_file()]
    return {file.relative_to(home).as_posix(): _hash(file) for file in files}


def link(root: Path, run: str, wanted: Mapping[str, str], folder: Path) -> None:
    """Links the files into `folder`, below their names.

    Raises:
        DataError: this checkout does not hold the same bytes, as one on another machine may.
    """
    home, faults = root / "data" / run, []
    for name, expected in wanted.items():
        file, place = home / name, folder / name
        if not file.is_file() or _hash(file) != expected:
            faults.append(
                f"data/{run}/{name} is {'not what the search began with' if file.is_file() else 'missing'}"
            )
        elif not place.is_symlink():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(file.resolve())
    if faults:
        raise DataError(
            str(root),
            *faults,
            f"bring this checkout to the same commit and run `dvc repro {chain.TEACHER}@{run}` or `dvc pull`",
        )


def _hash(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
