"""A Prefect server of our own, on this machine alone: for the time of one command where the user has none, or behind `make ui`.

Its state is in PREFECT_HOME and it dies with this process.
"""

from __future__ import annotations

import atexit
import http.client
import json
import os
import socket
import subprocess
import time
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.context import refresh_global_settings_context
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import get_current_settings

from flows import child
from tasks.shared.errors import ParamsError, PassingError, SlipwayError

HOST = "127.0.0.1"
START_SECONDS = 120
WHERE = "server.json"
"""In PREFECT_HOME while `make ui` runs: where its server is, so that flows started by hand are seen there too."""


def home() -> Path:
    folder = Path(os.environ["PREFECT_HOME"])
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def ensure() -> None:
    """Points Prefect at the server the user named, or that of `make ui`, or else at one started here.

    Raises:
        PassingError: the user's server does not answer.
        ParamsError: it wants another password.
        SlipwayError: our own does not start.
    """
    url = get_current_settings().api.url or running()
    if url is None:
        port = free_port()
        process = start(port, {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"})
        atexit.register(stop, process)
        url = address(port)
        os.environ["PREFECT_UI_URL"] = ""
    point_at(url)
    with get_client(sync_client=True) as client:
        if (fault := client.api_healthcheck()) is not None:
            raise PassingError(url, f"no Prefect server answers at this PREFECT_API_URL ({fault}); start it, or unset the variable")
        try:
            client.request("GET", "/admin/version")
        except PrefectHTTPStatusError as error:
            if error.response.status_code != http.HTTPStatus.UNAUTHORIZED:
                raise
            remedy = "set PREFECT_API_AUTH_STRING as its PREFECT_SERVER_API_AUTH_STRING is"
            raise ParamsError(url, f"the server wants a password; {remedy}") from None


def point_at(url: str) -> None:
    """From now on this process and its children speak with that server."""
    os.environ["PREFECT_API_URL"] = url
    refresh_global_settings_context()


def address(port: int) -> str:
    return f"http://{HOST}:{port}/api"


def running() -> str | None:
    """Where the server of `make ui` is, if it runs in this checkout."""
    try:
        url = str(json.loads((home() / WHERE).read_text(encoding="utf-8"))["url"])
        port = int(url.removesuffix("/api").rpartition(":")[2])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return url if healthy(port) else None


def free_port() -> int:
    with socket.create_server((HOST, 0)) as free:
        return int(free.getsockname()[1])


def start(port: int, env: dict[str, str]) -> subprocess.Popen[str]:
    """A server that answers.

    Raises:
        SlipwayError: it does not start.
    """
    log = home() / "server.log"
    place = ["--host", HOST, "--port", str(port), "--log-level", "error", "--lifespan", "on"]
    with log.open("a", encoding="utf-8") as output:
        process = child.start(
            "uvicorn", "--factory", "prefect.server.api.server:create_app", *place, env={**os.environ, **env}, output=output
        )
    deadline = time.monotonic() + START_SECONDS
    while not healthy(port):
        if process.poll() is not None or time.monotonic() > deadline:
            child.kill(process)
            raise SlipwayError(str(log), "Prefect's server did not start; its last words are in this file")
        time.sleep(0.1)
    return process


def healthy(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def stop(process: subprocess.Popen[str], seconds: float = 10) -> None:
    """Asks it to end, and makes it."""
    process.terminate()
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        child.kill(process)
        process.wait()
