"""Starts the processes that train together (distributed.py), and then only watches.

If one fails all are ended, and what it said is told once. If the watching process is killed they end too
(parent.py).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from tasks.core.errors import PassingError, SlipwayError
from tasks.training.distributed import MEETING

SECONDS_BETWEEN_LOOKS = 0.05


@dataclass(frozen=True)
class Worker:
    name: str
    process: subprocess.Popen[bytes]
    faults: int
    """The reading end of a pipe: a fault must reach us even if the disk is full."""


class WorkerError(SlipwayError):
    """What one of the processes said when it failed, to be told as it stands."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code

    def __str__(self) -> str:
        return self.where


def run_together(stage: str, run: str, processes: int, scratch: Path) -> None:
    """Runs `python -m tasks STAGE RUN` in so many processes and waits for all.

    Raises:
        WorkerError: one of them failed; its fault.
        PassingError: one of them was killed.
    """
    meeting = scratch / "meeting"
    meeting.unlink(missing_ok=True)
    workers = [_start(stage, run, rank, processes, meeting) for rank in range(processes)]
    try:
        while not (failed := [one for one in workers if one.process.poll()]) and any(
            one.process.poll() is None for one in workers
        ):
            time.sleep(SECONDS_BETWEEN_LOOKS)
    finally:
        for one in workers:
            one.process.kill()
            one.process.wait()
    if failed:
        # A killed one, or one that says why: the others may have failed in its wake, with status 1.
        raise _fault_of(max(failed, key=lambda one: one.process.returncode % 256))


def _start(stage: str, run: str, rank: int, processes: int, meeting: Path) -> Worker:
    faults, tell = os.pipe()
    size, number = str(processes), str(rank)
    environment = {
        **os.environ,
        MEETING: str(meeting.resolve()),
        "RANK": number,
        "LOCAL_RANK": number,
        "WORLD_SIZE": size,
        "LOCAL_WORLD_SIZE": size,
        "SLIPWAY_FAULT_FILE": f"/dev/fd/{tell}",
    }
    command = [sys.executable, "-m", "tasks", stage, run]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL if rank else None, pass_fds=[tell]
    )
    os.close(tell)
    return Worker(f"process {rank + 1} of {processes}", process, faults)


def _fault_of(worker: Worker) -> SlipwayError:
    with os.fdopen(worker.faults) as pipe:
        told = pipe.read()
    status = worker.process.returncode
    if told:
        fault = json.loads(told)
        return WorkerError(fault["code"], fault["message"])
    if status < 0:
        advice = "perhaps memory ran out; run again, the training goes on where it was"
        return PassingError(
            worker.name, f"was ended by signal {-status} ({signal.strsignal(-status)}): {advice}"
        )
    return SlipwayError(worker.name, f"ended with status {status} and did not say why")
