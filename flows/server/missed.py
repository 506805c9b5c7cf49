"""Tells of nights that did not begin: `make ui` and `python -m flows.server.watch` look for them.

Prefect says *Late* of whatever waits for fifteen seconds, as behind another run; a night counts as missed
after half an hour. It has a tag then, so that it is told once, and it still begins if a worker takes it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateName,
)
from prefect.client.schemas.objects import FlowRun

from flows.pipeline import events
from flows.pipeline.crashed import FAULTS

FLOW = "retrain"
AFTER = timedelta(minutes=30)
TAG = "missed its time"


def announce() -> list[str]:
    """Emits an event for each night that was not told before; a line for each."""
    waiting = FlowRunFilter(
        state=FlowRunFilterState(name=FlowRunFilterStateName(any_=["Scheduled", "Late"])),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=datetime.now(UTC) - AFTER),  # type: ignore[arg-type]
    )
    with get_client(sync_client=True) as client:
        try:
            found = client.read_flow_runs(
                flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOW])), flow_run_filter=waiting
            )
            return [_told(client, run) for run in found if TAG not in run.tags]
        except FAULTS:
            return []


def _told(client: SyncPrefectClient, run: FlowRun) -> str:
    due = run.expected_start_time
    at = f"{due:%Y-%m-%d %H:%M} UTC" if due else "its time"
    pool = (
        f"its pool `{run.work_pool_name}` is paused, or its worker is"
        if run.work_pool_name
        else "its worker is"
    )
    why = f"the night of {at} has not begun: {pool} stopped, or busy with another run"
    client.update_flow_run(run.id, tags=[*run.tags, TAG])
    events.emit(events.MISSED, run.name, why, str(run.id))
    return f"flow run {run.name}: {why}"
