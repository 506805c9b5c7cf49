"""Each stage of the graph as a task run: Cached where DVC finds it up to date or restores it; Completed, with
the reason it ran; Failed, with the stage's own words.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from prefect import State, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.concurrency.sync import concurrency
from prefect.exceptions import MissingResult
from prefect.states import Completed, Failed

from flows.pipeline import keep_former, share, suspending
from flows.pipeline.graph import GPU, Graph, Stage
from flows.pipeline.progress import Progress
from flows.pipeline.reproduce import BUG, PASSING, USERS_FAULT, StageError, reproduce
from flows.process import child
from flows.process.secrets import Mask
from tasks.core.errors import PassingError

ASK_SECONDS = 5
"""How long one asks before looking whether the flow was stopped meanwhile."""
LEASE_SECONDS = 60
"""After which the slot of a killed holder is free again; Prefect's least."""


@dataclass(frozen=True)
class Outcome:
    """How a stage ended. `code` is 0 where it is up to date or was not reached."""

    stage: str
    state: str
    message: str
    code: int

    @property
    def ran(self) -> bool:
        return self.state == "Completed"


@dataclass(frozen=True)
class Work:
    """What a flow lends its task runs. `keep` are descriptors that children hold open too, `mask` takes
    secrets out of a line, `owed` is where results are noted that the DVC remote is to get; None: it gets
    none."""

    graph: Graph
    mask: Mask
    forced: frozenset[str] = frozenset()
    keep: tuple[int, ...] = ()
    owed: share.Unpushed | None = None


def worth_a_retry(_task: object, _run: object, state: State[Any]) -> bool:
    """A user's fault and a bug come back with every try.

    A passing fault, or what killed a stage before it could say a word, may not.
    """
    return not child.stopping.is_set() and _code(state) in (PASSING, None)


@task(cache_policy=NO_CACHE, persist_result=False, retry_condition_fn=worth_a_retry)
def run_stage(stage: Stage, work: Work) -> State[Any]:
    """Brings one stage up to date, if it is not."""
    graph, force = work.graph, stage.name in work.forced
    why = graph.why(stage.name)
    if not why and not force:
        return Completed(name="Cached", message="up to date", data=graph.manifest(stage.name))
    why = "; ".join(filter(None, ["forced" if force else "", why]))
    get_run_logger().info("not up to date: %s", why)
    started = time.monotonic()
    try:
        with keep_former.kept(graph, stage.name):
            ran = _reproduce(stage, work, force)
            if left := graph.why(stage.name):
                raise StageError(BUG, f"after it ran DVC still finds it changed: {left}")
    except StageError as failure:
        return Failed(message=str(failure), data=failure)
    message = (
        f"{why} (ran {time.monotonic() - started:.1f} s)"
        if ran
        else f"restored from DVC's cache, nothing ran: {why}"
    )
    _share(stage.name, work)
    return Completed(name=None if ran else "Cached", message=message, data=graph.manifest(stage.name))


def _reproduce(stage: Stage, work: Work, force: bool) -> bool:
    logger = get_run_logger()
    pull = work.owed is not None
    if pull:
        _fetch(work)
    try:
        runs = force or not work.graph.restorable(stage.name, pull)
    except FileNotFoundError as error:  # raw data that no .dvc file stands for: DVC cannot even ask
        raise StageError(
            USERS_FAULT,
            f"{_in_project(error)}: is missing; `slipway data add {stage.run} SOURCE` brings it in",
        ) from None
    with _slot(stage, work.graph, runs, logger), Progress(stage.name, logger) as progress:
        if work.owed is not None:
            work.owed.add(stage.name)
        return reproduce(
            stage, force, pull, lambda line: progress.take(line) or logger.info(line), work.keep, work.mask
        )


def _in_project(error: OSError) -> str:
    return os.path.relpath(error.filename) if error.filename else str(error)


def _fetch(work: Work) -> None:
    try:
        share.fetch(work.graph)
    except PassingError as error:
        raise StageError(PASSING, work.mask(str(error))) from None


@contextmanager
def _slot(
    stage: Stage, graph: Graph, runs: bool, logger: logging.LoggerAdapter[Any] | logging.Logger
) -> Iterator[None]:
    """The slots of the limit `gpu` that it needs, for a stage that really runs, and on GPUs."""
    count = graph.gpus(stage.name) if runs else 0
    if not count:
        yield
        return
    logger.info("asks for %d of the slots of the concurrency limit `%s`", count, GPU)
    with ExitStack() as held:
        while True:
            try:
                held.enter_context(
                    concurrency(
                        GPU,
                        occupy=count,
                        timeout_seconds=ASK_SECONDS,
                        lease_duration=LEASE_SECONDS,
                        strict=False,
                    )
                )
                break
            except TimeoutError:
                if child.stopping.is_set():
                    raise StageError(None, "stopped while it waited for a GPU") from None
        logger.info("has it")
        yield


def _share(stage: str, work: Work) -> None:
    """Sends also what was restored: a kill may have come before its push. A result that the remote does not
    take is here all the same: the flow tells at its end what it still owes."""
    if work.owed is None:
        return
    try:
        share.push(work.graph, stage, lambda line: get_run_logger().info(work.mask(line)), child.stopping)
    except PassingError:
        return
    work.owed.remove(stage)


def _submit(stage: Stage, work: Work, upstream: list[Any]) -> Any:
    # No tags: for each of them Prefect asks its server for a slot, also where the stage is Cached, which
    # takes up to two seconds.
    hints = stage.hints
    named = run_stage.with_options(
        name=stage.name,
        task_run_name=stage.name,
        retries=hints.retries,
        retry_delay_seconds=hints.retry_delay_seconds,
    )
    return named.submit(stage, work, wait_for=upstream)  # type: ignore[call-overload]


def run_graph(stages: Sequence[Stage], work: Work) -> list[Outcome]:
    """Brings the stages up to date, upstream first, within a flow that holds the workspace.

    Raises:
        Pause: the run was suspended, and stages are left; Prefect raises it before the next one.
    """
    futures: dict[str, Any] = {}
    with child.stopped_on_error(), suspending.announce():
        for stage in stages:
            futures[stage.name] = _submit(stage, work, [futures[name] for name in stage.upstream])
        for future in futures.values():
            future.wait()
    return [_outcome(stage, futures) for stage in stages]


def _outcome(stage: Stage, futures: dict[str, Any]) -> Outcome:
    state = futures[stage.name].state
    message = state.message or ""
    if state.is_completed():
        return Outcome(stage.name, state.name, message, 0)
    if state.is_pending():
        missed = [name for name in stage.upstream if not futures[name].state.is_completed()]
        return Outcome(stage.name, "Not run", f"{', '.join(missed)} did not complete", 0)
    return Outcome(stage.name, state.name, message, _code(state) or BUG)


def _code(state: State[Any]) -> int | None:
    """That of the error we gave the state.

    A bug's, where another came; None where all is lost but the message the server keeps.
    """
    try:
        error: Any = state.result(raise_on_failure=False)
    except MissingResult:
        return None
    return error.code if isinstance(error, StageError) else BUG


def _told_once(record: logging.LogRecord) -> bool:
    """Prefect tells a failure twice, first with an empty traceback, and calls it an error of each later stage
    that it was not reached.
    """
    said = record.getMessage()
    return record.levelno != logging.ERROR or not said.startswith(
        ("Task run failed with state", "Finished in state NotReady")
    )


logging.getLogger("prefect.task_runs").addFilter(_told_once)
