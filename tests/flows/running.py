"""Flows over the toy project, in this process and as commands."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psutil
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State, TaskRun

from flows.compress import compress
from flows.pipeline.graph import Graph
from tests.flows.toy import REPOSITORY, Toy


def flow(*runs: str, **given: Any) -> tuple[State[Any], dict[str, tuple[str, str]]]:
    """The flow's state, and of each stage its state and message."""
    state = compress(runs, return_state=True, **given)
    told: Any = state.result(raise_on_failure=False)
    return state, {outcome.stage: (outcome.state, outcome.message) for outcome in told.outcomes}


def told_code(state: State[Any]) -> int:
    told: Any = state.result(raise_on_failure=False)
    return int(told.code)


def command(toy: Toy, *arguments: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    line = [sys.executable, "-m", "flows.compress", *arguments]
    return subprocess.Popen(
        line, cwd=toy.root, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def task_runs(flow_run: UUID) -> list[TaskRun]:
    with get_client(sync_client=True) as client:
        return client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[flow_run])))


def processes_in(toy: Toy) -> Iterator[psutil.Process]:
    """Those at work in the toy project, ourselves excepted."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if (
                process.pid != os.getpid()
                and process.cwd() == str(toy.root)
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                yield process


def is_clean() -> bool:
    graph = Graph()
    return not any(graph.why(name) for name in graph.stages)
