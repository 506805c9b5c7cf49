"""Which runs are over because their process was killed."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import timedelta
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.states import Cancelling, Pending, Running

from flows.pipeline import crashed
from tests.flows.toy import REPOSITORY

pytestmark = pytest.mark.usefixtures("prefect_server")


@flow(name="of-the-tests")
def of_the_tests() -> None:
    return


def run_in(state: State[None], signature: str | None, tries_ago: int = 0) -> UUID:
    """A flow run that the server takes for unfinished.

    Signed, where it is, on the try at work or on one before it.
    """
    with get_client(sync_client=True) as client:
        run = client.create_flow_run(of_the_tests, state=state)
        if signature:
            tries = client.read_flow_run(run.id).run_count - tries_ago
            client.update_flow_run_labels(run.id, {crashed.LABEL: f"{signature} {tries}"})
        return run.id


def state_of(run: UUID) -> str:
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run).state
        assert state is not None
        return str(state.name)


def told_of(run: UUID) -> str | None:
    with get_client(sync_client=True) as client:
        state = client.read_flow_run(run).state
        assert state is not None
        return state.message


def signature_of(process: str) -> str:
    """As `crashed.sign` writes it, in this process or in one that is gone."""
    run = run_in(Pending(), None)
    if process == "alive":
        crashed.sign(str(run))
    else:
        subprocess.run(
            [sys.executable, "-c", f"from flows.pipeline import crashed; crashed.sign('{run}')"],
            check=True,
            cwd=REPOSITORY,
        )
    with get_client(sync_client=True) as client:
        found = client.read_flow_run(run).labels[crashed.LABEL]
        client.delete_flow_run(run)
    return str(found)


@pytest.mark.parametrize(
    ("state", "process", "then"),
    [
        (Running(), "gone", "Crashed"),
        (Running(), "gone, on the try before this one", "Running"),
        (Pending(), "gone, on the try before this one", "Pending"),
        (Cancelling(), "gone", "Cancelled"),
        (Running(), "alive", "Running"),
        (Running(), "of another machine", "Running"),
        (Running(), "another of its number", "Crashed"),
        (Running(), "gone, in another container", "Running"),
        (Running(), "before the machine was started again", "Crashed"),
    ],
)
def test_run_whose_process_is_gone_is_marked(state: State[None], process: str, then: str) -> None:
    host, boot, namespace, pid, began, _ = signature_of(
        "gone" if process.startswith("gone") else "alive"
    ).split()
    host = "elsewhere" if process == "of another machine" else host
    boot = "another" if process.startswith("before the machine") else boot
    namespace = "another" if process.endswith("container") else namespace
    began = str(int(began) - 1000) if process == "another of its number" else began
    run = run_in(
        state, f"{host} {boot} {namespace} {pid} {began}", tries_ago=int(process.endswith("before this one"))
    )
    swept = crashed.sweep()
    assert state_of(run) == then
    assert told_of(run) == {
        "Crashed": "its process was killed",
        "Cancelled": "cancelled, and its process is gone",
    }.get(then)
    assert bool(swept) == (then in ("Crashed", "Cancelled"))
    with get_client(sync_client=True) as client:
        client.delete_flow_run(run)


@pytest.mark.parametrize(
    ("host", "alive", "then"),
    [("here", False, "Crashed"), ("here", True, "Pending"), ("elsewhere", False, "Pending")],
)
def test_run_whose_process_a_worker_started_is_marked_when_that_is_gone(
    host: str, alive: bool, then: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crashed, "POOLS", (None,))
    monkeypatch.setattr(crashed, "SIGNED_AFTER", timedelta(0))
    with subprocess.Popen(
        [sys.executable, "-c", "input('prefect')"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as process:
        run = run_in(Pending(), None)
        with get_client(sync_client=True) as client:
            client.update_flow_run(run, infrastructure_pid=str(process.pid))
            client.update_flow_run_labels(
                run, {crashed.WORKER: f"{socket.gethostname() if host == 'here' else host} toy cpu 1"}
            )
        if not alive:
            process.kill()
            process.wait()
        crashed.sweep()
        assert state_of(run) == then
        process.kill()
    with get_client(sync_client=True) as client:
        client.delete_flow_run(run)


def test_run_that_a_dead_worker_took_is_marked_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_in(Pending(), None)
    crashed.sweep()
    assert state_of(run) == "Pending"
    monkeypatch.setattr(crashed, "POOLS", (None,))
    crashed.sweep()
    assert state_of(run) == "Pending"
    monkeypatch.setattr(crashed, "BEGUN_AFTER", timedelta(0))
    monkeypatch.setattr(crashed, "SIGNED_AFTER", timedelta(0))
    crashed.sweep()
    assert state_of(run) == "Crashed"
