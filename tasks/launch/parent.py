"""Ends a stage with the process that started it: `kill -9` of DVC or of the flow must not leave a training
behind.

Imported before all else, because the parent can die while the other imports take their second.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PARENT = os.getppid()
PR_SET_PDEATHSIG = 1


def die_with_it() -> None:
    """From now on, and at once where it is dead already.

    Linux only; elsewhere the stage goes on to its end.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != PARENT:
            os.kill(os.getpid(), signal.SIGKILL)
