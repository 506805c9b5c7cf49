"""Waiting for an event, not for a clock: a test must not fail because a machine is slow.

A wait ends when what it waits for is there, or when the process that would bring it has ended. The bound is
for what hangs for good; it is far beyond what a busy machine needs. docs: CONTRIBUTING.md, Tests.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

PATIENCE_SECONDS = 1800
LONGER_THAN_ANY_WAIT = 7200
"""How long something sleeps that a test stops: were it not stopped, the wait for its end would fail."""
STEP_SECONDS = 0.1


def until(
    true: Callable[[], Any],
    seconds: float = PATIENCE_SECONDS,
    *,
    of: subprocess.Popen[Any] | None = None,
    step: float = STEP_SECONDS,
) -> Any:
    """What the condition says once it is true.

    Args:
        true: the condition.
        seconds: after which it is taken to hang.
        of: the process that brings it about; its end without it is a failure at once.
        step: seconds between two looks.
    """
    deadline = time.monotonic() + seconds
    while not (found := true()):
        if of is not None and of.poll() is not None:
            found = true()  # it may have come with the end
            assert found, f"the process ended with {of.returncode} before that"
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(step)
    return found
