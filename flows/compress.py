"""The pipeline as a Prefect flow: one task run per stage of dvc.yaml, chained as DVC says; DVC alone remembers what is done.

Reads params.yaml, dvc.yaml and dvc.lock in the current directory. A stage that is not up to date is run by `dvc repro --single-item`, so
this door leaves the same bytes and the same dvc.lock as `dvc repro` does. `python -m flows.compress [RUN ...]` is what `make flow` calls.
"""

from __future__ import annotations

import argparse
import errno
import logging
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import flows.environment  # noqa: F401  # isort: skip  (before Prefect, which reads the environment when it is imported)
from prefect import State, flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.exceptions import MissingResult
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from flows import child, crashed, server, workspace
from flows.graph import Graph, Stage, expand, select
from flows.progress import Progress
from flows.reproduce import BUG, PASSING, USERS_FAULT, StageError, reproduce
from tasks.shared import params
from tasks.shared import stages as schema
from tasks.shared.errors import DataError, SlipwayError

NOT_WRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
WORST_FIRST = (USERS_FAULT, BUG, PASSING)


@dataclass(frozen=True)
class Outcome:
    """How a stage ended. `code` is 0 where it is up to date or was not reached."""

    stage: str
    state: str
    message: str
    code: int


def worth_a_retry(_task: object, _run: object, state: State[Any]) -> bool:
    """A user's fault and a bug come back with every try; a passing fault, or what killed a stage before it could say a word, may not."""
    return not child.stopping.is_set() and _told(state).get("code") in (PASSING, None)


@task(cache_policy=NO_CACHE, persist_result=False, retry_condition_fn=worth_a_retry)
def run_stage(stage: Stage, graph: Graph, force: bool, keep: Sequence[int]) -> State[Any]:
    """Cached where DVC finds it up to date or restores it; Completed, with the reason it ran; Failed, with the stage's own words."""
    why = graph.why(stage.name)
    if not why and not force:
        return Completed(name="Cached", message="up to date", data=graph.manifest(stage.name))
    why = "; ".join(filter(None, ["forced" if force else "", why]))
    logger = get_run_logger()
    logger.info("not up to date: %s", why)
    started = time.monotonic()
    try:
        with Progress(stage.name, logger) as progress:
            ran = reproduce(stage, force, lambda line: progress.take(line) or logger.info(line), keep)
        if left := graph.why(stage.name):
            raise StageError(BUG, f"after it ran DVC still finds it changed: {left}")
    except StageError as failure:
        return Failed(message=str(failure), data={"code": failure.code})
    message = f"{why} (ran {time.monotonic() - started:.1f} s)" if ran else f"restored from DVC's cache, nothing ran: {why}"
    return Completed(name=None if ran else "Cached", message=message, data=graph.manifest(stage.name))


def run_graph(runs: Sequence[str], force: Sequence[str], keep: Sequence[int] = ()) -> list[Outcome]:
    """Brings the runs up to date, within a flow that holds the workspace; the children hold the descriptors in `keep` open too."""
    graph = Graph()
    stages = select(graph.stages, runs)
    forced = expand(force, stages)
    futures: dict[str, Any] = {}
    for stage in stages:
        hints = stage.hints
        named = run_stage.with_options(
            name=stage.name,
            task_run_name=stage.name,
            tags=hints.tags,
            retries=hints.retries,
            retry_delay_seconds=hints.retry_delay_seconds,
        )
        upstream = [futures[name] for name in stage.upstream]
        futures[stage.name] = named.submit(stage, graph, stage.name in forced, keep, wait_for=upstream)  # type: ignore[call-overload]
    try:
        for future in futures.values():
            future.wait()
    except BaseException:
        child.stop_all()
        raise
    return [_outcome(stage, futures) for stage in stages]


def _outcome(stage: Stage, futures: dict[str, Any]) -> Outcome:
    state = futures[stage.name].state
    message = state.message or ""
    if state.is_completed():
        return Outcome(stage.name, state.name, message, 0)
    if state.is_pending():
        missed = [name for name in stage.upstream if not futures[name].state.is_completed()]
        return Outcome(stage.name, "Not run", f"{', '.join(missed)} did not complete", 0)
    return Outcome(stage.name, state.name, message, _told(state).get("code") or BUG)


def _told(state: State[Any]) -> dict[str, Any]:
    """What we gave the state to carry; empty where Prefect made the state or fetched it from its server, which keeps the message only."""
    try:
        data: Any = state.result(raise_on_failure=False)
    except MissingResult:
        return {}
    return data if isinstance(data, dict) else {}


# One stage at a time, as `dvc repro` does: two at once would spoil each other's timings, and each uses all the threads it was given.
@flow(name="compress", persist_result=False, task_runner=ThreadPoolTaskRunner(max_workers=1))  # type: ignore[arg-type]
def compress(runs: tuple[str, ...] = (), force: tuple[str, ...] = (), wait: float = 0) -> State[Any]:
    """Brings the runs (all, when none is named) up to date, in the project in the current directory.

    `force` names stages to run although they are up to date; `wait` is how many seconds to wait for a workspace that another flow holds.
    """
    root = Path.cwd()
    try:
        check_params(root)
        with workspace.hold(root, wait) as held:
            held.sign(str(flow_run.id))
            for mended in held.mended:
                get_run_logger().warning("mended: %s", mended)
            if held.died and crashed.mark(held.died):
                get_run_logger().warning("mended: marked its flow run %s as Crashed", held.died)
            return _verdict(run_graph(runs, force, keep=[held.file.fileno()]))
    except SlipwayError as error:
        return Failed(message=str(error), data={"code": error.exit_code, "outcomes": []})


def check_params(root: Path) -> None:
    """All of params.yaml, before anything runs, where the project has stages of its own to check it for.

    Raises:
        ParamsError: with every fault in it.
    """
    if (root / "tasks").is_dir():
        sections = {name: stage.Params for name, stage in schema.load_all().items()}
        params.check(params.read(root / "params.yaml"), sections, schema.kinds())


def _verdict(outcomes: list[Outcome]) -> State[Any]:
    codes = {outcome.code for outcome in outcomes} - {0}
    data = {"code": next((code for code in WORST_FIRST if code in codes), 0), "outcomes": [asdict(outcome) for outcome in outcomes]}
    if codes:
        return Failed(message="\n".join(f"{outcome.stage}: {outcome.message}" for outcome in outcomes if outcome.code), data=data)
    ran = [outcome.stage for outcome in outcomes if outcome.state != "Cached"]
    if not ran:
        return Completed(name="Cached", message="nothing had to run", data=data)
    return Completed(message=f"ran {', '.join(ran)}; {len(outcomes) - len(ran)} of {len(outcomes)} were Cached", data=data)


def _told_once(record: logging.LogRecord) -> bool:
    """Prefect tells a failure twice, the first time with an empty traceback."""
    return not (record.levelno == logging.ERROR and str(record.msg).startswith("Task run failed with state"))


def _table(outcomes: list[dict[str, Any]]) -> str:
    name, state = (max(len(outcome[column]) for outcome in outcomes) for column in ("stage", "state"))
    indent = "\n" + " " * (name + state + 4)
    return "\n".join(f"{o['stage']:{name}}  {o['state']:{state}}  {o['message'].replace(chr(10), indent)}" for o in outcomes)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m flows.compress", description="Bring runs up to date, as a Prefect flow.")
    parser.add_argument("runs", nargs="*", metavar="RUN", help="runs of params.yaml (default: all)")
    force = "run these although they are up to date: prune@bbc, or prune for every run"
    parser.add_argument("--force", nargs="+", action="extend", default=[], metavar="STAGE", help=force)
    wait = "how long to wait for a workspace that another flow holds (default: 0)"
    parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help=wait)
    return parser.parse_args()


def main() -> int:
    given = _arguments()
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    root = Path.cwd()
    try:
        check_params(root)
        with workspace.hold(root, given.wait):
            expand(given.force, select(Graph().stages, given.runs))
            server.ensure()
            state = compress(tuple(given.runs), tuple(given.force), return_state=True)
    except SlipwayError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if error.errno not in NOT_WRITABLE:
            raise
        advice = "the checkout must be writable, with room on its disk"
        fault = DataError(str(error.filename or root), f"{(error.strerror or str(error)).lower()}; {advice}")
        print(fault, file=sys.stderr)
        return fault.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    told = _told(state)
    print(_table(told["outcomes"]) if told.get("outcomes") else state.message)
    return int(told.get("code", 0 if state.is_completed() else BUG))


logging.getLogger("prefect.task_runs").addFilter(_told_once)
logging.getLogger("prefect.task_runner.threadpool").setLevel(logging.ERROR)  # it takes any tag for a limit that one worker may block on

if __name__ == "__main__":
    sys.exit(main())
