"""Tells Prefect which runs are over because their process was killed: nobody else would, and they would be
Running for ever.

A flow signs its run with its process, as a label. A run whose process is gone is marked by the flow that
finds its workspace, by any flow of the same machine, by a worker when it starts, and by `make ui` all the
time.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.exceptions import PrefectException
from prefect.states import Cancelled, Crashed

LABEL = "slipway.process"
WORKER = "prefect.worker.name"
"""Prefect's own label; the names of our workers begin with their machine's."""
KILLED, CANCELLED = "its process was killed", "cancelled, and its process is gone"
UNFINISHED = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
SIGNED_AFTER, BEGUN_AFTER = timedelta(minutes=1), timedelta(minutes=5)
"""A run that a worker has taken has signed by then, if its process lives; and long before the second, or its
worker was killed."""
POOLS = ("gpu", "cpu", "control")
"""Those of prefect.yaml whose runs begin at once; where containers are fetched first, being taken may last.
"""
FAULTS = (PrefectException, httpx.HTTPError)


def sign(flow_run: str) -> None:
    """Writes onto the flow run which process is at work on it, and on which try of it."""
    with get_client(sync_client=True) as client:
        tries = client.read_flow_run(UUID(flow_run)).run_count
        client.update_flow_run_labels(
            UUID(flow_run), {LABEL: " ".join([*machine(), str(os.getpid()), began(os.getpid()), str(tries)])}
        )


def machine() -> tuple[str, str, str]:
    """Which machine this is, since when it runs, and in which namespace it numbers its processes.

    Containers may have one of their own.
    """
    node = uuid.getnode()
    card = 0 if node >> 40 & 1 else node  # without a network card it is a random number, with this bit set
    boot, namespace = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    there = boot.exists() and namespace.exists()
    host = f"{socket.gethostname()}-{card:x}"
    return (
        (host, boot.read_text(encoding="ascii").strip(), str(namespace.stat().st_ino))
        if there
        else (host, "-", "-")
    )


def began(pid: int) -> str:
    """When the process began, in ticks since the machine did.

    Unlike a time of day no clock that is set moves it.
    """
    stat = Path(f"/proc/{pid}/stat")
    if stat.exists():
        return stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    return f"{psutil.Process(pid).create_time():.0f}"


def mark(flow_run: str) -> bool:
    """Marks the flow run and its unfinished task runs as Crashed.

    False where the server does not know it, or knows that it ended.
    """
    with get_client(sync_client=True) as client:
        try:
            return _end(client, client.read_flow_run(UUID(flow_run)))
        except FAULTS:
            return False


def sweep() -> list[str]:
    """Marks the runs of this machine whose process is gone; a line for each."""
    unfinished = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=UNFINISHED)))
    with get_client(sync_client=True) as client:
        try:
            return [
                _told(run)
                for run in client.read_flow_runs(flow_run_filter=unfinished)
                if _is_dead(run) and _end(client, run)
            ]
        except FAULTS:
            return []


def _told(run: FlowRun) -> str:
    over, why = _ending(run)
    return f"flow run {run.name}: {why}; marked it {over.__name__}"


def _ending(run: FlowRun) -> tuple[Callable[..., State[Any]], str]:
    """What becomes of a run whose process is gone: cancelled, where that was asked for before."""
    return (Cancelled, CANCELLED) if run.state and run.state.is_cancelling() else (Crashed, KILLED)


def _is_dead(run: FlowRun) -> bool:
    if signed := _signature(run):
        host, boot, namespace, pid, since = signed
        here = machine()
        if host != here[0]:
            return False
        return boot != here[1] or (namespace == here[2] and not _alive(int(pid), since))
    if run.state is None or run.state.type != StateType.PENDING or run.work_pool_name not in POOLS:
        return False
    if run.state.timestamp > datetime.now(UTC) - SIGNED_AFTER:
        return False
    if run.infrastructure_pid and str(run.labels.get(WORKER, "")).startswith(f"{socket.gethostname()} "):
        return not _is_of_prefect(int(run.infrastructure_pid))
    return bool(run.state.timestamp < datetime.now(UTC) - BEGUN_AFTER)


def _signature(run: FlowRun) -> list[str]:
    """Empty where the process of this try has not signed yet.

    After *Retry* or *Resume* the run still bears that of the try before.
    """
    *signed, tries = str(run.labels.get(LABEL, "")).split() or [""]
    begun = run.state is not None and run.state.type != StateType.PENDING
    return signed if begun and tries == str(run.run_count) else []


def _alive(pid: int, since: str) -> bool:
    """Whether the process lives, and is not another of the same number."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE and began(pid) == since
    except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
        return False


def _is_of_prefect(pid: int) -> bool:
    try:
        return "prefect" in " ".join(psutil.Process(pid).cmdline())
    except psutil.NoSuchProcess:
        return False


def _end(client: SyncPrefectClient, run: FlowRun) -> bool:
    if run.state is None or run.state.is_final():
        return False
    over, why = _ending(run)
    for task_run in client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))):
        if task_run.state is None or not task_run.state.is_final():
            client.set_task_run_state(task_run.id, over(message=why), force=True)
    client.set_flow_run_state(run.id, over(message=why), force=True)
    return True
