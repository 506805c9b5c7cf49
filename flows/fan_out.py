"""Fans runs out over agents: each run of params.yaml becomes a run of `compress` on a pool, independent ones
at the same time.

The agents work at this checkout's commit and share their results through the DVC remote. At the end `dvc
repro --pull` builds this checkout's own dvc.lock from the shared run-cache. It is deployed in a pool of its
own, `control`, for it waits for others.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import flows.process.environment  # noqa: F401  # isort: skip  (before Prefect, which reads it when it is imported)
from prefect import State, flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterParentFlowRunId
from prefect.deployments import run_deployment
from prefect.runtime import flow_run
from prefect.states import Cancelling, Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.checkout import git
from flows.pipeline import share as sharing
from flows.pipeline.flow_run import workspace_for_run
from flows.pipeline.form import Deployment, Runs, Seconds, Stages
from flows.pipeline.graph import BUSY, BUSY_SECONDS, Graph, Stage, expand, select
from flows.process import child, environment, secrets
from flows.process.secrets import Mask
from tasks.core.errors import ParamsError, PassingError, SlipwayError

POLL_SECONDS = 5
AT_ONCE = 32


@flow(name="compress-all", persist_result=False, task_runner=ThreadPoolTaskRunner(max_workers=AT_ONCE))  # type: ignore[arg-type]
def compress_all(
    runs: Runs = (),
    force: Stages = (),
    deployment: Deployment = "compress/compress-on-gpu",
    wait: Seconds = 86400,
) -> State[Any]:
    """Brings runs up to date on all agents of a pool, and then this checkout from what they shared.

    Args:
        runs: Runs of params.yaml; none: all of them.
        force: Stages to run although they are up to date: `prune@bbc`, or `prune` for every run.
        deployment: What each run is started as, and so on which pool.
        wait: Seconds that a run waits for its agent's checkout, and at the end this one for its own.
    """
    root = Path.cwd()
    try:
        graph = Graph()
        if not sharing.has_remote(graph):
            raise ParamsError(
                ".dvc/config",
                "names no default DVC remote, by which agents share results: `dvc remote add --default NAME "
                "URL`",
            )
        stages = select(graph.stages, runs)
        expand(force, stages)
        commit = _shared_commit(root, graph, stages)
        failed = _fan_out(
            stages, {"force": list(force), "revision": commit, "wait": wait, "share": True}, deployment
        )
        done = [stage.name for stage in stages if stage.run not in failed]
        with secrets.given() as mask, workspace_for_run(root, wait) as keep:
            if _shared_commit(root, Graph(), stages) != commit:
                raise ParamsError(
                    str(root), f"another commit was checked out meanwhile; the results are of {commit}"
                )
            ran = _collect(done, mask, keep) if done else []
    except SlipwayError as error:
        return Failed(message=str(error))
    message = f"{len(done)} of {len(stages)} stages are up to date here" + (
        f"; had to run here: {', '.join(ran)}" if ran else ""
    )
    if failed:
        return Failed(message="\n".join([*(f"{run}: {why}" for run, why in failed.items()), message]))
    return Completed(message=message)


def _shared_commit(root: Path, graph: Graph, stages: Sequence[Stage]) -> str:
    """The commit that agents are to run: this checkout's, which must be all there is to it."""
    sources = {source for stage in stages for source in stage.sources}
    changed = [source.removesuffix(".dvc") for source in sorted(sources) if graph.is_changed(source)]
    if edits := [*git.edited(root), *changed]:
        raise ParamsError(
            ", ".join(edits), "has uncommitted edits, which no agent would see; commit and push them"
        )
    commit = git.commit(root)
    if commit is None:
        raise ParamsError(str(root), "has no commit yet; agents run commits")
    return commit


def _fan_out(
    stages: Sequence[Stage], parameters: Mapping[str, Any], deployment: Deployment
) -> dict[str, str]:
    """Waits for all; what failed, and why. A run whose stages read another's waits for that one."""
    needs: dict[str, set[str]] = {}
    for stage in stages:
        others = {name.partition("@")[2] for name in stage.upstream} - {stage.run, ""}
        needs.setdefault(stage.run, set()).update(others)
    futures: dict[str, Any] = {}
    with _cancelled_on_error():
        for run, others in needs.items():  # the stages come upstream first, and so do the runs
            if not run:  # a stage of no run: whichever run needs it brings it up to date
                continue
            asked = {
                **parameters,
                "runs": [run],
                "force": [name for name in parameters["force"] if name.partition("@")[2] in ("", run)],
            }
            named = on_agent.with_options(name=run, task_run_name=run)
            futures[run] = named.submit(
                deployment, asked, wait_for=[futures[name] for name in others if name in futures]
            )  # type: ignore[call-overload]
        for future in futures.values():
            future.wait()
    return {
        run: future.state.message or future.state.name
        for run, future in futures.items()
        if not future.state.is_completed()
    }


@task(cache_policy=NO_CACHE, persist_result=False)
def on_agent(deployment: str, parameters: dict[str, Any]) -> State[Any]:
    """One run, on whichever agent of the pool takes it."""
    if child.stopping.is_set():
        return Failed(message="not started: the run that was to start it was cancelled")
    ended: Any = run_deployment(deployment, parameters=parameters, poll_interval=POLL_SECONDS, timeout=None)
    state: State[Any] = ended.state
    if not state.is_completed():
        return Failed(message=f"{state.name}: {state.message}")
    return Completed(name=state.name, message=state.message)


@contextmanager
def _cancelled_on_error() -> Iterator[None]:
    try:
        with child.stopped_on_error():
            yield
    except BaseException:
        for _ in range(2):  # one may just have been asked for
            _cancel_children()
            time.sleep(POLL_SECONDS / 2)
        raise


def _cancel_children() -> None:
    """What this run started ends with it."""
    ours = FlowRunFilter(parent_flow_run_id=FlowRunFilterParentFlowRunId(any_=[UUID(str(flow_run.id))]))
    with get_client(sync_client=True) as client:
        for run in client.read_flow_runs(flow_run_filter=ours):
            if run.state is None or not run.state.is_final():
                client.set_flow_run_state(run.id, Cancelling(message="the run that started it was cancelled"))


def _collect(stages: Sequence[str], mask: Mask, keep: int) -> list[str]:
    """`dvc repro --pull`; the stages that it had to run after all.

    Raises:
        PassingError: DVC did not end well.
    """
    logger, lines = get_run_logger(), list[str]()

    def take(line: str) -> None:
        lines.append(mask(line))
        logger.info(mask(line))

    env = environment.of_stage(Path(os.devnull))
    command = ("--wait-for-lock", "repro", "--pull", *stages)
    while status := child.run("dvc", *command, env=env, on_line=take, timeout=None, keep=(keep,)):
        if any(BUSY in line for line in lines[-10:]) and not child.stopping.wait(BUSY_SECONDS):
            continue
        raise PassingError("dvc repro --pull", f"ended with {status}: {' '.join(lines[-3:])}")
    return [line.split("'")[1] for line in lines if line.startswith("Running stage '")]
