"""Values that params must have under a condition, and that must be null without it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tasks.core.param_faults import flow


@dataclass(frozen=True)
class Need:
    at: str
    """Where the value stands: `prune.importance`."""
    value: Any
    needed: bool
    why: str
    """Why it is needed, or why it is not, as the case is."""
    write: str
    """What to write where it is needed."""

    @property
    def _key(self) -> str:
        return self.at.rpartition(".")[2]

    def lacking(self) -> str:
        """The fault of a value that is needed and null; empty if there is none."""
        wrong = self.needed and self.value is None
        return f"{self.at} = null: {self.why}; write {self._key}: {self.write}" if wrong else ""

    def idle(self) -> str:
        """The fault of a value that is given and has no effect; empty if there is none."""
        if self.needed or self.value is None:
            return ""
        return f"{self.at} = {flow(self.value)}: has no effect, as {self.why}; write {self._key}: null"


def lacking(needs: Iterable[Need]) -> list[str]:
    """The faults a stage cannot run with."""
    return [fault for need in needs if (fault := need.lacking())]


def faults(needs: Iterable[Need]) -> list[str]:
    """Those, and what is given in vain."""
    return [fault for need in needs if (fault := need.lacking() or need.idle())]
