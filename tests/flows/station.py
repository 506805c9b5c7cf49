"""A project with `python -m flows.server.ui` at work in it.

A real server with its password, real workers, the real deployments.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil

from flows.server.server import free_port
from tests.flows.toy import REPOSITORY, Toy
from tests.waiting import PATIENCE_SECONDS, until

OPERATORS_OWN = "admin:open sesame"
TRIES = 5


class Station:
    """A project in whose folder `python -m flows.server.ui` runs. Its server speaks HTTP with us, so that our
    own Prefect keeps to its own.

    Without a password the server makes one, and nothing that we start is told it.
    """

    api: httpx.Client

    def __init__(self, root: Path, env: Mapping[str, str], password: str | None = None) -> None:
        self.root, self.port, self._given = root, free_port(), password
        self.env = {name: value for name, value in env.items() if not name.startswith("PREFECT_")}
        if password:
            self.env |= {"PREFECT_SERVER_API_AUTH_STRING": password, "PREFECT_API_AUTH_STRING": password}

    @property
    def password(self) -> str:
        return self._given or kept_password(self.root)

    def connect(self) -> httpx.Client:
        user, _, secret = self.password.partition(":")
        return httpx.Client(base_url=self.url, auth=(user, secret), timeout=PATIENCE_SECONDS)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        with self.process("flows.server.ui", "--port", str(self.port), cwd=self.root) as process:
            log = self.root / "log-flows.server.ui"
            until(lambda: "Slipway is at" in log.read_text() or process.poll() is not None)
            assert process.poll() is None, log.read_text()
            with self.connect() as self.api:
                yield

    @contextlib.contextmanager
    def process(self, module: str, *arguments: str, cwd: Path) -> Iterator[subprocess.Popen[bytes]]:
        with (cwd / f"log-{module}").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=cwd,
                env=self.env,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield process
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def is_up(self) -> bool:
        try:
            return self.api.get("/health").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def get(self, path: str) -> Any:
        return self.send("GET", path).raise_for_status().json()

    def post(self, path: str, body: Any) -> Any:
        answer = self.send("POST", path, body).raise_for_status()
        return answer.json() if answer.content else None

    def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """Again where the server is too busy to answer, as Prefect's own clients do."""
        for _ in range(TRIES):
            with contextlib.suppress(httpx.ReadTimeout):
                answer = self.api.request(method, path, json=body)
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    return answer
            time.sleep(1)
        return self.api.request(method, path, json=body)

    def ask(self, deployment: str, **parameters: Any) -> httpx.Response:
        """Starts a run as the UI's form does."""
        flow, _, name = deployment.partition("/")
        found = self.get(f"/deployments/name/{flow}/{name}")
        return self.send(
            "POST",
            f"/deployments/{found['id']}/create_flow_run",
            {"parameters": {**found["parameters"], **parameters}},
        )

    def start(self, deployment: str, **parameters: Any) -> UUID:
        return UUID(self.ask(deployment, **parameters).raise_for_status().json()["id"])

    def run(self, flow_run: UUID) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/flow_runs/{flow_run}")
        return found

    def ended(self, flow_run: UUID) -> dict[str, Any]:
        """The run, once it is over."""
        until(lambda: self.run(flow_run)["state_type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED"))
        return self.run(flow_run)

    def tasks(self, flow_run: UUID) -> dict[str, str]:
        """The state of each stage."""
        found = self.post("/task_runs/filter", {"flow_runs": {"id": {"any_": [str(flow_run)]}}})
        return {run["name"]: run["state"]["name"] for run in found}

    def artifacts(self, flow_run: UUID) -> dict[str, Any]:
        found = self.post("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [str(flow_run)]}}})
        return {one["key"]: one for one in found}

    def logs(self, flow_run: UUID) -> str:
        found = self.post(
            "/logs/filter", {"logs": {"flow_run_id": {"any_": [str(flow_run)]}}, "sort": "TIMESTAMP_ASC"}
        )
        return "\n".join(line["message"] for line in found)


class ToyStation(Station):
    """In a toy project."""

    def __init__(self, toy: Toy, password: str | None = None) -> None:
        super().__init__(toy.root, {**os.environ, "PYTHONPATH": str(REPOSITORY)}, password)
        self.toy = toy
        prepare(toy)


def prepare(toy: Toy) -> None:
    """Puts into the toy project what a worker needs of this repository, unseen by git."""
    for name in ("flows", "prefect.yaml"):
        (toy.root / name).symlink_to(REPOSITORY / name)
    with (toy.root / ".git" / "info" / "exclude").open("a") as file:
        file.write("/flows\n/prefect.yaml\n/.prefect\n/log*\n/control.json\n/ran.log\n")


def kept_password(root: Path) -> str:
    """That of the server of `make ui` in the checkout."""
    return (root / ".prefect" / "password").read_text().strip()


def clone(toy: Toy, into: Path) -> Toy:
    """A second checkout of the toy's committed state, without any result."""
    subprocess.run(["git", "clone", "--quiet", str(toy.root), str(into)], check=True)
    return Toy(into)


def share_remote(toy: Toy, url: str) -> None:
    toy.dvc("remote", "add", "--quiet", "--local", "--default", "store", url)


def copy(made: Path, into: Path) -> Toy:
    shutil.copytree(made, into, symlinks=True)
    return Toy(into)


def processes_in(folder: Path, word: str) -> list[psutil.Process]:
    """Those whose current directory is there and whose command has the word."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if (
                process.cwd() == str(folder)
                and word in " ".join(process.cmdline())
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(process)
    return found
