"""A Prefect server of our own, on this machine alone: for the time of one command where the user has none, or
behind `make ui`.

Its state is in PREFECT_HOME and it dies with this process.
"""

from __future__ import annotations

import atexit
import contextlib
import http.client
import json
import os
import socket
import subprocess
import time
from pathlib import Path
from urllib.parse import urlsplit

import prefect
import psutil
from prefect.client.orchestration import get_client
from prefect.context import refresh_global_settings_context
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import get_current_settings

from flows.process import child, private
from flows.server import password
from tasks.core.errors import ParamsError, PassingError, SlipwayError

HOST = "127.0.0.1"
START_SECONDS = 900
"""For one that hangs: a busy machine takes minutes, and one that dies is seen at once."""
LOG = "server.log"
WHERE = "server.json"
"""In PREFECT_HOME while `make ui` runs: where its server is, so that flows started by hand are seen there
too."""

UI_URL = "PREFECT_SERVER_UI_API_URL"
"""The operator's word for where browsers find the API, if that is not where it listens: behind a proxy or a
tunnel."""
NEWER = "Can't locate revision identified by"
"""What the server says of a database of a newer Prefect."""
WORDS = 3


def home() -> Path:
    """PREFECT_HOME, closed to other accounts: the database, the logs and the password lie there.

    Raises:
        ParamsError: it cannot be had.
    """
    return private.folder(Path(os.environ["PREFECT_HOME"]))


def ensure() -> None:
    """Points Prefect at the server the user named, or that of `make ui`, or else at one started here.

    Raises:
        PassingError: the user's server does not answer.
        ParamsError: it wants another password, or is no address.
        SlipwayError: our own does not start.
    """
    settings = get_current_settings()
    url = settings.api.url or running()
    if not url:
        _start_own()
    elif urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ParamsError("PREFECT_API_URL", f"must be an address as http://127.0.0.1:4200/api, not {url}")
    elif not settings.api.auth_string and is_here(url):
        point_at(url, password.kept(home()))
    else:
        point_at(url)
    url = os.environ["PREFECT_API_URL"]
    with get_client(sync_client=True) as client:
        if (fault := client.api_healthcheck()) is not None:
            raise PassingError(
                url,
                f"no Prefect server answers at this PREFECT_API_URL ({fault}); start it, or unset the "
                "variable",
            )
        try:
            client.request("GET", "/admin/version")
        except PrefectHTTPStatusError as error:
            if error.response.status_code != http.HTTPStatus.UNAUTHORIZED:
                raise
            remedy = (
                "set PREFECT_API_AUTH_STRING to it; that of `make ui` stands in .prefect/password of "
                "its checkout"
            )
            raise ParamsError(url, f"the server wants a password; {remedy}") from None


def _start_own() -> None:
    port, own = free_port(), password.new()
    process = start(
        port, own, {"PREFECT_UI_ENABLED": "0", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}
    )
    atexit.register(stop, process)
    os.environ["PREFECT_UI_URL"] = ""
    point_at(address(port), own)


def point_at(url: str, own: str | None = None) -> None:
    """From now on this process and its children speak with that server, with that password if it is one of
    ours.
    """
    os.environ["PREFECT_API_URL"] = url
    if own is not None:
        os.environ["PREFECT_API_AUTH_STRING"] = own
    refresh_global_settings_context()


def address(port: int) -> str:
    return f"http://{HOST}:{port}/api"


def running() -> str | None:
    """Where the server of `make ui` is, if it runs in this checkout."""
    try:
        said = json.loads(private.read(Path(os.environ["PREFECT_HOME"]) / WHERE) or "{}")
        url, pid = str(said["url"]), int(said["pid"])
        port = int(url.removesuffix("/api").rpartition(":")[2])
    except (ValueError, KeyError, TypeError):
        return None
    return url if healthy(port) and listens(pid, port) else None


def is_here(url: str) -> bool:
    """Whether the address is that of `make ui` in this checkout, whose password we know."""
    asked, ours = urlsplit(url), running()
    return ours is not None and asked.hostname in (HOST, "localhost") and asked.port == urlsplit(ours).port


def listens(pid: int, port: int) -> bool:
    """Whether that process or a child of it listens there, as this account.

    What another put there is told and believed nothing.
    """
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(pid)
        return any(_listens(one, port) for one in (process, *process.children(recursive=True)))
    return False


def _listens(process: psutil.Process, port: int) -> bool:
    with contextlib.suppress(psutil.Error):
        if process.uids().real == os.getuid():
            return any(
                one.status == psutil.CONN_LISTEN and one.laddr.port == port
                for one in process.net_connections("tcp4")
            )
    return False


def free_port() -> int:
    with socket.create_server((HOST, 0)) as free:
        return int(free.getsockname()[1])


def start(port: int, own: str, env: dict[str, str]) -> subprocess.Popen[str]:
    """A server that answers to who knows the password, under its own names and to its own pages: see
    flows/server/asgi.py.

    Raises:
        ParamsError: its database is of a newer Prefect.
        PassingError: it takes too long.
        SlipwayError: it does not start.
    """
    log = home() / LOG
    place = ["--host", HOST, "--port", str(port), "--log-level", "error", "--lifespan", "on"]
    guard = {
        "PREFECT_SERVER_API_AUTH_STRING": own,
        "PREFECT_API_AUTH_STRING": own,
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": origins(port),
    }
    guard["PREFECT_SERVER_API_BASE_PATH"] = "/api"  # where all of us look for it
    with log.open("a", encoding="utf-8") as output:
        begin = output.tell()
        env = {**os.environ, **guard, **env}
        process = child.start(
            "uvicorn", "--factory", "flows.server.asgi:create_app", *place, env=env, output=output
        )
    deadline = time.monotonic() + START_SECONDS
    while not (healthy(port) and listens(process.pid, port)):
        if process.poll() is not None:
            raise _failure(log, begin)
        if time.monotonic() > deadline:
            child.kill(process)
            raise PassingError(
                "Prefect's server",
                f"does not answer within {START_SECONDS} s; is the machine busy with other things?",
            )
        time.sleep(0.1)
    return process


def origins(port: int) -> str:
    """Of the pages that may speak with the server.

    The UI's, at either name of this machine and where the operator says it is.
    """
    found = [f"http://{name}:{port}" for name in (HOST, "localhost")]
    if (elsewhere := urlsplit(os.environ.get(UI_URL, ""))).netloc:
        found.append(f"{elsewhere.scheme}://{elsewhere.netloc}")
    said = get_current_settings().server.api
    return ",".join(
        [*found, said.cors_allowed_origins] if "cors_allowed_origins" in said.model_fields_set else found
    )


def _failure(log: Path, begin: int) -> SlipwayError:
    words = last_words(log, begin)
    if NEWER in words:
        what = f"its database is of a newer Prefect than the one installed here, {prefect.__version__}"
        remedy = (
            "install that one, or move prefect.db, prefect.db-wal and prefect.db-shm away: it then "
            "begins without runs and blocks"
        )
        return ParamsError(str(log.parent), f"{what}; {remedy}")
    return SlipwayError("Prefect's server", f"did not start: {words or 'it said nothing'} (all of it: {log})")


def last_words(log: Path, begin: int = 0) -> str:
    """The last lines that a process wrote into its log, from byte `begin` on, as one line."""
    with log.open("rb") as file:
        file.seek(max(begin, log.stat().st_size - 20_000))
        lines = [
            " ".join(line.split())
            for line in file.read().decode(errors="replace").splitlines()
            if line.strip()
        ]
    return " / ".join(line[:300] for line in lines[-WORDS:])


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
