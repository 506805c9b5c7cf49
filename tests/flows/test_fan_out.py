"""Runs fanned out over two real agents, each with a checkout, one DVC remote and one git remote."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.flows.station import OPERATORS_OWN, ToyStation, clone, copy, prepare, share_remote
from tests.flows.toy import Toy, call

pytestmark = pytest.mark.slow

SLOW = json.dumps({f"prune@{run}": {"sleep": 6} for run in "ab"})


@pytest.fixture(scope="module")
def station(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToyStation]:
    """Its server has a gpu worker in its own checkout, and a second one in a clone."""
    folder = tmp_path_factory.mktemp("agents")
    toy = copy(made, folder / "toy")
    share_remote(toy, str(folder / "remote"))
    toy.dvc("push", "--quiet")
    second = clone(toy, folder / "second")
    share_remote(second, str(folder / "remote"))
    station = ToyStation(toy, OPERATORS_OWN)
    prepare(second)
    with station.open():
        station.env["PREFECT_API_URL"] = station.url
        with station.process("flows.server.worker", "gpu", cwd=second.root):
            yield station


def retune(toy: Toy, old: str, new: str) -> None:
    toy.replace("params.yaml", old, new)
    toy.write("control.json", SLOW)
    call(toy.root, "git", "add", "--force", "control.json")
    call(toy.root, "git", "commit", "--quiet", "--all", "--message", f"{old} → {new}")


def children(station: ToyStation, parent: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = station.post(
        "/flow_runs/filter", {"flow_runs": {"parent_flow_run_id": {"any_": [parent]}}}
    )
    return found


def test_independent_runs_go_to_two_agents_at_once_and_the_checkout_takes_their_results(
    station: ToyStation,
) -> None:
    toy = station.toy
    toy.replace("params.yaml", "ffn: 512", "ffn: 300")
    retune(toy, "ffn: 256", "ffn: 128")
    run = station.ended(parent := station.start("compress-all/compress-all-on-agents", wait=60))
    assert run["state_name"] == "Completed", station.logs(parent)
    assert run["state"]["message"] == "6 of 6 stages are up to date here"
    first, second = children(station, str(parent))
    assert {child["state_type"] for child in (first, second)} == {"COMPLETED"}
    assert {(*child["parameters"]["runs"], child["parameters"]["revision"]) for child in (first, second)} == {
        (name, call(toy.root, "git", "rev-parse", "HEAD").strip()) for name in "ab"
    }
    assert max(first["start_time"], second["start_time"]) < min(first["end_time"], second["end_time"])
    assert first["labels"]["slipway.process"] != second["labels"]["slipway.process"]
    assert {"a", "b"} <= set(station.tasks(parent))
    assert toy.ran() == []
    assert toy.dvc("status").strip() == "Data and pipelines are up to date."


def test_uncommitted_edits_are_refused(station: ToyStation) -> None:
    station.toy.replace("params.yaml", "ffn: 128", "ffn: 64")
    run = station.ended(station.start("compress-all/compress-all-on-agents"))
    call(station.toy.root, "git", "checkout", "--quiet", "params.yaml")
    assert run["state_type"] == "FAILED"
    assert (
        run["state"]["message"]
        == "params.yaml: has uncommitted edits, which no agent would see; commit and push them"
    )


def test_run_that_fails_is_told_and_the_others_come_in(station: ToyStation) -> None:
    toy = station.toy
    before = (toy.root / "data/b/prune/out").read_text()
    retune(toy, "ffn: 300", "ffn: 72")
    broken = json.dumps({"prune@b": {"exit": 2, "message": "data/raw/b: has no label"}})
    toy.write("control.json", broken)
    toy.replace("params.yaml", "ffn: 128", "ffn: 40")
    call(toy.root, "git", "commit", "--quiet", "--all", "--message", "b is broken")
    run = station.ended(station.start("compress-all/compress-all-on-agents"))
    assert run["state_type"] == "FAILED"
    assert "b: Failed: prune@b: data/raw/b: has no label" in run["state"]["message"]
    assert "3 of 6 stages are up to date here" in run["state"]["message"]
    assert (toy.root / "data/b/prune/out").read_text() == before
    assert "ffn: 72" in (toy.root / "data/a/prune/out").read_text()


def test_without_a_remote_it_says_what_is_lacking(station: ToyStation) -> None:
    local = station.toy.root / ".dvc" / "config.local"
    shutil.move(local, local.with_suffix(".away"))
    try:
        run = station.ended(station.start("compress-all/compress-all-on-agents"))
    finally:
        shutil.move(local.with_suffix(".away"), local)
    assert "names no default DVC remote" in run["state"]["message"]
