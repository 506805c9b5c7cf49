"""The second door as operators use it.

A real server as started by default, real workers, the deployments of prefect.yaml.
"""

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
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psutil
import pytest
from prefect.workers.process import ProcessWorker

from flows.server import ui
from tests.browser import CHROMIUM, NO_CHROMIUM
from tests.campaigns import attacks
from tests.flows.retraining.conftest import POLICY
from tests.flows.station import Station, ToyStation, copy, processes_in
from tests.flows.toy import Toy, call
from tests.waiting import LONGER_THAN_ANY_WAIT, PATIENCE_SECONDS, until

pytestmark = pytest.mark.slow

WHY = "prune@a: data/raw/a: has no label"
STAGES = ("ingest", "prune", "distill")
POOLS = {
    "compress-on-gpu": "gpu",
    "compress-on-cpu": "cpu",
    "compress-all-on-agents": "control",
    "retrain-nightly": "gpu",
    "roll-back-champion": "cpu",
    "search-under-budget": "cpu",
}
SUSPENDED = {
    "type": "PAUSED",
    "name": "Suspended",
    "state_details": {"pause_timeout": "2100-01-01T00:00:00Z", "pause_reschedule": True},
}
"""What the UI sends for *Suspend*; RETRY for *Retry*."""
RETRY = {"type": "SCHEDULED", "name": "AwaitingRetry", "message": "Retry from the UI"}


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
    for name in ("ran.log", "go"):
        (station.toy.root / name).unlink(missing_ok=True)


def test_server_listens_on_loopback_alone_and_makes_a_password_for_its_owner_alone(
    station: ToyStation,
) -> None:
    listening = {
        c.laddr.ip
        for c in psutil.net_connections("tcp")
        if c.status == "LISTEN" and c.laddr.port == station.port
    }
    assert listening == {"127.0.0.1"}
    home = station.toy.root / ".prefect"
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (home, home / "password", home / "server.json")
    }
    assert modes == {".prefect": 0o700, "password": 0o600, "server.json": 0o600}
    assert len(station.password) > 30
    said = (station.toy.root / "log-flows.server.ui").read_text()
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


def test_runs_of_the_pool_work_in_the_checkout_with_the_pool_of_a_former_version_too(
    station: ToyStation, toy: Toy
) -> None:
    """The template of Prefect, which former versions took, is replaced at the start.

    One of the operator's own stays, and is told of.
    """
    former = ProcessWorker.get_default_base_job_template()
    own = {**former, "job_configuration": {**former["job_configuration"], "working_dir": "."}}
    station.send("PATCH", "/work_pools/cpu", {"base_job_template": former}).raise_for_status()
    station.send("PATCH", "/work_pools/control", {"base_job_template": own}).raise_for_status()
    env = {**station.env, "PREFECT_API_URL": station.url}
    line = (
        "import flows.process.environment; from flows.server import server, ui; server.ensure(); "
        "ui.prepare(1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", line], cwd=toy.root, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "mended: runs of the pool cpu could be given a command of their own, no more" in done.stdout
    assert (
        "the pool control lets whoever starts a run change its command or environment, as you have set it"
        in done.stdout
    )
    assert station.get("/work_pools/cpu")["base_job_template"] == ui.TEMPLATE
    assert station.get("/work_pools/control")["base_job_template"] == own
    station.send("PATCH", "/work_pools/control", {"base_job_template": ui.TEMPLATE}).raise_for_status()


def test_deployments_carry_commit_form_and_pool(station: ToyStation) -> None:
    found = {f"{one['name']}": one for one in station.post("/deployments/filter", {})}
    commit = call(station.toy.root, "git", "rev-parse", "--short=12", "HEAD").strip()
    assert {name: found[name]["work_pool_name"] for name in POOLS} == POOLS
    assert {one["version"] for one in found.values()} == {commit}
    form = found["compress-on-cpu"]["parameter_openapi_schema"]["properties"]
    assert set(form) == {"runs", "force", "overrides", "revision", "wait", "share"}
    assert all(len(field["description"]) > 20 for field in form.values())
    assert form["runs"]["items"]["enum"] == ["a", "b"]
    assert form["force"]["items"]["enum"] == [
        "ingest",
        "prune",
        "distill",
        *(f"{name}@{run}" for run in "ab" for name in STAGES),
    ]


def test_form_refuses_an_unknown_run_and_names_those_there_are(station: ToyStation) -> None:
    answer = station.ask("compress/compress-on-cpu", runs=["c"])
    assert answer.status_code in (409, 422)
    assert "'c' is not one of ['a', 'b']" in answer.json()["detail"]


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
    answer = station.ask("compress/compress-on-cpu", **parameters)
    assert answer.status_code in (409, 422), answer.text
    assert "alidation" in answer.text


def test_run_shows_stages_outputs_commit_and_params_and_the_next_is_cached(
    station: ToyStation, toy: Toy
) -> None:
    toy.replace("params.yaml", "ffn: 512", "ffn: 300")
    run = station.ended(first := station.start("compress/compress-on-cpu", runs=["a"]))
    assert (run["state_name"], run["state"]["message"]) == (
        "Completed",
        "ran prune@a, distill@a; 1 of 3 were Cached",
    )
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
    again = station.ended(second := station.start("compress/compress-on-gpu", runs=["a"]))
    assert again["state_name"] == "Cached"
    assert set(station.tasks(second).values()) == {"Cached"}
    assert toy.ran() == ["prune@a", "distill@a"]


def test_override_is_an_experiment_and_leaves_the_checkout_as_it_is(station: ToyStation, toy: Toy) -> None:
    before = {
        name: (toy.root / name).read_bytes() for name in ("params.yaml", "dvc.lock", "data/a/prune/out")
    }
    run = station.ended(
        flow_run := station.start("compress/compress-on-cpu", runs=["a"], overrides=["runs.a.prune.ffn=256"])
    )
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
        (
            {"overrides": ["runs.a.prune.fnn=1"]},
            "runs.a.prune.fnn: params.yaml has no such key; did you mean `ffn`?",
        ),
        ({"revision": "0123456789ab"}, "neither this checkout nor its git remote has this commit"),
    ],
)
def test_users_fault_fails_the_run_with_one_message(
    station: ToyStation, toy: Toy, parameters: dict[str, Any], said: str
) -> None:
    run = station.ended(station.start("compress/compress-on-cpu", **parameters))
    assert run["state_type"] == "FAILED"
    assert said in run["state"]["message"]
    assert toy.ran() == []


def test_cancelling_stops_the_stage_in_seconds_and_puts_its_former_result_back(
    station: ToyStation, toy: Toy
) -> None:
    toy.order(prune={"sleep": LONGER_THAN_ANY_WAIT})
    flow_run = station.start("compress/compress-on-cpu", runs=["a"], force=["prune"])
    until(lambda: toy.ran() == ["prune@a"])  # a process that has only begun has not said so
    assert not (toy.root / "data/a/prune/out").exists()
    station.post(f"/flow_runs/{flow_run}/set_state", {"state": {"type": "CANCELLING"}})
    until(lambda: not processes_in(toy.root, "step.py"))
    assert station.ended(flow_run)["state_name"] == "Cancelled"
    until(lambda: not processes_in(toy.root, "child.py dvc"))
    until((toy.root / "data/a/prune/out").exists)
    until(lambda: (toy.root / ".dvc/tmp/workspace.lock").read_text() == "")
    assert toy.dvc("status").strip() == "Data and pipelines are up to date."
    assert toy.ran() == ["prune@a"]


def free_worker(toy: Toy) -> None:
    """Prefect's worker ends with a traceback, and is started again, if a run is retried before it has seen
    its process end.
    """
    until(lambda: not processes_in(toy.root, "prefect.engine"))
    time.sleep(5)


def states_until_done(station: ToyStation, flow_run: UUID, tries: int) -> list[str]:
    """The names of the states of this try, once it is over."""
    until(
        lambda: (
            (run := station.run(flow_run))["run_count"] == tries
            and run["state_type"] in ("COMPLETED", "FAILED", "CRASHED")
        )
    )
    found = station.get(f"/flow_run_states/?flow_run_id={flow_run}")
    names = [one["name"] for one in sorted(found, key=lambda one: one["timestamp"])]
    return names[len(names) - names[::-1].index("AwaitingRetry") :]


def test_retry_of_a_finished_experiment_is_a_run_like_another(station: ToyStation, toy: Toy) -> None:
    flow_run = station.start("compress/compress-on-cpu", runs=["a"], overrides=["runs.a.prune.ffn=128"])
    name = station.ended(flow_run)["name"]
    for tries in (2, 3):
        free_worker(toy)
        station.post(f"/flow_runs/{flow_run}/set_state", {"state": RETRY, "force": True})
        assert "Crashed" not in states_until_done(station, flow_run, tries)
        assert station.run(flow_run)["state_type"] == "COMPLETED", station.run(flow_run)["state"]["message"]
    shown = toy.dvc("exp", "list", "--all-commits", "--name-only").split()
    assert {name, f"{name}-2", f"{name}-3"} <= set(shown)


def test_suspended_run_stops_between_stages_and_goes_on_when_it_is_resumed(
    station: ToyStation, toy: Toy
) -> None:
    toy.order(prune={"until": "go"})
    flow_run = station.start("compress/compress-on-cpu", runs=["a"], force=["prune", "distill"])
    until(lambda: processes_in(toy.root, "step.py"))
    station.post(f"/flow_runs/{flow_run}/set_state", {"state": SUSPENDED})
    until(lambda: "suspended: the stage at work ends first" in station.logs(flow_run))
    (toy.root / "go").touch()
    until(lambda: (toy.root / ".dvc/tmp/workspace.lock").read_text() == "")
    assert toy.ran() == ["prune@a"]
    until(lambda: station.run(flow_run)["state_name"] == "Suspended")
    until(
        lambda: (
            "suspended: stops here, between two stages, and leaves the checkout free; *Resume*"
            in station.logs(flow_run)
        )
    )
    toy.order()
    station.post(f"/flow_runs/{flow_run}/resume", {})
    assert station.ended(flow_run)["state_type"] == "COMPLETED", station.run(flow_run)["state"]["message"]
    assert toy.ran().count("distill@a") == 1


def test_killed_flow_is_marked_and_the_next_run_mends(station: ToyStation, toy: Toy) -> None:
    toy.replace("params.yaml", "ffn: 512", "ffn: 200")
    toy.order(prune={"sleep": LONGER_THAN_ANY_WAIT})
    killed = station.start("compress/compress-on-cpu", runs=["a"])
    until(lambda: processes_in(toy.root, "step.py"))
    pid = json.loads((toy.root / ".dvc/tmp/workspace.lock").read_text())["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: not processes_in(toy.root, "step.py"))
    toy.order()
    run = station.ended(flow_run := station.start("compress/compress-on-gpu", runs=["a"]))
    assert run["state_name"] == "Completed", run["state"]["message"]
    assert "mended: the run before this one was killed" in station.logs(flow_run)
    assert station.ended(killed)["state_type"] == "CRASHED"
    assert toy.dvc("status").strip() == "Data and pipelines are up to date."


def errors(station: ToyStation, flow_run: str) -> list[str]:
    """The lines of the log that the UI shows in red."""
    told = {"logs": {"flow_run_id": {"any_": [flow_run]}, "level": {"ge_": 40}}, "sort": "TIMESTAMP_ASC"}
    until(lambda: not processes_in(station.root, "prefect.engine"))  # it sends its last lines as it ends
    return [line["message"] for line in station.post("/logs/filter", told)]


def happened(event: str, why: str, flow_run: str) -> dict[str, Any]:
    """As flows/pipeline/events.py emits it."""
    resource = {"prefect.resource.id": "slipway.run.a", "prefect.resource.name": "a"}
    payload = {"why": why, "flow_run": flow_run}
    return {
        "event": event,
        "id": str(uuid4()),
        "occurred": datetime.now(UTC).isoformat(),
        "resource": resource,
        "payload": payload,
    }


def missed_night(station: ToyStation) -> str:
    """One that was to begin an hour ago, while its pool was paused.

    Told by `make ui`, then it is cancelled.
    """
    night = station.get("/deployments/name/retrain/retrain-nightly")
    station.send("PATCH", "/work_pools/gpu", {"is_paused": True}).raise_for_status()
    due = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    state = {"type": "SCHEDULED", "state_details": {"scheduled_time": due}}
    late = str(
        station.post(
            f"/deployments/{night['id']}/create_flow_run", {"parameters": night["parameters"], "state": state}
        )["id"]
    )
    until(lambda: "missed its time" in station.run(UUID(late))["tags"])
    station.post(f"/flow_runs/{late}/set_state", {"state": {"type": "CANCELLED"}, "force": True})
    station.send("PATCH", "/work_pools/gpu", {"is_paused": False}).raise_for_status()
    return late


def test_webhook_hears_of_what_failed_what_a_night_decided_and_one_that_was_missed(
    station: ToyStation, toy: Toy
) -> None:
    heard: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    receiver = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=receiver.serve_forever, daemon=True).start()
    env = {
        **station.env,
        "PREFECT_API_URL": station.url,
        "SLIPWAY_WEBHOOK": f"http://127.0.0.1:{receiver.server_port}/hook",
    }
    command = [sys.executable, "-m", "flows.server.notify"]
    for _ in range(2):
        done = subprocess.run(command, cwd=toy.root, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    time.sleep(3)  # the server reads its automations anew
    toy.order(prune={"exit": 2, "message": "data/raw/a: has no label"})
    run = station.ended(station.start("compress/compress-on-cpu", runs=["a"], force=["prune"]))
    assert errors(station, run["id"]) == [
        "Finished in state Failed('data/raw/a: has no label')",
        f"Finished in state Failed({WHY!r})",
    ]
    decided = {
        "slipway.gate.failed": "speed: NOT PASSED",
        "slipway.retrain.promoted": "better",
        "slipway.retrain.set-aside": "x.csv: is empty",
    }
    for event, why in decided.items():
        station.post("/events", [happened(event, why, run["id"])])
    late = missed_night(station)
    until(lambda: len(heard) >= 5)
    by_event = {one["event"]: one for one in heard}
    pages = f"http://127.0.0.1:{station.port}/runs/flow-run/"
    assert {one["address"] for event, one in by_event.items() if event != "slipway.night.missed"} == {
        pages + run["id"]
    }
    assert by_event["slipway.night.missed"]["address"] == pages + late
    assert (
        "has not begun: its pool `gpu` is paused, or its worker is stopped, or busy"
        in by_event["slipway.night.missed"]["why"]
    )
    assert by_event["slipway.retrain.promoted"]["why"] == "better"
    assert by_event["prefect.flow-run.Failed"]["run"] == run["name"]
    assert by_event["prefect.flow-run.Failed"]["why"] == WHY
    assert by_event["slipway.gate.failed"]["why"] == "speed: NOT PASSED"
    assert sorted(one["event"] for one in heard) == sorted(by_event), "each is told once"
    receiver.shutdown()
    receiver.server_close()


def test_what_arrives_in_an_inbox_starts_a_night(station: ToyStation, toy: Toy) -> None:
    night = station.get("/deployments/name/retrain/retrain-nightly")
    assert [one["schedule"]["cron"] for one in night["schedules"]] == ["0 2 * * *"]
    section = "".join(f"    {line}\n" for line in POLICY.splitlines())
    (toy.root / "params.yaml").write_text(
        (toy.root / "params.yaml").read_text() + f"retrain:\n  a:\n{section}"
    )
    (toy.root / "data" / "inbox" / "a").mkdir(parents=True)
    (toy.root / "data" / "inbox" / "a" / "x.csv").write_text("text,label\nx,y\n")
    # A cancelled one is the missed night of the test above.
    unlike = {"state": {"type": {"not_any_": ["SCHEDULED", "CANCELLED"]}}}
    asked = {"deployments": {"id": {"any_": [night["id"]]}}, "flow_runs": unlike}
    (started,) = until(lambda: station.post("/flow_runs/filter", asked))
    run = station.ended(started["id"])
    # The toy has no model that could be a champion; the night says so, and the drop stays.
    assert run["state"]["message"].startswith(
        "dvc.lock: has no model of `a` yet; make one with `dvc repro benchmark@a`"
    )
    assert "something new in data/inbox/a: told the server" in (toy.root / "log-flows.server.ui").read_text()
    assert (toy.root / "data" / "inbox" / "a" / "x.csv").exists()


def test_what_an_operator_paused_stays_paused_when_deployments_are_made_anew(
    station: ToyStation, toy: Toy
) -> None:
    """`make ui` makes them anew when it starts, and when params.yaml has another run.

    Then the forms offer it.
    """
    night, form = (
        station.get(f"/deployments/name/{name}")
        for name in ("retrain/retrain-nightly", "compress/compress-on-cpu")
    )
    (schedule,) = night["schedules"]
    (trigger,) = station.get(f"/automations/related-to/prefect.deployment.{night['id']}")
    log = toy.root / "log-flows.server.ui"
    before = len(log.read_text())  # other tests changed params.yaml, too, and the log says so of each change
    changed = {"active": False, "schedule": {"cron": "0 5 * * *", "timezone": "Europe/Berlin"}}
    station.send(
        "PATCH", f"/deployments/{night['id']}/schedules/{schedule['id']}", changed
    ).raise_for_status()
    station.send("PATCH", f"/automations/{trigger['id']}", {"enabled": False}).raise_for_status()
    station.post(f"/deployments/{form['id']}/pause_deployment", {})
    station.post("/deployments/", {"name": "nightly", "flow_id": night["flow_id"]})  # as it was called before
    toy.replace(
        "params.yaml",
        "  b: {",
        "  c: {ingest: {seed: 3}, prune: {ffn: 8, layers: [0]}, distill: {epochs: 1}}\n  b: {",
    )

    def offered() -> bool:
        found = station.get("/deployments/name/compress/compress-on-cpu")["parameter_openapi_schema"]
        return bool(found["properties"]["runs"]["items"]["enum"] == ["a", "c", "b"])

    told = (
        "schedule kept as the server has it: 0 5 * * * Europe/Berlin, paused (prefect.yaml: 0 2 * * * UTC)",
        "compress/compress-on-cpu: stays paused",
        "retrain/retrain-nightly: has taken the place of retrain/nightly",
    )
    # "the forms offer them now" may still come of a change before this one
    until(lambda: offered() and all(line in log.read_text()[before:] for line in told))
    now = station.get("/deployments/name/retrain/retrain-nightly")["schedules"]
    assert [(one["active"], one["schedule"]["cron"], one["schedule"]["timezone"]) for one in now] == [
        (False, "0 5 * * *", "Europe/Berlin")
    ]
    (trigger,) = station.get(f"/automations/related-to/prefect.deployment.{night['id']}")
    assert not trigger["enabled"]
    assert station.get("/deployments/name/compress/compress-on-cpu")["paused"]
    assert station.send("GET", "/deployments/name/retrain/nightly").status_code == 404
    asked = station.ask("compress/compress-on-cpu", runs=["c"])
    assert asked.status_code == 201, asked.text
    station.send("DELETE", f"/flow_runs/{asked.json()['id']}").raise_for_status()
    station.post(f"/deployments/{form['id']}/resume_deployment", {})


def test_what_dies_is_started_again(station: ToyStation, toy: Toy) -> None:
    (worker,) = processes_in(toy.root, "prefect worker start --pool cpu")
    (server,) = processes_in(toy.root, "create_app")
    worker.kill()
    server.kill()
    until(lambda: "server ended with -9" in (toy.root / "log-flows.server.ui").read_text())
    until(station.is_up)
    run = station.ended(station.start("compress/compress-on-cpu", runs=["a"]))
    assert run["state_name"] == "Cached"


@pytest.mark.parametrize(
    ("arguments", "env", "code", "said"),
    [
        (
            ["flows.server.ui", "--port", "PORT"],
            {},
            75,
            "`make ui` runs in this checkout already; end it, or name another: make ui PORT=4300",
        ),
        (
            ["flows.server.worker", "gpu"],
            {"PREFECT_API_URL": None},
            2,
            "PREFECT_API_URL: says where the server is, and is not set",
        ),
        (
            ["flows.server.worker", "gpu"],
            {"PREFECT_API_AUTH_STRING": "admin:wrong"},
            2,
            "the server wants a password; set PREFECT_API_AUTH_",
        ),
        (
            ["flows.compress"],
            {"PREFECT_HOME": "elsewhere"},
            2,
            "that of `make ui` stands in .prefect/password of its checkout",
        ),
        (
            ["flows.compress"],
            {"PREFECT_API_URL": None, "PREFECT_HOME": "/dev/null/x"},
            2,
            "/dev/null/x: cannot be used: a file stands there",
        ),
        (
            ["flows.compress"],
            {"PREFECT_API_URL": "http://127.0.0.1:9/api"},
            75,
            "no Prefect server answers at this PREFECT_API_URL",
        ),
        (["flows.server.notify"], {}, 2, "SLIPWAY_WEBHOOK: names the webhook and is not set"),
        (
            ["flows.server.notify"],
            {"SLIPWAY_WEBHOOK": "file:///etc/passwd"},
            2,
            "must be an address that begins with http:// or https://",
        ),
    ],
)
def test_command_that_cannot_go_on_says_why(
    station: ToyStation, arguments: list[str], env: dict[str, str | None], code: int, said: str
) -> None:
    given = {**station.env, "PREFECT_API_URL": station.url, **env}
    command = [sys.executable, "-m", *(word.replace("PORT", str(station.port)) for word in arguments)]
    known = {name: value for name, value in given.items() if value is not None}
    done = subprocess.run(
        command,
        cwd=station.toy.root,
        env=known,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_flow_by_hand_is_seen_in_the_ui_of_the_checkout(station: ToyStation, toy: Toy) -> None:
    env = {name: value for name, value in station.env.items() if name != "PREFECT_API_URL"}
    done = subprocess.run(
        [sys.executable, "-m", "flows.compress", "a"],
        cwd=toy.root,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ended = {"state": {"type": {"any_": ["COMPLETED"]}}}
    (last,) = station.post("/flow_runs/filter", {"flow_runs": ended, "sort": "END_TIME_DESC", "limit": 1})
    assert (last["deployment_id"], last["state_name"], last["parameters"]["runs"]) == (None, "Cached", ["a"])
