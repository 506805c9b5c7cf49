"""The second door as operators use it: a real server as started by default, real workers, the deployments of prefect.yaml."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from prefect.workers.process import ProcessWorker

from flows import ui
from tests.browser import CHROMIUM, NO_CHROMIUM
from tests.campaigns import attacks
from tests.flows.retraining.conftest import POLICY
from tests.flows.station import Station, ToyStation, copy, processes_in, until
from tests.flows.toy import Toy, call


@pytest.fixture(scope="module")
def station(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToyStation]:
    station = ToyStation(copy(made, tmp_path_factory.mktemp("station") / "toy"))
    with station.open():
        yield station


@pytest.fixture
def toy(station: ToyStation) -> Iterator[Toy]:
    """The station's checkout, as committed."""
    yield station.toy
    station.toy.order()
    call(station.toy.root, "git", "checkout", "--quiet", "--force", ".")
    station.toy.dvc("checkout", "--quiet", "--force")
    (station.toy.root / "ran.log").unlink(missing_ok=True)


def test_server_listens_on_loopback_alone_and_makes_a_password_for_its_owner_alone(station: ToyStation) -> None:
    listening = {c.laddr.ip for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr.port == station.port}
    assert listening == {"127.0.0.1"}
    home = station.toy.root / ".prefect"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (home, home / "password", home / "server.json")}
    assert modes == {".prefect": 0o700, "password": 0o600, "server.json": 0o600}
    assert len(station.password) > 30
    said = (station.toy.root / "log-flows.ui").read_text()
    assert f"it asks for the password: it stands in {home / 'password'}" in said
    assert station.password not in said


@pytest.fixture(scope="module")
def with_secret(station: ToyStation) -> ToyStation:
    attacks.keep_secret(station)
    return station


@pytest.mark.parametrize("attack", attacks.ATTACKS)
def test_attack_gets_nothing(with_secret: ToyStation, attack: Callable[[Station], list[str]]) -> None:
    assert attack(with_secret) == []


@pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)
def test_page_of_another_site_gets_nothing(with_secret: ToyStation) -> None:
    assert attacks.from_a_browser(with_secret) == []


@pytest.mark.skipif(not attacks.can_be_another(), reason="only root can take the place of another account")
def test_another_account_gets_nothing(with_secret: ToyStation) -> None:
    assert attacks.by_another_account(with_secret) == []


def test_runs_of_the_pool_work_in_the_checkout_with_the_pool_of_a_former_version_too(station: ToyStation, toy: Toy) -> None:
    """The template of Prefect, which former versions took, is replaced at the start; one of the operator's own stays, and is told of."""
    former = ProcessWorker.get_default_base_job_template()
    own = {**former, "job_configuration": {**former["job_configuration"], "working_dir": "."}}
    station.send("PATCH", "/work_pools/cpu", {"base_job_template": former}).raise_for_status()
    station.send("PATCH", "/work_pools/control", {"base_job_template": own}).raise_for_status()
    env = {**station.env, "PREFECT_API_URL": station.url}
    line = "import flows.environment; from flows import server, ui; server.ensure(); ui.prepare(1)"
    done = subprocess.run([sys.executable, "-c", line], cwd=toy.root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "mended: runs of the pool cpu could be given a command of their own, no more" in done.stdout
    assert "the pool control lets whoever starts a run change its command or environment, as you have set it" in done.stdout
    assert station.get("/work_pools/cpu")["base_job_template"] == ui.TEMPLATE
    assert station.get("/work_pools/control")["base_job_template"] == own
    station.send("PATCH", "/work_pools/control", {"base_job_template": ui.TEMPLATE}).raise_for_status()


def test_deployments_carry_commit_form_and_pool(station: ToyStation) -> None:
    found = {f"{one['name']}": one for one in station.post("/deployments/filter", {})}
    commit = call(station.toy.root, "git", "rev-parse", "--short=12", "HEAD").strip()
    assert {name: found[name]["work_pool_name"] for name in ("gpu", "cpu", "agents")} == {"gpu": "gpu", "cpu": "cpu", "agents": "control"}
    assert {one["version"] for one in found.values()} == {commit}
    form = found["cpu"]["parameter_openapi_schema"]["properties"]
    assert set(form) == {"runs", "force", "overrides", "revision", "wait", "share"}
    assert all(len(field["description"]) > 20 for field in form.values())


@pytest.mark.parametrize(
    "parameters",
    [
        {"runs": ["../x"]},
        {"runs": "a"},
        {"force": ["prune; rm -rf /"]},
        {"overrides": ["ffn=3"]},
        {"overrides": ["runs.a.prune.ffn=1\nruns: {}"]},
        {"revision": "--upload-pack=touch x"},
        {"wait": -1},
    ],
)
def test_form_refuses_what_cannot_be(station: ToyStation, parameters: dict[str, Any]) -> None:
    answer = station.ask("compress/cpu", **parameters)
    assert answer.status_code in (409, 422), answer.text
    assert "alidation" in answer.text


def test_run_shows_stages_outputs_commit_and_params_and_the_next_is_cached(station: ToyStation, toy: Toy) -> None:
    toy.replace("params.yaml", "ffn: 512", "ffn: 300")
    run = station.ended(first := station.start("compress/cpu", runs=["a"]))
    assert (run["state_name"], run["state"]["message"]) == ("Completed", "ran prune@a, distill@a; 1 of 3 were Cached")
    assert station.tasks(first) == {"ingest@a": "Cached", "prune@a": "Completed", "distill@a": "Completed"}
    shown = station.artifacts(first)
    outputs = json.loads(shown["outputs"]["data"])
    assert [row["output"] for row in outputs] == [
        "data/a/ingest/out",
        "data/a/prune/out",
        "data/a/prune/metrics.json",
        "data/a/distill/out",
    ]
    assert all(len(row["md5"]) == 32 and row["bytes"] > 0 for row in outputs)
    assert '"ffn": 300' in shown["origin"]["data"]
    assert "**Uncommitted edits** `params.yaml`" in shown["origin"]["data"]
    assert call(toy.root, "git", "rev-parse", "HEAD").strip() in shown["origin"]["data"]
    again = station.ended(second := station.start("compress/gpu", runs=["a"]))
    assert again["state_name"] == "Cached"
    assert set(station.tasks(second).values()) == {"Cached"}
    assert toy.ran() == ["prune@a", "distill@a"]


def test_override_is_an_experiment_and_leaves_the_checkout_as_it_is(station: ToyStation, toy: Toy) -> None:
    before = {name: (toy.root / name).read_bytes() for name in ("params.yaml", "dvc.lock", "data/a/prune/out")}
    run = station.ended(flow_run := station.start("compress/cpu", runs=["a"], overrides=["runs.a.prune.ffn=256"]))
    assert run["state_name"] == "Completed", run["state"]["message"]
    assert {name: (toy.root / name).read_bytes() for name in before} == before
    assert f"experiment:{run['name']}" in run["tags"]
    assert "runs.a.prune.ffn 512 → 256" in station.artifacts(flow_run)["origin"]["data"]
    assert run["name"] in toy.dvc("exp", "show", "--csv")
    toy.dvc("exp", "apply", "--quiet", run["name"])
    assert "ffn: 256" in (toy.root / "params.yaml").read_text()
    assert toy.dvc("status").strip() == "Data and pipelines are up to date."
    assert not list((toy.root / ".dvc/tmp/worktrees").iterdir())


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"overrides": ["runs.a.prune.fnn=1"]}, "runs.a.prune.fnn: params.yaml has no such key; did you mean `ffn`?"),
        ({"runs": ["c"]}, "there is no run `c`"),
        ({"revision": "0123456789ab"}, "neither this checkout nor its git remote has this commit"),
    ],
)
def test_users_fault_fails_the_run_with_one_message(station: ToyStation, toy: Toy, parameters: dict[str, Any], said: str) -> None:
    run = station.ended(station.start("compress/cpu", **parameters))
    assert run["state_type"] == "FAILED"
    assert said in run["state"]["message"]
    assert toy.ran() == []


def test_cancelling_stops_the_stage_in_seconds_and_puts_its_former_result_back(station: ToyStation, toy: Toy) -> None:
    toy.order(prune={"sleep": 300})
    flow_run = station.start("compress/cpu", runs=["a"], force=["prune"])
    until(lambda: processes_in(toy.root, "step.py"))
    assert not (toy.root / "data/a/prune/out").exists()
    asked = time.monotonic()
    station.post(f"/flow_runs/{flow_run}/set_state", {"state": {"type": "CANCELLING"}})
    until(lambda: not processes_in(toy.root, "step.py"))
    stopped = time.monotonic() - asked
    assert station.ended(flow_run)["state_name"] == "Cancelled"
    until(lambda: not processes_in(toy.root, "child.py dvc"))
    assert stopped < 15
    until((toy.root / "data/a/prune/out").exists)
    until(lambda: (toy.root / ".dvc/tmp/workspace.lock").read_text() == "")
    assert toy.dvc("status").strip() == "Data and pipelines are up to date."
    assert toy.ran() == ["prune@a"]


def test_killed_flow_is_marked_and_the_next_run_mends(station: ToyStation, toy: Toy) -> None:
    toy.replace("params.yaml", "ffn: 512", "ffn: 200")
    toy.order(prune={"sleep": 300})
    killed = station.start("compress/cpu", runs=["a"])
    until(lambda: processes_in(toy.root, "step.py"))
    pid = json.loads((toy.root / ".dvc/tmp/workspace.lock").read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: not processes_in(toy.root, "step.py"))
    toy.order()
    run = station.ended(flow_run := station.start("compress/gpu", runs=["a"]))
    assert run["state_name"] == "Completed", run["state"]["message"]
    assert "mended: the run before this one was killed" in station.logs(flow_run)
    assert station.ended(killed)["state_type"] == "CRASHED"
    assert toy.dvc("status").strip() == "Data and pipelines are up to date."


def test_webhook_hears_of_a_failed_run_and_of_a_missed_gate(station: ToyStation, toy: Toy) -> None:
    heard: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    receiver = HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    env = {**station.env, "PREFECT_API_URL": station.url, "SLIPWAY_WEBHOOK": f"http://127.0.0.1:{receiver.server_port}/hook"}
    command = [sys.executable, "-m", "flows.notify"]
    for _ in range(2):
        done = subprocess.run(command, cwd=toy.root, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    time.sleep(3)  # the server reads its automations anew
    toy.order(prune={"exit": 2, "message": "data/raw/a: has no label"})
    run = station.ended(station.start("compress/cpu", runs=["a"], force=["prune"]))
    event = {"resource": {"prefect.resource.id": "slipway.run.a", "prefect.resource.name": "a"}, "payload": {"why": "speed: NOT PASSED"}}
    station.post("/events", [{"event": "slipway.gate.failed", "id": str(uuid4()), "occurred": datetime.now(UTC).isoformat(), **event}])
    until(lambda: len(heard) >= 2)
    by_event = {one["event"]: one for one in heard}
    assert by_event["prefect.flow-run.Failed"]["run"] == run["name"]
    assert by_event["prefect.flow-run.Failed"]["why"] == "prune@a: data/raw/a: has no label"
    assert by_event["slipway.gate.failed"]["why"] == "speed: NOT PASSED"
    receiver.shutdown()
    receiver.server_close()


def test_what_arrives_in_an_inbox_starts_a_night(station: ToyStation, toy: Toy) -> None:
    night = station.get("/deployments/name/retrain/nightly")
    assert [one["schedule"]["cron"] for one in night["schedules"]] == ["0 2 * * *"]
    section = "".join(f"    {line}\n" for line in POLICY.splitlines())
    (toy.root / "params.yaml").write_text((toy.root / "params.yaml").read_text() + f"retrain:\n  a:\n{section}")
    (toy.root / "data" / "inbox" / "a").mkdir(parents=True)
    (toy.root / "data" / "inbox" / "a" / "x.csv").write_text("text,label\nx,y\n")
    asked = {"deployments": {"id": {"any_": [night["id"]]}}, "flow_runs": {"state": {"type": {"not_any_": ["SCHEDULED"]}}}}
    (started,) = until(lambda: station.post("/flow_runs/filter", asked))
    run = station.ended(started["id"])
    # The toy has no model that could be a champion; the night says so, and the drop stays.
    assert run["state"]["message"].startswith("dvc.lock: has no model of `a` yet; make one with `dvc repro benchmark@a`")
    assert "something new in data/inbox/a: told the server" in (toy.root / "log-flows.ui").read_text()
    assert (toy.root / "data" / "inbox" / "a" / "x.csv").exists()


def test_what_dies_is_started_again(station: ToyStation, toy: Toy) -> None:
    (worker,) = processes_in(toy.root, "prefect worker start --pool cpu")
    (server,) = processes_in(toy.root, "create_app")
    worker.kill()
    server.kill()
    until(lambda: "server ended with -9" in (toy.root / "log-flows.ui").read_text())
    until(station.is_up)
    run = station.ended(station.start("compress/cpu", runs=["a"]))
    assert run["state_name"] == "Cached"


@pytest.mark.parametrize(
    ("arguments", "env", "code", "said"),
    [
        (["flows.ui", "--port", "PORT"], {}, 75, "`make ui` runs in this checkout already; end it, or name another: make ui PORT=4300"),
        (["flows.worker", "gpu"], {"PREFECT_API_URL": None}, 2, "PREFECT_API_URL: says where the server is, and is not set"),
        (
            ["flows.worker", "gpu"],
            {"PREFECT_API_AUTH_STRING": "admin:wrong"},
            2,
            "the server wants a password; set PREFECT_API_AUTH_",
        ),
        (["flows.compress"], {"PREFECT_HOME": "elsewhere"}, 2, "that of `make ui` stands in .prefect/password of its checkout"),
        (
            ["flows.compress"],
            {"PREFECT_API_URL": None, "PREFECT_HOME": "/dev/null/x"},
            2,
            "/dev/null/x: cannot be used: a file stands there",
        ),
        (["flows.compress"], {"PREFECT_API_URL": "http://127.0.0.1:9/api"}, 75, "no Prefect server answers at this PREFECT_API_URL"),
        (["flows.notify"], {}, 2, "SLIPWAY_WEBHOOK: names the webhook and is not set"),
        (["flows.notify"], {"SLIPWAY_WEBHOOK": "file:///etc/passwd"}, 2, "must be an address that begins with http:// or https://"),
    ],
)
def test_command_that_cannot_go_on_says_why(
    station: ToyStation, arguments: list[str], env: dict[str, str | None], code: int, said: str
) -> None:
    given = {**station.env, "PREFECT_API_URL": station.url, **env}
    command = [sys.executable, "-m", *(word.replace("PORT", str(station.port)) for word in arguments)]
    known = {name: value for name, value in given.items() if value is not None}
    done = subprocess.run(command, cwd=station.toy.root, env=known, capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_flow_by_hand_is_seen_in_the_ui_of_the_checkout(station: ToyStation, toy: Toy) -> None:
    env = {name: value for name, value in station.env.items() if name != "PREFECT_API_URL"}
    done = subprocess.run([sys.executable, "-m", "flows.compress", "a"], cwd=toy.root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    ended = {"state": {"type": {"any_": ["COMPLETED"]}}}
    (last,) = station.post("/flow_runs/filter", {"flow_runs": ended, "sort": "END_TIME_DESC", "limit": 1})
    assert (last["deployment_id"], last["state_name"], last["parameters"]["runs"]) == (None, "Cached", ["a"])
