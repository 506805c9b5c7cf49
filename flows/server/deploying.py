"""Brings the deployments of prefect.yaml to the server of `make ui`. What an operator has set there stays,
and is told.

Kept are a deployment's schedules, and whether it, a schedule or its trigger is paused. All else is as
prefect.yaml has it: `prefect --no-prompt deploy --name NAME` takes its schedules back, too.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound
from ruamel.yaml import YAML

from flows.server import server
from tasks.core import documents
from tasks.core.errors import ParamsError, SlipwayError

FORMER = {
    "compress/compress-on-gpu": "compress/gpu",
    "compress/compress-on-cpu": "compress/cpu",
    "compress-all/compress-all-on-agents": "compress-all/agents",
    "retrain/retrain-nightly": "retrain/nightly",
    "roll-back/roll-back-champion": "roll-back/champion",
    "search/search-under-budget": "search/budget",
}
"""What deployments were called before: a server that still has one would run it beside the new one, a night
twice."""
SET_BACK = ("parameters", "tags", "concurrency_limit")
Entry = dict[str, Any]


def deployments(pools: Sequence[str]) -> list[str]:
    """Those of prefect.yaml that run in one of the pools, as `compress/compress-on-gpu`."""
    return [_name(one) for one in _entries() if one["work_pool"]["name"] in pools]


def deploy(pools: Sequence[str]) -> list[str]:
    """What was kept as the operator has set it, or set back, a line each.

    Raises:
        SlipwayError: with Prefect's words.
    """
    wanted, told = deployments(pools), list[str]()
    entries = [one for one in _entries() if _name(one) in wanted]
    with get_client(sync_client=True) as client:
        former = {name: _on_server(client, FORMER.get(name)) for name in wanted}
        for entry in entries:
            if known := _on_server(client, _name(entry)) or former[_name(entry)]:
                told += _keep(client, entry, known)
        _apply(entries)
        for name, before in former.items():
            if before is not None:
                client.delete_deployment(before.id)
                told.append(f"{name}: has taken the place of {FORMER[name]}")
    return told


def _entries() -> list[Entry]:
    """The deployments of prefect.yaml.

    Raises:
        ParamsError: prefect.yaml cannot be read.
    """
    try:
        found: list[Entry] = documents.yaml(Path("prefect.yaml").read_bytes(), "prefect.yaml")["deployments"]
        return [dict(one) for one in found]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ParamsError(
            "prefect.yaml", f"has no deployments that can be read: {' '.join(str(error).split())[:300]}"
        ) from None


def _name(entry: Mapping[str, Any]) -> str:
    return f"{entry['entrypoint'].rpartition(':')[2].replace('_', '-')}/{entry['name']}"


def _on_server(client: SyncPrefectClient, name: str | None) -> DeploymentResponse | None:
    try:
        return client.read_deployment_by_name(name) if name else None
    except ObjectNotFound:
        return None


def _keep(client: SyncPrefectClient, entry: Entry, known: DeploymentResponse) -> list[str]:
    """Puts into the entry what the server has; says where the two differ."""
    wanted, now = (
        entry.get("schedules", []),
        [_as_entry(one.model_dump(mode="json")) for one in known.schedules],
    )
    told = []
    if [_plain(one) for one in wanted] != [_plain(one) for one in now]:
        said = ", ".join(map(_shown, now)) or "none"
        theirs = ", ".join(map(_shown, wanted)) or "none"
        told.append(f"{_name(entry)}: schedule kept as the server has it: {said} (prefect.yaml: {theirs})")
    entry["schedules"] = now
    if known.paused:
        entry["paused"] = True
        told.append(f"{_name(entry)}: stays paused")
    if entry.get("triggers"):
        on = [
            one.enabled for one in client.read_resource_related_automations(f"prefect.deployment.{known.id}")
        ]
        if on and not any(on):
            entry["triggers"] = [{**one, "enabled": False} for one in entry["triggers"]]
            told.append(f"{_name(entry)}: its trigger stays switched off")
    return told + _set_back(entry, known)


def _set_back(entry: Entry, known: DeploymentResponse) -> list[str]:
    limit = known.global_concurrency_limit.limit if known.global_concurrency_limit else None
    now = {"parameters": known.parameters, "tags": known.tags, "concurrency_limit": limit}
    asked = entry.get("concurrency_limit")
    wanted = {
        "parameters": entry.get("parameters", {}),
        "tags": entry.get("tags", []),
        "concurrency_limit": asked["limit"] if isinstance(asked, dict) else asked,
    }
    return [
        f"{_name(entry)}: {name.replace('_', ' ')} {json.dumps(now[name])} set back to what prefect.yaml "
        f"has: {json.dumps(wanted[name])}"
        for name in SET_BACK
        if now[name] != wanted[name]
    ]


def _as_entry(found: Mapping[str, Any]) -> Entry:
    """A schedule of the server, as prefect.yaml writes one."""
    said = {key: value for key, value in found["schedule"].items() if value is not None}
    if "rrule" in said:
        said["rrule"] = json.dumps(said)
    more = {key: found[key] for key in ("slug", "parameters") if found.get(key)}
    return {**said, **more, "active": found["active"]}


def _plain(schedule: Mapping[str, Any]) -> Entry:
    return {"active": True, "timezone": "UTC", "day_or": True, **schedule}


def _shown(schedule: Mapping[str, Any]) -> str:
    what = next((f"{key} {schedule[key]}" for key in ("cron", "interval", "rrule") if key in schedule), "?")
    return (
        f"{what.removeprefix('cron ')} "
        f"{schedule.get('timezone', 'UTC')}{'' if schedule.get('active', True) else ', paused'}"
    )


def _apply(entries: Sequence[Entry]) -> None:
    file = server.home() / "prefect.yaml"
    with file.open("w", encoding="utf-8") as stream:
        YAML(typ="safe").dump({"name": "slipway", "pull": [], "deployments": list(entries)}, stream)
    names = [part for one in entries for part in ("--name", _name(one))]
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--prefect-file", str(file), *names]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SlipwayError(
            "prefect.yaml", f"was not deployed: {' '.join((done.stdout + done.stderr).split())[-500:]}"
        )
