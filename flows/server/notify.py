"""Tells a webhook when a run failed, a model did not pass its gates, or a night decided, set a drop aside or
was missed: `make notify`

    SLIPWAY_WEBHOOK=https://… slipway notify [--remove]

Writes the address into a block of the server at PREFECT_API_URL (it often holds a secret, hence no argument),
and an automation that calls it. Done again it replaces both. The webhook gets JSON: what happened, to which
run, why, and the address of the page that tells it.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any
from urllib.parse import urlsplit

import flows.process.environment  # noqa: F401  # isort: skip  (before Prefect, which reads it when it is imported)
from prefect.automations import Automation
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import get_client
from prefect.events.actions import CallWebhook
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.settings import get_current_settings
from prefect.types import SecretDict
from pydantic import SecretStr

from flows.pipeline.events import TOLD
from flows.server import server
from tasks.core.errors import ParamsError
from tasks.launch.command import Command

NAME = "slipway-webhook"
VARIABLE = "SLIPWAY_WEBHOOK"
WHAT = (
    "a run failed, a model did not pass its gates, or a night promoted, refused, set a drop aside, was "
    "rolled back or did not begin"
)
FAILED = ("prefect.flow-run.Failed", "prefect.flow-run.Crashed", "prefect.flow-run.TimedOut")
BODY = """\
{"event": {{ event.event | tojson }},
 "run": {{ (event.payload.get("why") and event.resource["prefect.resource.name"] or flow_run.name) | tojson }},
 "why": {{ (event.payload.get("why") or flow_run.state.message) | tojson }},
 "at": {{ event.occurred | string | tojson }},
 "address": {{ ("ADDRESS" ~ (event.payload.get("flow_run") or (flow_run and flow_run.id) or "")) | tojson }}}"""  # noqa: E501


def subscribe(url: str) -> None:
    """Has the server call the webhook.

    Raises:
        ParamsError: it is no address of the web.
    """
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ParamsError(VARIABLE, "must be an address that begins with http:// or https://")
    remove()
    webhook = Webhook(
        method="POST", url=SecretStr(url), headers=SecretDict({"Content-Type": "application/json"})
    )
    block: Any = webhook.save(NAME, overwrite=True)
    Automation(
        name=NAME,
        description=WHAT,
        trigger=_trigger(),
        actions=[CallWebhook(block_document_id=block, payload=BODY.replace("ADDRESS", _pages()))],
    ).create()


def _pages() -> str:
    """Where the UI has the page of a flow run, as seen from here.

    At PREFECT_UI_URL, else where the API is.
    """
    ui = get_current_settings().ui_url or (get_current_settings().api.url or "").removesuffix("/api")
    return f"{ui.rstrip('/')}/runs/flow-run/"


def _trigger() -> EventTrigger:
    return EventTrigger(expect={*FAILED, *TOLD}, posture=Posture.Reactive, threshold=1, within=0)  # type: ignore[arg-type]


def remove() -> bool:
    """Whether there was one."""
    with get_client(sync_client=True) as client:
        found = client.read_automations_by_name(NAME)
        for automation in found:
            client.delete_automation(automation.id)
    return bool(found)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--remove", action="store_true", help="tell it no more")


def _run(given: argparse.Namespace) -> int:
    server.ensure()
    if given.remove:
        print("the webhook is told no more" if remove() else "no webhook was told")
        return 0
    if not (url := os.environ.get(VARIABLE)):
        raise ParamsError(VARIABLE, "names the webhook and is not set: SLIPWAY_WEBHOOK=https://… make notify")
    subscribe(url)
    print(f"the webhook is told when {WHAT} (automation {NAME})")
    return 0


COMMAND = Command("slipway notify", __doc__, _run, _arguments)
main = COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
