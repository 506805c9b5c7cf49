"""Where campaigns against the second door take place.

A scratch project, made once and unbroken, with `make ui` at work in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil

from tests import smoke
from tests.campaigns import kills
from tests.flows.station import Station, processes_in
from tests.waiting import until

CLEAN = "Data and pipelines are up to date."
FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
DEPLOYMENT = "compress/compress-on-cpu"
PATIENCE_SECONDS = 1800
DELAYS, SHORT_DELAYS = "[30, 300]", "[1, 5]"
"""Between tries of a stage: short ones instead of those of dvc.yaml, so that a campaign ends the same day."""
WORDS = {
    "flow": "-m prefect.engine",
    "worker": "prefect worker start --pool cpu",
    "server": "create_app",
    "all": "",
}


class Scene:
    def __init__(self, folder: Path, run: str) -> None:
        self.project, self.run = kills.prepare(folder, run), run
        self.root = self.project.root
        graph = (self.root / "dvc.yaml").read_text(encoding="utf-8")
        assert DELAYS in graph
        (self.root / "dvc.yaml").write_text(graph.replace(DELAYS, SHORT_DELAYS), encoding="utf-8")
        smoke.commit(self.root, "all made")
        self.station = Station(self.root, smoke.environment(self.root))
        self._ui = contextlib.ExitStack()

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        self.open()
        try:
            yield
        finally:
            self._ui.close()

    def open(self) -> None:
        """Starts `make ui`; what ran of it before is dead or ended now."""
        self._ui.close()
        self._ui.enter_context(self.station.open())

    def start(self) -> UUID:
        """A run of the deployment, once the server answers: it may be on its way up."""
        asked: list[UUID] = []

        def ask() -> bool:
            with contextlib.suppress(httpx.HTTPError):
                asked.append(
                    self.station.start(DEPLOYMENT, runs=[self.run], wait=PATIENCE_SECONDS, share=False)
                )
            return bool(asked)

        until(ask, PATIENCE_SECONDS)
        return asked[0]

    def is_over(self, flow_run: UUID) -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return self.station.run(flow_run)["state_type"] in FINAL
        return False

    def ended(self, flow_run: UUID) -> dict[str, Any]:
        until(lambda: self.is_over(flow_run), PATIENCE_SECONDS)
        return self.station.run(flow_run)

    def processes(self, victim: str, stage: str) -> list[psutil.Process]:
        return processes_in(self.root, f"-m tasks {stage}" if victim == "stage" else WORDS[victim])

    def kill(self, victim: str, stage: str) -> int:
        """`kill -9`; how many there were to kill at that moment."""
        found = self.processes(victim, stage)
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                os.kill(process.pid, signal.SIGKILL)
        return len(found)

    def faults(self) -> list[str]:
        """What is not as the unbroken run left it."""
        faults = [] if smoke.md5s(self.root, self.run) == self.project.md5s else ["other md5s"]
        status = smoke.attempt(
            self.root, "dvc", "status", f"benchmark@{self.run}", "--with-deps"
        ).stdout.strip()
        faults += [] if status == CLEAN else [f"dvc status: {' '.join(status.split())[:200]}"]
        faults += [f"corrupt: {name}" for name in corrupt(self.root)]
        faults += [f"orphan: {process.pid}" for process in processes_in(self.root, "child.py dvc")]
        unfinished = self.station.post(
            "/flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["RUNNING", "CANCELLING"]}}}}
        )
        return faults + [f"left {run['state_name']}: {run['name']}" for run in unfinished]


def corrupt(root: Path) -> list[str]:
    """Objects of DVC's cache whose bytes are not what their name says; half-written ones have other names."""
    found = []
    for file in (root / ".dvc" / "cache" / "files" / "md5").glob("??/*"):
        name = file.parent.name + file.name.removesuffix(".dir")
        whole = len(name) == 32 and not file.name.endswith(".tmp")
        if whole and hashlib.md5(file.read_bytes()).hexdigest() != name:  # noqa: S324
            found.append(name)
    return found
