"""Our own server: whom its password is told, and what is said where it does not start."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import prefect
import pytest
from prefect.settings import PREFECT_SERVER_API_AUTH_STRING, temporary_settings

from flows.process import private
from flows.server import password, server
from tasks.core.errors import ParamsError
from tests.flows.toy import REPOSITORY
from tests.waiting import until

CAN_BE_ANOTHER = os.geteuid() == 0 and shutil.which("setpriv") is not None
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
HEALTHY = """\
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Health(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
HTTPServer(("127.0.0.1", int(sys.argv[1])), Health).serve_forever()
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    return server.home()


def attempt(home: Path) -> subprocess.CompletedProcess[str]:
    """A command that starts a server of its own there."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    env |= {"PREFECT_HOME": str(home), "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, "-m", "flows.server.notify"],
        cwd=home.parent,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )


def test_database_of_a_newer_prefect_is_named_as_such(home: Path) -> None:
    with sqlite3.connect(home / "prefect.db") as database:
        database.execute("create table alembic_version (version_num text)")
        database.execute("insert into alembic_version values ('deadbeef0001')")
    done = attempt(home)
    assert done.returncode == 2, done.stderr
    assert (
        f"{home}: its database is of a newer Prefect than the one installed here, {prefect.__version__}; "
        "install that one, or" in done.stderr
    )
    assert "Traceback" not in done.stderr


def test_server_that_does_not_start_is_quoted(home: Path) -> None:
    (home / "prefect.db").write_text("this is no database\n" * 100)
    done = attempt(home)
    assert done.returncode == 1, done.stderr
    assert "Prefect's server: did not start: " in done.stderr
    assert "file is not a database" in done.stderr
    assert "Traceback" not in done.stderr


@contextmanager
def listening(*python: str) -> Iterator[int]:
    """Something that says it is well; the port where it does."""
    port = server.free_port()
    process = subprocess.Popen(
        [*(python or [sys.executable]), "-c", HEALTHY, str(port)], cwd="/", stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: server.healthy(port))
        yield port
    finally:
        process.kill()
        process.wait()


def announce(home: Path, port: int) -> None:
    private.write(home / server.WHERE, json.dumps({"url": server.address(port), "pid": os.getpid()}))


def test_server_of_this_checkout_is_found_by_what_it_left_for_its_owner_alone(home: Path) -> None:
    with listening() as port:
        announce(home, port)
        assert server.running() == server.address(port)
        assert server.is_here(f"http://localhost:{port}/api")
        assert not server.is_here(f"http://prefect.example:{port}/api")
        private.write(home / server.WHERE, json.dumps({"url": server.address(port), "pid": 2**22}))
        assert server.running() is None, "who left it is gone, and another is at that port"
        announce(home, port)
        (home / server.WHERE).chmod(0o666)
        assert server.running() is None


@pytest.mark.skipif(not CAN_BE_ANOTHER, reason="only root can take the place of another account")
def test_another_account_that_took_the_port_is_not_taken_for_it(home: Path) -> None:
    program = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
    if subprocess.run([*NOBODY, program, "-c", ""], cwd="/", capture_output=True, check=False).returncode:
        pytest.skip("no Python here that another account may start")
    with listening(*NOBODY, program) as port:
        announce(home, port)
        assert server.running() is None


def test_password_is_made_once_and_anew_where_others_could_read_it(home: Path) -> None:
    first = password.keep(home)
    assert stat.S_IMODE((home / password.FILE).stat().st_mode) == 0o600
    assert password.keep(home) == first == password.kept(home)
    (home / password.FILE).chmod(0o644)
    assert password.kept(home) is None
    second = password.keep(home)
    assert second != first
    assert stat.S_IMODE((home / password.FILE).stat().st_mode) == 0o600
    (home / password.FILE).write_text("")
    assert password.keep(home) not in ("", first, second)


def test_password_that_prefect_cannot_compare_is_refused() -> None:
    settings = {PREFECT_SERVER_API_AUTH_STRING: "admin:schlüssel"}
    with (
        temporary_settings(updates=settings),
        pytest.raises(ParamsError, match="must be of ASCII signs, as user:password"),
    ):
        password.of_operator()


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({}, "http://127.0.0.1:4200,http://localhost:4200"),
        (
            {server.UI_URL: "https://prefect.example/api"},
            "http://127.0.0.1:4200,http://localhost:4200,https://prefect.example",
        ),
    ],
)
def test_pages_that_may_speak_with_it(
    given: dict[str, str], wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert server.origins(4200) == wanted
