"""The flow over a real DVC project, with a real Prefect server.

What it runs, what it says, and what a kill leaves.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey

from flows.pipeline.graph import Graph
from tests.flows.running import (
    command,
    flow,
    is_clean,
    processes_in,
    task_runs,
    told_code,
)
from tests.flows.toy import REPOSITORY, Toy
from tests.waiting import LONGER_THAN_ANY_WAIT, PATIENCE_SECONDS, until

pytestmark = pytest.mark.usefixtures("prefect_server")

ALL = ["ingest@a", "ingest@b", "prune@a", "prune@b", "distill@a", "distill@b"]


def test_all_is_cached_after_dvc_repro(toy: Toy) -> None:
    state, stages = flow()
    assert (state.type.value, state.name, state.message) == ("COMPLETED", "Cached", "nothing had to run")
    assert stages == dict.fromkeys(ALL, ("Cached", "up to date"))
    assert toy.ran() == []


def test_changed_param_runs_that_stage_and_what_follows_and_says_why(toy: Toy) -> None:
    toy.replace("params.yaml", "ffn: 512", "ffn: 300")
    state, stages = flow()
    assert (state.name, state.message) == ("Completed", "ran prune@a, distill@a; 4 of 6 were Cached")
    assert toy.ran() == ["prune@a", "distill@a"]
    assert stages["prune@a"][1].startswith("runs.a.prune.ffn 512 → 300 (ran ")
    assert stages["distill@a"][1].startswith("data/a/prune/out changed (ran ")
    assert {name for name, (state_name, _) in stages.items() if state_name == "Cached"} == {
        "ingest@a",
        "ingest@b",
        "prune@b",
        "distill@b",
    }
    assert toy.dvc("status").strip() == "Data and pipelines are up to date."
    toy.dvc("repro")
    assert toy.ran() == ["prune@a", "distill@a"]


@pytest.mark.usefixtures("toy")
def test_task_runs_are_named_and_chained_as_the_graph() -> None:
    state, _ = flow("a")
    assert state.state_details.flow_run_id is not None
    flow_run = state.state_details.flow_run_id
    until(lambda: len(task_runs(flow_run)) == 3)
    runs = {run.name: run for run in task_runs(flow_run)}
    assert sorted(runs) == ["distill@a", "ingest@a", "prune@a"]
    assert runs["prune@a"].empirical_policy.retries == 1
    assert [getattr(parent, "id", None) for parent in runs["distill@a"].task_inputs["wait_for"]] == [
        runs["prune@a"].id
    ]


def test_only_the_named_run_is_brought_up_to_date(toy: Toy) -> None:
    toy.replace("params.yaml", "epochs: 3}}\n  b", "epochs: 4}}\n  b")
    toy.replace("params.yaml", "ffn: 256", "ffn: 128")
    _, stages = flow("a")
    assert list(stages) == ["ingest@a", "prune@a", "distill@a"]
    assert toy.ran() == ["distill@a"]


def test_forced_stage_runs_although_up_to_date(toy: Toy) -> None:
    _, stages = flow("a", force=("prune",))
    assert toy.ran() == ["prune@a"]
    assert stages["prune@a"][1].startswith("forced (ran ")
    assert stages["distill@a"] == ("Cached", "up to date")


def test_lost_and_tampered_outputs_are_restored_without_a_run(toy: Toy) -> None:
    (toy.root / "data/a/prune/out").unlink()
    toy.write("data/a/distill/out", "tampered")
    state, stages = flow("a")
    assert state.name == "Cached"
    assert stages["prune@a"] == (
        "Cached",
        "restored from DVC's cache, nothing ran: data/a/prune/out is missing",
    )
    assert stages["distill@a"] == (
        "Cached",
        "restored from DVC's cache, nothing ran: data/a/distill/out is not what was made",
    )
    assert toy.ran() == []
    assert is_clean()


def test_raw_data_that_changed_is_recorded_as_dvc_repro_would(toy: Toy) -> None:
    toy.write("data/raw/a", "more\n")
    state, _ = flow("a")
    assert state.is_completed()
    assert toy.ran() == ["ingest@a", "prune@a", "distill@a"]
    assert is_clean()


def test_run_without_raw_data_is_told_how_to_bring_them_in(toy: Toy) -> None:
    (toy.root / "data/raw/b.dvc").unlink()
    (toy.root / "data/raw/b").unlink()
    state, stages = flow()
    assert stages["ingest@b"] == (
        "Failed",
        "data/raw/b: is missing; `slipway data add b SOURCE` brings it in",
    )
    assert (told_code(state), stages["ingest@a"][0]) == (2, "Cached")


@pytest.mark.parametrize(
    ("order", "tries", "message", "code"),
    [
        ({"exit": 2, "message": "data/raw/a: has no label"}, 1, "data/raw/a: has no label", 2),
        ({"exit": 1, "message": "a bug of ours"}, 1, "a bug of ours", 1),
        ({"exit": 75, "message": "no network"}, 2, "no network", 75),
        ({"exit": 3}, 1, "these are my last words", 1),
        ({"kill": 9}, 2, "exited with ", 1),
        ({"exit": 137}, 2, "exited with 137", 1),
    ],
)
def test_failure_carries_the_stages_words_and_only_a_passing_one_is_retried(
    toy: Toy, order: dict[str, Any], tries: int, message: str, code: int
) -> None:
    toy.order(prune=order)
    state, stages = flow("a", force=("prune",))
    assert state.is_failed()
    assert told_code(state) == code
    assert message in (state.message or "")
    assert stages["prune@a"][0] == "Failed"
    assert message in stages["prune@a"][1]
    assert stages["distill@a"] == ("Not run", "prune@a did not complete")
    assert toy.ran() == ["prune@a"] * tries


def test_passing_fault_is_retried_and_then_succeeds(toy: Toy) -> None:
    toy.order(prune={"exit": 75, "message": "GPU out of memory", "times": 1})
    toy.replace("params.yaml", "ffn: 512", "ffn: 300")
    state, _ = flow("a")
    assert state.is_completed()
    assert toy.ran() == ["prune@a", "prune@a", "distill@a"]
    assert is_clean()


def test_stage_that_takes_too_long_is_stopped(toy: Toy) -> None:
    toy.replace("dvc.yaml", "timeout_seconds: 1800", "timeout_seconds: 3")
    toy.order(distill={"sleep": LONGER_THAN_ANY_WAIT})
    _, stages = flow("a", force=("distill",))
    assert stages["distill@a"] == (
        "Failed",
        "stopped after 3 s, the timeout_seconds of its stanza in dvc.yaml",
    )
    assert list(processes_in(toy)) == []


def test_progress_lines_become_a_progress_artifact(toy: Toy) -> None:
    toy.order(prune={"progress": 4})
    flow("a", force=("prune",))
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(
            artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=["prune-a-epoch"]))
        )
    assert [artifact.data for artifact in found] == [100.0]


def test_torn_dvc_lock_is_mended_and_nothing_runs_again(toy: Toy) -> None:
    whole = (toy.root / "dvc.lock").read_text()
    toy.write("dvc.lock", whole[: len(whole) // 2 + 5])
    state, stages = flow("a")
    assert state.name == "Cached"
    assert stages["prune@a"] == ("Cached", "restored from DVC's cache, nothing ran: never ran before")
    assert toy.ran() == []


@pytest.mark.slow
def test_second_flow_in_a_checkout_is_refused_and_kill_9_leaves_nothing_behind(toy: Toy) -> None:
    toy.replace("params.yaml", "ffn: 512", "ffn: 300")
    toy.order(prune={"sleep": LONGER_THAN_ANY_WAIT})
    with command(toy) as killed:
        until(toy.ran)
        assert len(list(processes_in(toy))) >= 3
        holder = json.loads((toy.root / ".dvc/tmp/workspace.lock").read_text())
        state, _ = flow()
        assert state.is_failed()
        assert (
            f"another flow or command is at work here (pid {killed.pid}, flow run {holder['flow_run']})"
            in (state.message or "")
        )
        assert told_code(state) == 75
        killed.send_signal(signal.SIGKILL)
        until(lambda: not list(processes_in(toy)))
    toy.order()
    state, _ = flow()
    assert state.is_completed()
    assert toy.ran() == ["prune@a", "prune@a", "distill@a"]
    assert is_clean()
    with get_client(sync_client=True) as client:
        dead = client.read_flow_run(UUID(holder["flow_run"])).state
        assert dead is not None
        assert dead.is_crashed()
    assert not [
        run.name for run in task_runs(UUID(holder["flow_run"])) if run.state and not run.state.is_final()
    ]


def test_run_that_fails_leaves_the_former_result(toy: Toy) -> None:
    before = (
        (toy.root / "data/a/prune/metrics.json").read_bytes(),
        (toy.root / "data/a/prune/out").read_bytes(),
    )
    toy.replace("params.yaml", "ffn: 512", "ffn: 300")
    toy.order(prune={"exit": 2, "message": "no"})
    assert flow("a")[0].is_failed()
    assert (
        (toy.root / "data/a/prune/metrics.json").read_bytes(),
        (toy.root / "data/a/prune/out").read_bytes(),
    ) == before
    assert Graph().why("prune@a") == "runs.a.prune.ffn 512 → 300"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_the_flow_stops_the_stage_at_once_without_a_retry(toy: Toy, number: signal.Signals) -> None:
    toy.order(prune={"sleep": LONGER_THAN_ANY_WAIT})
    with command(toy, "a", "--force", "prune") as stopped:
        until(toy.ran)
        stopped.send_signal(number)
        stopped.communicate(timeout=PATIENCE_SECONDS)
        assert stopped.returncode == 128 + number
    assert list(processes_in(toy)) == []
    assert toy.ran() == ["prune@a"]
    assert (toy.root / ".dvc/tmp/workspace.lock").read_text() == ""


SLOW_SUBMISSION = """
import sys, time
from flows import compress
from flows.pipeline import task_runs
submit = task_runs._submit
def slowly(*arguments):
    submitted = submit(*arguments)
    time.sleep(3)
    return submitted
task_runs._submit = slowly
sys.exit(compress.main())
"""


@pytest.mark.slow
def test_flow_stopped_while_it_submits_its_stages_leaves_none_at_work(toy: Toy) -> None:
    toy.order(prune={"sleep": LONGER_THAN_ANY_WAIT})
    line = [sys.executable, "-c", SLOW_SUBMISSION, "a", "--force", "prune"]
    with subprocess.Popen(line, cwd=toy.root, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}) as stopped:
        until(toy.ran)
        stopped.send_signal(signal.SIGTERM)
        try:
            assert stopped.wait(PATIENCE_SECONDS) == 128 + signal.SIGTERM
        finally:
            stopped.kill()
    assert list(processes_in(toy)) == []


@pytest.mark.parametrize(
    ("spoil", "arguments", "code", "said"),
    [
        (lambda _toy: None, ["c"], 2, "dvc.yaml: there is no run `c`; allowed: a, b\n"),
        (lambda _toy: None, ["--set", "ffn=3", "--wait", "-1"], 2, "slipway flow: 2 faults"),
        (lambda _toy: None, ["--revision", "main"], 2, "revision: 'main': string should match pattern"),
        (lambda _toy: None, ["--force", "prun"], 2, "there is no stage `prun` to force"),
        (lambda toy: toy.write("tasks/x", ""), [], 2, "params.yaml: "),
    ],
)
def test_users_fault_is_one_message_and_code_2(
    toy: Toy, spoil: Callable[[Toy], object], arguments: list[str], code: int, said: str
) -> None:
    spoil(toy)
    with command(toy, *arguments) as process:
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == code
    assert said in err
    assert "Traceback" not in out + err


def test_command_prints_a_line_per_stage(toy: Toy) -> None:
    with command(toy, "b") as process:
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, err
    assert out.splitlines() == [
        "ingest@b   Cached  up to date",
        "prune@b    Cached  up to date",
        "distill@b  Cached  up to date",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "light"), [("flows.compress", ["onnxruntime"]), ("flows.retrain", []), ("flows.review", [])]
)
def test_importing_a_flow_imports_no_torch(module: str, light: list[str]) -> None:
    heavy = "torch", "transformers", "sklearn", "datasets", "evaluate", "scipy", "matplotlib", *light
    code = f"import sys, {module}; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
