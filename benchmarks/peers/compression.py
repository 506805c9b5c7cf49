"""Each recipe of each peer in a process of its own environment.

From the teacher to a folder that can be served, or to an error.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.environments import NotToBeHadError, ready, tail
from benchmarks.peers.field import HERE, OURS, ROOT, Entry, locks
from tasks.export import package
from tasks.kinds.base.kind import load_kind
from tasks.launch.environment import ENVIRONMENT

LONGEST_SECONDS = 3600
QUIET = {
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "OLIVE_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
}


@dataclass(frozen=True)
class Outcome:
    entry: Entry
    folder: Path
    seconds: float | None
    """Of wall time, from the start of the process to its end: loading libraries, converting, optimizing,
    calibrating, writing."""
    cpu_seconds: float | None
    """Of processor time in that, which other work on the machine changes less."""
    error: str | None


def compress(entry: Entry, job: Mapping[str, Any], work: Path) -> Outcome:
    """Runs the recipe on the job in an empty folder below `work`. What fails is told, not raised."""
    place = work / entry.peer.name / entry.recipe
    shutil.rmtree(place, ignore_errors=True)
    folder = place / "out"
    folder.mkdir(parents=True)
    file = place / "job.json"
    file.write_text(json.dumps({**job, "recipe": entry.recipe, "out": str(folder)}), encoding="utf-8")
    try:
        python = ready(ROOT / ".peers" / entry.peer.environment, locks(entry.peer.environment))
        began, used = time.monotonic(), _cpu_seconds()
        error = _run(_command(entry, python, file), ROOT if entry.peer.is_ours else place)
        seconds, used = time.monotonic() - began, _cpu_seconds() - used
    except NotToBeHadError as fault:
        return Outcome(entry, folder, None, None, f"its environment cannot be made: {fault}")
    if error is None and not (folder / entry.peer.graph).is_file():
        error = f"ended without an error and without {entry.peer.graph}"
    return Outcome(entry, folder, round(seconds, 1), round(used, 1), error)


def _cpu_seconds() -> float:
    """Of all children that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _command(entry: Entry, python: Path, job: Path) -> list[str]:
    if entry.peer.is_ours:
        return [str(python), "-m", f"benchmarks.peers.{OURS}.compress", str(job)]
    return [str(python), "-I", str(HERE / entry.peer.environment / "compress.py"), str(job)]


def _run(command: list[str], folder: Path) -> str | None:
    """What it said last if it failed."""
    env = (
        {name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "VIRTUAL_ENV"}}
        | ENVIRONMENT
        | QUIET
    )
    try:
        done = subprocess.run(
            command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=LONGEST_SECONDS
        )
    except subprocess.TimeoutExpired:
        return f"was ended after {LONGEST_SECONDS} s"
    return tail(f"{done.stdout}\n{done.stderr}") if done.returncode else None


def complete(outcome: Outcome, kind_name: str, teacher: Path, labels: list[str], input_size: int) -> None:
    """Puts the tokenizer and the labels beside a graph, as beside ours.

    All graphs are served, and weighed, alike. What answers by code of its own has all it needs.
    """
    peer = outcome.entry.peer
    if not peer.is_ours and not peer.has_own_runtime:
        kind = load_kind(kind_name)
        facts = {"kind": kind_name, "input_size": input_size}
        package.write_preprocessing(outcome.folder, kind, kind.model.load_processor(teacher), labels, facts)
