"""Tells Prefect that a run whose process was killed is over: nobody else would, and it would be Running for ever."""

from __future__ import annotations

from uuid import UUID

import httpx
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.exceptions import PrefectException
from prefect.states import Crashed

MESSAGE = "its process was killed"


def mark(flow_run: str) -> bool:
    """Marks the flow run and its unfinished task runs as Crashed. False where the server does not know it, or knows that it ended."""
    run_id = UUID(flow_run)
    with get_client(sync_client=True) as client:
        try:
            found = client.read_flow_run(run_id)
            if found.state is None or found.state.is_final():
                return False
            for task_run in client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run_id]))):
                if task_run.state is None or not task_run.state.is_final():
                    client.set_task_run_state(task_run.id, Crashed(message=MESSAGE), force=True)
            client.set_flow_run_state(run_id, Crashed(message=MESSAGE), force=True)
        except (PrefectException, httpx.HTTPError):
            return False
    return True
