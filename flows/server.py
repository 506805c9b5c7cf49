"""Prefect's own server for the time of one command, where the user has none. Its state is in PREFECT_HOME and it dies with this process."""

from __future__ import annotations

import atexit
import http.client
import os
import socket
import subprocess
import time
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.context import refresh_global_settings_context
from prefect.settings import get_current_settings

from flows import child
from tasks.shared.errors import PassingError, SlipwayError

START_SECONDS = 120


def ensure() -> None:
    """Points Prefect at the server the user named, or else at one started here.

    Raises:
        PassingError: the user's server does not answer.
        SlipwayError: our own does not start.
    """
    url = get_current_settings().api.url
    if url is None:
        os.environ.update(PREFECT_API_URL=_start(), PREFECT_UI_URL="")
        refresh_global_settings_context()
    elif (fault := get_client(sync_client=True).api_healthcheck()) is not None:
        raise PassingError(url, f"no Prefect server answers at this PREFECT_API_URL ({fault}); start it, or unset the variable")


def _start() -> str:
    home = Path(os.environ["PREFECT_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    log = home / "server.log"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {**os.environ, "PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
    place = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error", "--lifespan", "on"]
    with log.open("w", encoding="utf-8") as output:
        process = child.start("uvicorn", "--factory", "prefect.server.api.server:create_app", *place, env=env, output=output)
    atexit.register(_stop, process)
    deadline = time.monotonic() + START_SECONDS
    while not _healthy(port):
        if process.poll() is not None or time.monotonic() > deadline:
            child.kill(process)
            raise SlipwayError(str(log), "Prefect's server did not start; its last words are in this file")
        time.sleep(0.1)
    return f"http://127.0.0.1:{port}/api"


def _healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        child.kill(process)
        process.wait()
