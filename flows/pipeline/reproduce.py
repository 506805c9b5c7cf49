"""Runs one stage through DVC, as a child: `dvc repro --single-item STAGE`."""

from __future__ import annotations

import json
import re
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from flows.checkout import workspace
from flows.pipeline.graph import BUSY, BUSY_SECONDS, Stage
from flows.process import child, environment
from flows.process.secrets import Mask

USERS_FAULT, BUG, PASSING = 2, 1, 75
KILLED = re.compile(r", exited with (-\d|12[89]\b|1[3-5]\d\b)")
"""What DVC says of a command that a signal ended; a shell that stands between tells of signal 9 as 137."""
HINTS = (
    "To track the changes",
    "To enable auto staging",
    "\tgit add",
    "\tdvc config core.autostage",
    "Use `dvc push`",
)


class StageError(Exception):
    """`code` is 2 for a user's fault, 75 for a passing one, 1 for a bug.

    None where the stage left no word, as one that was killed does.
    """

    def __init__(self, code: int | None, message: str) -> None:
        super().__init__(message)
        self.code = code


def reproduce(
    stage: Stage, force: bool, pull: bool, say: Callable[[str], object], keep: Sequence[int], mask: Mask
) -> bool:
    """Brings one stage up to date; `say` gets each line it prints. False where its command did not run: DVC
    restored its outputs.

    With `pull` DVC asks its remote for them first. Waits while another DVC process is at work on the same
    artifacts.

    Raises:
        StageError: it failed, or took longer than its hints allow.
    """
    forced = ["--force"] if force else []
    if not pull:
        return _dvc(stage, [*forced, *stage.sources, stage.name], say, keep, mask)
    if (
        stage.sources
    ):  # what changed in raw data is recorded first: with --pull DVC would fetch the former files over them
        _dvc(stage, stage.sources, say, keep, mask)
    return _dvc(stage, [*forced, "--pull", stage.name], say, keep, mask)


def _dvc(
    stage: Stage, arguments: Sequence[str], say: Callable[[str], object], keep: Sequence[int], mask: Mask
) -> bool:
    command = ["--wait-for-lock", "repro", "--single-item", *arguments]
    while True:
        lines: deque[str] = deque(maxlen=100)
        with tempfile.TemporaryDirectory() as folder:
            fault = Path(folder) / "fault.json"
            env = environment.of_stage(fault)
            ran = _Watch(stage.name, lines, lambda line: say(mask(line)))
            try:
                status = child.run(
                    "dvc", *command, env=env, on_line=ran, timeout=stage.hints.timeout_seconds, keep=keep
                )
            except TimeoutError as error:
                raise StageError(None, f"{error}, the timeout_seconds of its stanza in dvc.yaml") from None
            if status == 0:
                return ran.seen
            if (
                not any(BUSY in line for line in lines if line.startswith("ERROR: "))
                or child.stopping.is_set()
            ):
                failure = _failure(fault, status, lines)
                raise StageError(failure.code, mask(str(failure)))
        say("waits: another DVC process is at work on it")
        child.stopping.wait(BUSY_SECONDS)
        workspace.mend_locks(Path.cwd())


class _Watch:
    """Passes lines on, without DVC's hints, and sees whether the command was started."""

    def __init__(self, stage: str, lines: deque[str], say: Callable[[str], object]) -> None:
        self.seen = False
        self._start = f"Running stage '{stage}'"
        self._lines = lines
        self._say = say

    def __call__(self, line: str) -> None:
        self.seen = self.seen or line.startswith(self._start)
        if line and not line.startswith(HINTS):
            self._lines.append(line)
            self._say(line)


def _failure(fault: Path, status: int, lines: deque[str]) -> StageError:
    """What the stage wrote of its fault (DVC hides its exit status), or else its last words."""
    try:
        found = json.loads(fault.read_text(encoding="utf-8"))
        return StageError(int(found["code"]), str(found["message"]))
    except (OSError, ValueError, KeyError, TypeError):
        ended = f"ended by signal {-status}" if status < 0 else f"dvc ended with {status}"
        killed = status < 0 or any(KILLED.search(line) for line in lines)
        return StageError(None if killed else BUG, "\n".join([*list(lines)[-2:], ended]) if lines else ended)
