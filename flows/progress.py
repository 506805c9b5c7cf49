"""Turns a stage's `PROGRESS label k/n` lines into a Prefect progress artifact and, now and then, a line of the log."""

from __future__ import annotations

import contextvars
import re
import threading
from typing import Any
from uuid import UUID

from prefect.artifacts import create_progress_artifact, update_progress_artifact

LINE = re.compile(r"PROGRESS (?P<label>.*?)\s*(?P<done>\d+)/(?P<total>\d+)\b")
TICK_SECONDS = 5


class Progress:
    """Posts from a thread of its own, and only the latest: a slow or lost server must not hold up the stage."""

    def __init__(self, stage: str, logger: Any) -> None:
        self._stage = stage
        self._logger = logger
        self._latest: tuple[str, float] | None = None
        self._artifacts: dict[str, UUID] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=contextvars.copy_context().run, args=(self._work,), daemon=True)

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
        self._latest = found["label"] or self._stage, 100 * int(found["done"]) / max(int(found["total"]), 1)
        return True

    def _work(self) -> None:
        while not self._closed.wait(TICK_SECONDS):
            self._post(log=True)
        self._post(log=False)

    def _post(self, log: bool) -> None:
        latest, self._latest = self._latest, None
        if latest is None:
            return
        label, percent = latest
        if log:
            self._logger.info("%s: %.0f %%", label, percent)
        try:
            if label in self._artifacts:
                update_progress_artifact(self._artifacts[label], percent)
            else:
                key = re.sub(r"[^a-z0-9]+", "-", f"{self._stage} {label}".lower()).strip("-")
                self._artifacts[label] = create_progress_artifact(percent, key=key, description=label)  # type: ignore[assignment]
        except Exception as error:  # the picture of the work is not the work
            self._logger.debug("progress was not posted: %s", error)
