"""What keeps runs apart: slots of the GPU, and DVC by hand beside a flow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.concurrency.sync import concurrency

from flows.pipeline.graph import GPU
from tests.flows.running import command, flow, is_clean
from tests.flows.toy import Toy
from tests.waiting import PATIENCE_SECONDS, until

pytestmark = pytest.mark.usefixtures("prefect_server")


@pytest.fixture
def one_gpu() -> Iterator[None]:
    """The concurrency limit `gpu`, with one slot."""
    with get_client(sync_client=True) as client:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=GPU, limit=1))
        yield
        client.delete_global_concurrency_limit_by_name(GPU)


def slots() -> int:
    with get_client(sync_client=True) as client:
        return client.read_global_concurrency_limit_by_name(GPU).active_slots


@pytest.mark.slow
@pytest.mark.usefixtures("one_gpu")
def test_slot_of_the_gpu_is_taken_by_a_stage_that_really_runs_on_it_and_by_no_other(toy: Toy) -> None:
    with concurrency(GPU, occupy=1):
        assert flow("a")[0].name == "Cached"
        (toy.root / "data/a/prune/out").unlink()
        assert flow("a")[1]["prune@a"][0] == "Cached"
        assert flow("a", force=("distill",))[0].is_completed()
        toy.replace(
            "dvc.yaml", 'params: ["runs.${key}.prune"]', 'params: ["runs.${key}.prune", "runs.${key}.device"]'
        )
        toy.replace("params.yaml", "a: {ingest", "a: {device: cpu, ingest")
        toy.replace("params.yaml", "b: {ingest", "b: {device: cuda, ingest")
        assert flow("a")[1]["prune@a"][0] == "Completed"
        with command(toy, "b") as waiting:
            assert waiting.stderr is not None
            next(line for line in waiting.stderr if "asks for 1 of the slots" in line)
            waiting.send_signal(signal.SIGTERM)
            waiting.communicate(timeout=PATIENCE_SECONDS)
            assert waiting.returncode == 128 + signal.SIGTERM
        assert "prune@b" not in toy.ran()
    with command(toy, "b") as process:
        until(lambda: slots() == 1)
        process.communicate(timeout=PATIENCE_SECONDS)
    assert slots() == 0
    assert toy.ran()[-2:] == ["prune@b", "distill@b"]


@pytest.mark.slow
@pytest.mark.parametrize("first", ["dvc", "flow"])
def test_dvc_by_hand_and_a_flow_at_once_do_the_work_once(toy: Toy, first: str) -> None:
    toy.replace("params.yaml", "ffn: 512", "ffn: 300")
    toy.order(prune={"sleep": 4} if first == "dvc" else {"until": "go"})
    by_hand = [sys.executable, "-m", "dvc", "repro", "distill@a"]
    env = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    if first == "dvc":
        with subprocess.Popen(by_hand, cwd=toy.root, env=env) as at_work:
            until(toy.ran)
            state, _ = flow("a")
            assert state.is_completed()
        assert at_work.returncode == 0
    else:
        with command(toy, "a") as process:
            until(toy.ran)
            done = subprocess.run(by_hand, cwd=toy.root, env=env, capture_output=True, text=True, check=False)
            (toy.root / "go").touch()
            assert "is busy, it is being blocked by" in done.stderr
            out, err = process.communicate(timeout=PATIENCE_SECONDS)
            assert process.returncode == 0, out + err
    assert toy.ran() == ["prune@a", "distill@a"]
    toy.dvc("repro")
    assert toy.ran() == ["prune@a", "distill@a"]
    assert is_clean()
