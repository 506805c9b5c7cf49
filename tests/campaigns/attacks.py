"""What pages of other sites and other accounts of this machine try against a server started as by default,
and what they get.

    python -m tests.campaigns.attacks

Starts `python -m flows.server.ui` in a toy project, with a secret in its block, and prints a table in
Markdown; exit status 1 if an attack got anything. Pages are opened in Chromium, where there is one; for
another account it must be root that runs this.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psutil
from playwright.sync_api import sync_playwright
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from tests.browser import CHROMIUM, NO_CHROMIUM
from tests.flows.station import Station, ToyStation, processes_in
from tests.flows.toy import Toy, call, new

SECRET = "the key of the store"
BLOCK = "slipway-environment"
READ = f"/block_types/slug/secret/block_documents/name/{BLOCK}?include_secrets=true"
SOCKETS = (
    "/events/in",
    "/events/out",
    "/logs/out",
    "/task_runs/subscriptions/scheduled",
    "/work_pools/cpu/workers/connect",
)
ELSEWHERE = "http://127.0.0.1:1"
FOREIGN = "slipway.example"
JOB = (
    {"command": "touch owned"},
    {"env": {"PYTHONSTARTUP": "x"}},
    {"env.PATH": "/x"},
    {"working_dir": "/"},
    {"image": "x"},
)
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
PAGE = """async ([api, deployment]) => {
  const got = [];
  const take = async (what, ask) => { try { got.push(what + ": " + await ask()); } catch (error) { /* refused */ } };
  const json = {"Content-Type": "application/json"};
  await take("secret", async () => (await fetch(api + "READ")).text());
  await take("runs", async () => (await fetch(api + "/flow_runs/filter", {method: "POST", headers: json, body: "{}"})).text());
  const body = JSON.stringify({job_variables: {command: "touch owned"}});
  const start = `${api}/deployments/${deployment}/create_flow_run`;
  await take("run", async () => (await fetch(start, {method: "POST", headers: json, body})).text());
  await fetch(start, {method: "POST", mode: "no-cors", body}).catch(() => 0);
  await take("socket", () => new Promise((resolve, reject) => {
    const socket = new WebSocket(api.replace("http", "ws") + "/events/out", ["prefect"]);
    socket.onopen = () => resolve("open");
    socket.onerror = reject;
  }));
  return got;
}""".replace("READ", READ)  # noqa: E501


def keep_secret(station: Station) -> None:
    """Prefect's block of the agents' variables, as docs/agents.md has it written."""
    kind = station.get("/block_types/slug/secret")["id"]
    (schema, *_) = station.post(
        "/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [kind]}}}
    )
    document = {
        "name": BLOCK,
        "block_type_id": kind,
        "block_schema_id": schema["id"],
        "data": {"value": {"SLIPWAY_STORE": SECRET}},
    }
    station.post("/block_documents/", document)
    assert SECRET in station.send("GET", READ).text


def deployment(station: Station) -> str:
    return str(station.get("/deployments/name/compress/compress-on-cpu")["id"])


def without_password(station: Station) -> list[str]:
    start = f"/deployments/{deployment(station)}/create_flow_run"
    asked: list[tuple[str, str, Any]] = [
        ("GET", READ, None),
        ("POST", "/flow_runs/filter", {}),
        ("POST", start, {"job_variables": JOB[0]}),
    ]
    asked += [
        ("GET", "/admin/settings", None),
        ("GET", "/metrics", None),
        ("PATCH", "/work_pools/cpu", {"base_job_template": {}}),
    ]
    wrong = [None, ("slipway", "wrong"), ("", "")]
    with httpx.Client(base_url=station.url, timeout=60, trust_env=False) as client:
        answers = [
            client.request(method, path, json=body, auth=auth)
            for method, path, body in asked
            for auth in wrong
        ]
    return [
        f"{one.request.url}: {one.text}" for one in answers if one.status_code != httpx.codes.UNAUTHORIZED
    ]


def of_another_site(station: Station) -> list[str]:
    """With the password, which a page could have been told.

    Under a foreign name of the host, and from a foreign page.
    """
    got = []
    with station.connect() as client:
        for headers in (
            {"Host": FOREIGN},
            {"Host": f"{FOREIGN}:{station.port}"},
            {"Origin": ELSEWHERE},
            {"Origin": "null"},
        ):
            answer = client.get(READ, headers=headers)
            if (
                answer.status_code not in (httpx.codes.BAD_REQUEST, httpx.codes.FORBIDDEN)
                or SECRET in answer.text
            ):
                got.append(f"{headers}: {answer.text}")
        preflight = client.options(
            "/flow_runs/filter",
            headers={"Origin": ELSEWHERE, "Access-Control-Request-Method": "POST"},
            auth=("", ""),
        )
        if preflight.is_success or "access-control-allow-origin" in preflight.headers:
            got.append(f"preflight: {preflight.headers}")
    return got


def over_websockets(station: Station) -> list[str]:
    tries: list[tuple[str, dict[str, Any], str]] = [
        ("no word", {}, ""),
        ("no password", {}, '{"type": "auth"}'),
    ]
    told = json.dumps({"type": "auth", "token": station.password})
    tries += [
        ("another page", {"origin": ELSEWHERE}, told),
        ("another name", {"additional_headers": {"Host": FOREIGN}}, told),
    ]
    got = []
    for path in SOCKETS:
        for what, given, word in tries:
            with contextlib.suppress(ConnectionClosed, InvalidStatus):
                protocols: Any = ["prefect"] if word else None
                url = f"{station.url.replace('http', 'ws')}{path}"
                with connect(url, subprotocols=protocols, proxy=None, **given) as socket:
                    if word:
                        socket.send(word)
                    got.append(f"{path}, {what}: {socket.recv(timeout=20)!r}")
    return got


def job_variables(station: Station) -> list[str]:
    """As the form's *Job Variables* sends them, by who has the password."""
    start = f"/deployments/{deployment(station)}/create_flow_run"
    answers = [station.send("POST", start, {"job_variables": one}) for one in JOB]
    return [
        f"{one.request.content!r}: {one.text}"
        for one in answers
        if one.status_code != httpx.codes.UNPROCESSABLE_ENTITY
    ]


@contextlib.contextmanager
def _another_site() -> Iterator[str]:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<p>another site")

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def from_a_browser(station: Station) -> list[str]:
    """Pages of another port of this machine, of a file, and of no site at all."""
    asked = {"deployments": {"id": {"any_": [deployment(station)]}}}  # schedules start runs of others
    got, before = [], station.post("/flow_runs/count", asked)
    with tempfile.TemporaryDirectory() as folder, _another_site() as site, sync_playwright() as playwright:
        file = Path(folder) / "page.html"
        file.write_text("<p>a file")
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        for url in (site, file.as_uri(), f"data:text/html,{quote('<p>nothing')}"):
            page = browser.new_page()
            page.goto(url)
            got += [f"{url}: {one}" for one in page.evaluate(PAGE, [station.url, deployment(station)])]
        browser.close()
    after = station.post("/flow_runs/count", asked)
    return got + ([] if after == before else [f"{after - before} flow runs"])


def by_another_account(station: Station) -> list[str]:
    """What `nobody` can read of the server's files and processes, of which our own account can read all."""
    home, password = station.root / ".prefect", station.password
    files = [path for path in home.iterdir() if path.is_file()]
    servers = processes_in(station.root, "create_app") + processes_in(station.root, "worker start")
    assert {path.name for path in files} >= {"password", "prefect.db", "server.json"}
    assert len(servers) >= 4
    with _reachable(station.root):
        assert _as_nobody("cat", str(station.root / "params.yaml")), (
            "else nothing could be read, whatever its modes"
        )
        paths = [*map(str, files), *(f"/proc/{one.pid}/environ" for one in servers)]
        got = [f"{path}: {text[:80]}" for path in paths if (text := _as_nobody("cat", path))]
        got += [f"files: {text}" for text in [_as_nobody("ls", str(home))] if text]
    secret = password.partition(":")[2]
    return got + [f"arguments of {one.pid}" for one in psutil.process_iter() if _told(one, secret)]


def _told(process: psutil.Process, secret: str) -> bool:
    try:
        return secret in " ".join(process.cmdline())
    except psutil.Error:
        return False


def _as_nobody(*command: str) -> str:
    return subprocess.run(
        [*NOBODY, *command], capture_output=True, text=True, errors="replace", check=False
    ).stdout


@contextlib.contextmanager
def _reachable(root: Path) -> Iterator[None]:
    """Folders above may be closed, as pytest's are; for this long they are not."""
    closed = [folder for folder in (root, *root.parents) if not folder.stat().st_mode & 0o001]
    modes = {folder: folder.stat().st_mode & 0o7777 for folder in closed}
    for folder, mode in modes.items():
        folder.chmod(mode | 0o005)
    try:
        yield
    finally:
        for folder, mode in modes.items():
            folder.chmod(mode)


def can_be_another() -> bool:
    return os.geteuid() == 0 and shutil.which("setpriv") is not None


ATTACKS: tuple[Callable[[Station], list[str]], ...] = (
    without_password,
    of_another_site,
    over_websockets,
    job_variables,
)
"""Those that can be tried anywhere; `from_a_browser` and `by_another_account` need something."""


def main() -> int:
    attacks = [*ATTACKS]
    attacks += [from_a_browser] if CHROMIUM else []
    attacks += [by_another_account] if can_be_another() else []
    if not CHROMIUM:
        print(NO_CHROMIUM)
    bad = 0
    with tempfile.TemporaryDirectory(prefix="slipway-attacks-") as folder:
        toy: Toy = new(Path(folder).resolve() / "toy")
        call(toy.root, "git", "add", "--all")
        call(toy.root, "git", "commit", "--quiet", "--message", "all")
        station = ToyStation(toy)
        with station.open():
            keep_secret(station)
            print("| attack | got |\n| --- | --- |")
            for attack in attacks:
                got = attack(station)
                bad += bool(got)
                print(f"| {attack.__name__.replace('_', ' ')} | {'; '.join(got) or 'nothing'} |", flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
