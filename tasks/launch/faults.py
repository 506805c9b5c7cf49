"""How a fault of a stage, or of a command that asks for its results, reaches the user and the flow."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import traceback
from pathlib import Path

from tasks.core.errors import DataError, PassingError, SlipwayError
from tasks.training import distributed

ADVICE = {
    errno.ENOSPC: "the disk is full; free some space and run again, finished work is kept",
    errno.EDQUOT: "the disk quota is used up; free some space and run again, finished work is kept",
    errno.EROFS: "the file system is read-only; it must be writable",
    errno.EACCES: "no permission; the folder must be readable and writable",
}


def translate(error: Exception) -> SlipwayError:
    """What an error means to the user. One that is no fault of the user keeps its traceback, above the
    message."""
    fault = _fault_of(error)
    if type(fault) is SlipwayError:
        traceback.print_exc()
    return fault


def _fault_of(error: Exception) -> SlipwayError:
    """safetensors and tokenizers hide the number of an operating system's error in their text."""
    hidden = re.search(r"\(os error (\d+)\)", str(error))
    number = error.errno if isinstance(error, OSError) else int(hidden[1]) if hidden else None
    if number in ADVICE:
        return DataError(str(getattr(error, "filename", None) or "data"), ADVICE[number])
    if type(error).__name__ in {"OutOfMemoryError", "MemoryError"}:
        first = str(error).splitlines()[0] if str(error) else "no more to be had"
        return PassingError("out of memory", f"{first}; try a smaller batch_size")
    return SlipwayError(type(error).__name__, str(error))


def tell(fault: SlipwayError) -> None:
    """Says a fault on the standard error (of one process, where several train) and in SLIPWAY_FAULT_FILE."""
    message = str(fault)
    if not distributed.is_worker():
        print(message, file=sys.stderr, flush=True)
    if file := os.environ.get("SLIPWAY_FAULT_FILE"):
        told = {"code": fault.exit_code, "message": message}
        Path(file).write_text(json.dumps(told), encoding="utf-8")
