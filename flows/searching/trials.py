"""The trials as Prefect task runs, and the loop around them.

Proposed in batches, done side by side, told to the study in their order.
"""

from __future__ import annotations

import os
import shutil
import socket
import statistics
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect import State, Task, flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Failed

from flows.pipeline.progress import Progress
from flows.process import child, environment
from flows.searching import front, job
from flows.searching.job import COMPLETE, FAILED, Job, Result
from flows.searching.plan import Plan
from flows.searching.runners import task_runner
from flows.searching.study import Proposal, Study, Tried
from tasks.core.errors import ModelError

CODE = Path(__file__).resolve().parents[2]
RETRIES = 1
"""Of a trial whose process was killed, as where memory runs out; it goes on with what it left."""
Say = Callable[[str], None]


STUDENT = "flows.searching.trial"


@task(cache_policy=NO_CACHE, persist_result=False, retries=RETRIES)
def run_trial(asked: Job, module: str = STUDENT) -> State[Any] | Result:
    """In a child process, in the checkout that is the current directory of whoever runs the task; `module`
    says what a trial is.
    """
    folder, logger, lines = Path.cwd() / asked.folder, get_run_logger(), deque[str](maxlen=5)
    logger.info("begins on %s, process %d", socket.gethostname(), os.getpid())
    job.write(folder / "job.json", asked)
    with Progress(f"trial-{asked.number}", logger) as progress:

        def on_line(line: str) -> None:
            if line and not progress.take(line):
                lines.append(line)
                logger.info(line)

        env = {**environment.of_stage(folder / "fault.json"), "PYTHONPATH": str(CODE)}
        status = child.run(module, str(folder), env=env, on_line=on_line, timeout=None, keep=())
    result = job.read_result(folder / "result.json")
    if status or result is None:
        return Failed(
            message="\n".join(
                [*lines, "its process was killed" if status < 0 else f"its process ended with {status}"]
            )
        )
    return result


def run_all(plan: Plan, study: Study, say: Say) -> list[Tried]:
    """Until there are as many trials as asked for, nothing is left to propose, or the minutes are over."""

    @flow(
        name="trials",
        flow_run_name=f"trials of {plan.run}",
        persist_result=False,
        task_runner=task_runner(plan.policy),
    )
    def trials() -> None:
        with Progress(f"search@{plan.run}", get_run_logger()) as progress:
            while batch := _next_batch(plan, study):
                _do(plan, study, batch, say)
                line = _progress(plan, study)
                progress.take(line)
                print(line, flush=True)

    trials()
    return study.tried()


def _next_batch(plan: Plan, study: Study) -> list[Proposal]:
    """The first trial is alone.

    What the teacher takes is measured in it, and the others are held against it.
    """
    tried, rules = study.tried(), plan.policy
    left = rules.trials - len(tried)
    done = [one.result.seconds for one in tried if one.result.state == COMPLETE]
    if left < 1 or (done and study.seconds + statistics.median(done) > 60 * rules.minutes):
        return []
    return study.propose(min(left, rules.workers) if tried else 1)


def _do(plan: Plan, study: Study, batch: Sequence[Proposal], say: Say) -> None:
    started = time.monotonic()
    jobs = plan.jobs(batch, study.tried())
    with child.stopped_on_error():
        futures = [named(f"trial {asked.number}: {short(asked.values)}").submit(asked) for asked in jobs]
        results = [ended(future) for future in futures]
    for proposal, result in zip(batch, results, strict=True):
        shutil.rmtree(plan.place(proposal.values), ignore_errors=True)
        if not proposal.place and result.state != COMPLETE:  # not told, so that it is tried again
            raise ModelError(
                f"run {plan.run}",
                f"with its own values no student can be made, so nothing is searched: {result.reason}",
            )
        plan.speeds.learn(result.figures)
        study.tell(proposal, result)
        say(describe(Tried(proposal.place, proposal.values, result), plan))
    study.spend(time.monotonic() - started)


def ended(future: Any) -> Result:
    """The result of a trial that was submitted, when it is there."""
    future.wait()
    if future.state.is_completed():
        result: Result = future.result()
        return result
    return Result(FAILED, future.state.message or "its worker was lost", 0.0)


def named(name: str) -> Task[..., Any]:
    """`run_trial` as a task run of this name, in which Prefect takes braces for places to fill."""
    return run_trial.with_options(task_run_name=name.replace("{", "{{").replace("}", "}}"))


def short(values: Mapping[str, Any]) -> str:
    """The values of a trial in a few words."""
    return ", ".join(f"{key.partition('.')[2]} {value}" for key, value in values.items())


def describe(one: Tried, plan: Plan) -> str:
    """A line about a trial that ended."""
    begun, own = f"trial {one.number} ({short(one.values)})", one.result.figures
    if one.result.state != COMPLETE:
        return f"{begun}: {one.result.state} after {one.result.seconds:.0f} s, {one.result.reason}"
    share = f"{own['quality']:.1%} [{own['quality_low']:.1%}, {own['quality_high']:.1%}] of the teacher"
    broken = plan.budget.broken(own)
    kept = f"breaks {', '.join(limit.said for limit in broken)}" if broken else "keeps the budget"
    size = f"{own['bytes'] / 1e6:.2f} MB"
    return f"{begun}: {share}, {own['speedup']:.1f} × faster, {size}, {kept}; {one.result.seconds:.0f} s"


def _progress(plan: Plan, study: Study) -> str:
    """How many are done, which is the best, what a trial takes and how long it will go on."""
    tried, rules = study.tried(), plan.policy
    winner = front.outcome(tried, plan.budget).winner
    typical = statistics.median(one.result.seconds for one in tried)
    ahead = min(
        (rules.trials - len(tried)) / rules.workers * typical, max(0.0, 60 * rules.minutes - study.seconds)
    )
    best = f"best so far trial {winner}" if winner is not None else "none keeps the budget so far"
    return (
        f"PROGRESS search {len(tried)}/{rules.trials} {best}; {typical:.0f} s a trial, about "
        f"{ahead / 60:.0f} min left"
    )


def available_cores_are_too_few(plan: Plan) -> str | None:
    """A warning, where trials would take turns on the cores."""
    asked, cores = plan.policy.workers * int(plan.params["threads"]), os.cpu_count() or 1
    if plan.policy.dask_address or asked <= cores:
        return None
    return (
        f"{plan.policy.workers} workers of {plan.params['threads']} threads on {cores} cores: they will "
        "slow each other down"
    )
