"""Two agents, two clones, one DVC remote: what one made the other gets without running it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.concurrency.sync import concurrency

from flows.compress import compress
from flows.pipeline import share
from flows.pipeline.graph import GPU, Graph
from flows.server.server import free_port
from tests.flows.station import clone, share_remote
from tests.flows.toy import Toy, call

pytestmark = pytest.mark.usefixtures("prefect_server")

BUCKET = "slipway"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of an S3 server with one bucket."""
    keys = {
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "a secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in keys.items():
            patch.setenv(name, value)
        host, port = server.get_host_and_port()
        boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket=BUCKET)
        yield f"http://{host}:{port}"
    server.stop()


def shared(toy: Toy, where: str, s3: str | None) -> None:
    share_remote(toy, where)
    if s3:
        toy.dvc("remote", "modify", "--local", "store", "endpointurl", s3)


def flow(toy: Toy, *runs: str, **given: Any) -> tuple[Any, dict[str, str]]:
    os.chdir(toy.root)
    state = compress(runs, share=True, return_state=True, **given)
    told: Any = state.result(raise_on_failure=False)
    return state, {outcome.stage: outcome.state for outcome in told.outcomes}


def retuned(toy: Toy) -> None:
    toy.replace("params.yaml", "ffn: 512", "ffn: 300")
    call(toy.root, "git", "commit", "--quiet", "--all", "--message", "retuned")


def agent_beside(toy: Toy, folder: Path) -> Toy:
    """A second clone, whose remote has what the first has just made for other params."""
    share_remote(toy, str(folder / "remote"))
    toy.dvc("push", "--quiet")
    retuned(toy)
    flow(toy, "a")
    second = clone(toy, folder / "second")
    share_remote(second, str(folder / "remote"))
    return second


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_second_agent_gets_the_result_of_the_first_without_a_run(
    toy: Toy, tmp_path: Path, kind: str, s3: str
) -> None:
    where, endpoint = (
        (str(tmp_path / "remote"), None) if kind == "folder" else (f"s3://{BUCKET}/{tmp_path.name}", s3)
    )
    shared(toy, where, endpoint)
    toy.dvc("push", "--quiet")
    retuned(toy)
    _, stages = flow(toy, "a")
    assert stages == {"ingest@a": "Cached", "prune@a": "Completed", "distill@a": "Completed"}
    second = clone(toy, tmp_path / "second")
    shared(second, where, endpoint)
    state, stages = flow(second, "a")
    assert (state.name, stages) == ("Cached", dict.fromkeys(stages, "Cached"))
    assert second.ran() == []
    for made in ("dvc.lock", "data/a/prune/metrics.json", "data/a/distill/out"):
        assert (second.root / made).read_bytes() == (toy.root / made).read_bytes()


def test_plain_dvc_repro_pull_takes_it_too(toy: Toy, tmp_path: Path) -> None:
    second = agent_beside(toy, tmp_path)
    second.dvc("repro", "--pull", "distill@a")
    assert second.ran() == []


@pytest.mark.slow
def test_commit_is_run_in_a_worktree_and_shared(toy: Toy, tmp_path: Path) -> None:
    share_remote(toy, str(tmp_path / "remote"))
    toy.dvc("push", "--quiet")
    second = clone(toy, tmp_path / "second")
    share_remote(second, str(tmp_path / "remote"))
    retuned(toy)
    commit = call(toy.root, "git", "rev-parse", "HEAD").strip()
    before = call(second.root, "git", "rev-parse", "HEAD")
    state, stages = flow(second, "a", revision=commit)
    assert (state.type.value, stages["prune@a"]) == ("COMPLETED", "Completed")
    assert (call(second.root, "git", "rev-parse", "HEAD"), second.ran()) == (before, [])
    assert flow(toy, "a")[0].name == "Cached"
    assert toy.ran() == []


def test_result_that_the_remote_does_not_take_is_owed_and_told_and_pushed_later(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share, "TRIES_AFTER_SECONDS", (0, 0.1))
    blocked = tmp_path / "remote"
    blocked.write_text("a file where the remote's folder should be")
    share_remote(toy, str(blocked / "store"))
    retuned(toy)
    state, stages = flow(toy, "a")
    assert state.is_failed()
    assert stages["prune@a"] == "Completed"
    assert "prune@a: is up to date here, but the DVC remote did not take it" in str(state.message)
    assert share.Unpushed(toy.root).stages() == ["prune@a", "distill@a"]
    blocked.unlink()
    state, _ = flow(toy, "a")
    assert state.name == "Cached"
    assert share.Unpushed(toy.root).stages() == []
    made = [out["md5"] for stage in ("prune@a", "distill@a") for out in Graph().manifest(stage)]
    assert len(made) == 3
    assert [
        md5 for md5 in made if not (blocked / "store" / "files" / "md5" / md5[:2] / md5[2:]).exists()
    ] == []
    assert toy.ran() == ["prune@a", "distill@a"]


def test_s3_that_is_down_is_a_passing_fault_and_nothing_ran(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "someone",
        "AWS_SECRET_ACCESS_KEY": "a secret",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    shared(toy, f"s3://{BUCKET}/x", f"http://127.0.0.1:{free_port()}")
    toy.replace("dvc.yaml", "retries: 1", "retries: 0")
    retuned(toy)
    state, stages = flow(toy, "a")
    assert (state.type.value, stages["prune@a"]) == ("FAILED", "Failed")
    assert "prune@a: DVC remote: cannot be read:" in str(state.message)
    assert "Could not connect" in str(state.message)
    assert toy.ran() == []


def test_result_that_only_the_remote_has_needs_no_slot(toy: Toy, tmp_path: Path) -> None:
    second = agent_beside(toy, tmp_path)
    with get_client(sync_client=True) as client:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=GPU, limit=1))
        try:
            with concurrency(GPU, occupy=1):
                assert flow(second, "a")[0].name == "Cached"
        finally:
            client.delete_global_concurrency_limit_by_name(GPU)


def test_without_a_remote_nothing_changes(toy: Toy) -> None:
    assert not share.has_remote(Graph())
    state, _ = flow(toy, "a")
    assert state.name == "Cached"
