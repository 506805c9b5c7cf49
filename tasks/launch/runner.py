"""Runs one stage of one run in a workspace: all of its result appears at the end, or nothing.

The stage writes into a staging folder in its scratch folder, data/.scratch/<stage>@<run>/<hash of all it
reads>. A kill leaves that folder; the next run with the same inputs goes on from it. At the end the result is
moved into data/<run>/<stage>/. Where several processes train together (workers.py) this one starts them and
keeps to itself the lock, the staging folder and the result.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.core import stages
from tasks.core.errors import DataError, PassingError
from tasks.core.params import Section
from tasks.launch import workers
from tasks.training import distributed

STAGED = "staged"
CODE = ["tasks/**/*.py", "requirements/tasks.lock"]


def run_stage(name: str, run: str, params: Section, root: Path) -> None:
    """Runs the stage and puts its artifacts, metrics and timings in place.

    Raises:
        DataError: an artifact it reads is missing.
        PassingError: the same stage of the same run is being run by another process, or one of its processes
            was killed.
    """
    stage = stages.load(name)
    _must_exist(stage, root, run)
    home = root / "data" / ".scratch" / f"{name}@{run}"
    if distributed.is_worker():
        _take_part(name, run, params, root, home)
        return
    with _alone(home):
        scratch = home / _fingerprint(stage, params, root, run)
        staged = scratch / STAGED
        for old in home.iterdir():
            if old.is_dir() and old != scratch:
                shutil.rmtree(old)
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(parents=True)
        processes = getattr(params, "processes", 1)
        if processes > 1:
            workers.run_together(name, run, processes, scratch)
        else:
            _make(stage, stages.inputs(stage, root, run), params, scratch)
        _publish(staged, root / "data" / run / name)
        shutil.rmtree(scratch)


def _make(stage: stages.Stage, inputs: Any, params: Section, scratch: Path) -> None:
    staged = scratch / STAGED
    metrics = stage.run(inputs, params, staged, scratch)
    _write(staged / "metrics.json", metrics.figures)
    if metrics.timings:
        _write(staged / "timings.json", metrics.timings)


def _take_part(name: str, run: str, params: Section, root: Path, home: Path) -> None:
    """What the process that started this one has set up must be what this one reads."""
    stage = stages.load(name)
    scratch = home / _fingerprint(stage, params, root, run)
    if not (scratch / STAGED).is_dir():
        raise PassingError(
            home.name, "params, data or code were changed while its processes were being started; run again"
        )
    _make(stage, stages.inputs(stage, root, run), params, scratch)


def _must_exist(stage: stages.Stage, root: Path, run: str) -> None:
    named = {name: stages.locate(name, root, run) for name in stages.artifacts(stage).values()}
    missing = [path.relative_to(root).as_posix() for path in named.values() if not path.exists()]
    if missing:
        raise DataError(
            ", ".join(missing),
            "is missing; `dvc repro` makes what a stage reads, `slipway data add` brings raw data in",
        )


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PassingError(
                home.name, "is being run by another process in this checkout; wait for it to end"
            ) from None
        yield


def _fingerprint(stage: stages.Stage, params: Section, root: Path, run: str) -> str:
    """Of params, artifacts and code: what was begun with others must not be gone on with."""
    digest = hashlib.sha256(params.model_dump_json().encode())
    folders = [stages.locate(name, root, run) for name in sorted(stages.artifacts(stage).values())]
    files = [file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file()]
    files += [file for pattern in CODE for file in sorted(stages.TASKS.parent.glob(pattern))]
    for file in files:
        with file.open("rb") as stream:
            digest.update(file.name.encode() + hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]


def _write(file: Path, figures: Mapping[str, Any]) -> None:
    file.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _publish(staged: Path, place: Path) -> None:
    """DVC has removed the former result before the stage began; run by hand, we do."""
    place.mkdir(parents=True, exist_ok=True)
    for new in sorted(staged.iterdir()):
        old = place / new.name
        if old.is_dir() and not old.is_symlink():
            shutil.rmtree(old)
        new.replace(old)
