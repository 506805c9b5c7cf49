"""What can go wrong, and whose turn it is.

    SlipwayError           1   a bug of ours
    ├── ParamsError        2   params.yaml asks for something that cannot be
    ├── DataError          2   the data cannot be used as they are
    ├── ModelError         2   the model cannot be used, or came out unfit
    └── PassingError      75   not now, perhaps later: busy, network, GPU memory

One message says where, what was found, what is allowed and what to do, with all faults together. The number
is the exit status of `python -m tasks`: 2 is never worth a retry, 75 is.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from tasks.core import escape


class SlipwayError(Exception):
    """`where` is a file, a folder or a key; each fault is one sentence."""

    exit_code = 1

    def __init__(self, where: str, *faults: str) -> None:
        self.where = where
        self.faults = faults
        super().__init__(where, *faults)

    def __str__(self) -> str:
        """As a terminal may show it: names out of data and files can hold what steers one."""
        if len(self.faults) == 1:
            told = f"{self.where}: {self.faults[0]}"
        else:
            told = "\n  ".join([f"{self.where}: {len(self.faults)} faults", *self.faults])
        return escape.visible(told, keep="\n")


class ParamsError(SlipwayError):
    exit_code = 2


class DataError(SlipwayError):
    exit_code = 2


class ModelError(SlipwayError):
    exit_code = 2


class PassingError(SlipwayError):
    exit_code = 75


def did_you_mean(found: str, allowed: Iterable[str]) -> str:
    """`; did you mean `x`?`, or else `; allowed: a, b, c`."""
    names = sorted(allowed)
    close = difflib.get_close_matches(found, names, n=1)
    return f"; did you mean `{close[0]}`?" if close else f"; allowed: {', '.join(names)}"


class UnusableRowError(Exception):
    """Why a row cannot be used. Ingest sets it aside with this reason."""
