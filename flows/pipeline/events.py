"""Events of ours that the server keeps and automations wait for.

Each says to which run it happened, why, and on which page it is told.
"""

from __future__ import annotations

from typing import Any

from prefect.events import emit_event
from prefect.runtime import flow_run

GATE_FAILED = "slipway.gate.failed"
MISSED = "slipway.night.missed"
RETRAIN = "slipway.retrain."
SET_ASIDE = f"{RETRAIN}set-aside"
TOLD = (
    GATE_FAILED,
    MISSED,
    SET_ASIDE,
    *(f"{RETRAIN}{decision}" for decision in ("promoted", "refused", "rolled-back")),
)
"""Those that a webhook hears of."""


def emit(event: str, run: str, why: str, flow_run_id: str | None = None, **more: Any) -> None:
    """`flow_run_id`: whose page tells of it; by default that of the flow run at work."""
    page = flow_run_id or str(flow_run.id or "")
    resource = {"prefect.resource.id": f"slipway.run.{run}", "prefect.resource.name": run}
    emit_event(event, resource=resource, payload={"why": why, "flow_run": page, **more})
