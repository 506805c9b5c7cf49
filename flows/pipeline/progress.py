"""Turns a stage's `PROGRESS label k/n note` lines into a Prefect progress artifact and, now and then, a line
of the log.

The note, a training's loss for instance, and the time that is left at the speed so far stand in the
artifact's description.
"""

from __future__ import annotations

import contextvars
import re
import threading
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

LINE = re.compile(r"PROGRESS (?P<label>.*?)\s*(?P<done>\d+)/(?P<total>\d+)\b\s*(?P<note>.*)")
TICK_SECONDS = 5


@dataclass(frozen=True)
class ProgressReport:
    """`per_second` is None until a label was told twice."""

    label: str
    done: int
    total: int
    note: str
    per_second: float | None

    @property
    def percent(self) -> float:
        return 100 * self.done / max(self.total, 1)

    def __str__(self) -> str:
        left = (
            f"{_duration((self.total - self.done) / self.per_second)} left"
            if self.per_second and self.done < self.total
            else ""
        )
        return ", ".join(filter(None, [f"{self.label}: {int(self.percent)} %", self.note, left]))


def _duration(seconds: float) -> str:
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes} min" if minutes < 90 else f"{hours} h"


class Progress:
    """Posts from a thread of its own, and only the latest, for a slow or lost server must not hold up the
    stage: what is told between two ticks is left out, but not the last word on what was shown before."""

    def __init__(self, stage: str, logger: Any) -> None:
        self._stage = stage
        self._logger = logger
        self._latest: dict[str, ProgressReport] = {}
        self._began: dict[str, tuple[float, int]] = {}
        self._artifacts: dict[str, UUID] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(
            target=contextvars.copy_context().run, args=(self._work,), daemon=True
        )

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join(timeout=2 * TICK_SECONDS)

    def take(self, line: str) -> bool:
        """Whether the line was one of progress."""
        found = LINE.match(line)
        if found is None:
            return False
        label, done, now = found["label"] or self._stage, int(found["done"]), time.monotonic()
        since, first = self._began.setdefault(label, (now, done))
        speed = (done - first) / (now - since) if done > first else None
        shown = {other: told for other, told in self._latest.items() if other in self._artifacts}
        self._latest = {
            **shown,
            label: ProgressReport(label, done, int(found["total"]), found["note"], speed),
        }
        return True

    def _work(self) -> None:
        while not self._closed.wait(TICK_SECONDS):
            self._post(log=True)
        self._post(log=False)

    def _post(self, log: bool) -> None:
        latest, self._latest = self._latest, {}
        for told in latest.values():
            if log:
                self._logger.info("%s", told)
            try:
                self._show(told)
            except Exception as error:  # the picture of the work is not the work
                self._logger.debug("progress was not posted: %s", error)

    def _show(self, told: ProgressReport) -> None:
        if told.label in self._artifacts:
            update_progress_artifact(self._artifacts[told.label], told.percent, description=str(told))
        else:
            made: Any = create_progress_artifact(
                told.percent, key=self._key(told.label), description=str(told)
            )
            self._artifacts[told.label] = made

    def _key(self, label: str) -> str:
        """Words and dashes, as Prefect wants it.

        Those of the stage, and those of the label that do not begin by saying them again.
        """
        stage, said = (re.findall("[a-z0-9]+", text.lower()) for text in (self._stage, label))
        while said and said[0] in stage:
            del said[0]
        return "-".join([*stage, *said])
