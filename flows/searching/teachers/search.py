"""The search for a teacher: one training after the other, each a Prefect task run, judged by the validation
rows; the best one's values go into params.yaml before its students are searched.
"""

from __future__ import annotations

import json
import shutil
import statistics
import time
from collections.abc import Callable, Sequence

from prefect import flow, get_run_logger
from prefect.task_runners import ThreadPoolTaskRunner

from flows.pipeline.progress import Progress
from flows.process import child
from flows.searching.job import COMPLETE
from flows.searching.study import Study, Tried
from flows.searching.teachers.plan import TeacherPlan
from flows.searching.trials import ended, named, short
from tasks.core import escape
from tasks.core.errors import ModelError

TRIAL = "flows.searching.teachers.trial"
Say = Callable[[str], None]


def run_all(plan: TeacherPlan, say: Say) -> list[Tried]:
    """Tries teachers until there are as many as asked for, nothing is left to propose, or the minutes are
    over. The run's own is among them.

    Writes data/<run>/search/teachers.md and teachers.json.

    Raises:
        ModelError: with the run's own values no teacher can be made.
    """
    study = plan.study()

    @flow(
        name="teachers",
        flow_run_name=f"teachers of {plan.run}",
        persist_result=False,
        task_runner=ThreadPoolTaskRunner(max_workers=1),  # type: ignore[arg-type]
    )
    def teachers() -> None:
        with Progress(f"teachers@{plan.run}", get_run_logger()) as progress:
            while _goes_on(plan, study) and _do_next(plan, study, say):
                line = _progress(plan, study)
                progress.take(line)
                print(line, flush=True)

    teachers()
    tried = study.tried()
    _report(plan, tried, study.seconds)
    return tried


def best_of(tried: Sequence[Tried]) -> Tried:
    """The least error on the validation rows; of those that are alike, the first that was tried."""
    done = [one for one in tried if one.result.state == COMPLETE]
    return min(done, key=lambda one: (one.result.figures["error"], one.number))


def _goes_on(plan: TeacherPlan, study: Study) -> bool:
    """Whether there is time for one more."""
    tried = study.tried()
    typical = statistics.median(one.result.seconds for one in tried) if tried else 0.0
    return len(tried) < plan.policy.trials and study.seconds + typical <= 60 * plan.policy.minutes


def _do_next(plan: TeacherPlan, study: Study, say: Say) -> bool:
    """Trains one more teacher; False if none is left to propose."""
    proposals, started = study.propose(1), time.monotonic()
    for proposal in proposals:
        with child.stopped_on_error():
            task = named(f"teacher {proposal.place}: {short(proposal.values)}")
            result = ended(task.submit(plan.job(proposal), TRIAL))
        shutil.rmtree(plan.place(proposal.values), ignore_errors=True)
        if not proposal.place and result.state != COMPLETE:  # not told, so that it is tried again
            raise ModelError(f"run {plan.run}", f"its own teacher cannot be made: {result.reason}")
        study.tell(proposal, result)
        say(describe(Tried(proposal.place, proposal.values, result)))
    study.spend(time.monotonic() - started)
    return bool(proposals)


def describe(one: Tried) -> str:
    """A line about a teacher that was tried."""
    begun, own = f"teacher {one.number} ({short(one.values)})", one.result.figures
    if one.result.state != COMPLETE:
        return f"{begun}: {one.result.state} after {one.result.seconds:.0f} s, {one.result.reason}"
    reached = f"{own['headline']:.4f} on the validation rows, epoch {own['epoch']}"
    return f"{begun}: {reached}; {one.result.seconds:.0f} s"


def _progress(plan: TeacherPlan, study: Study) -> str:
    tried, rules = study.tried(), plan.policy
    typical = statistics.median(one.result.seconds for one in tried)
    left = min((rules.trials - len(tried)) * typical, max(0.0, 60 * rules.minutes - study.seconds))
    return (
        f"PROGRESS teachers {len(tried)}/{rules.trials} best so far teacher {best_of(tried).number}; "
        f"{typical:.0f} s a teacher, about {left / 60:.0f} min left"
    )


def _report(plan: TeacherPlan, tried: Sequence[Tried], seconds: float) -> None:
    folder = plan.root / "data" / plan.run / "search"
    folder.mkdir(parents=True, exist_ok=True)
    winner = best_of(tried).number
    rows = [
        {
            "number": one.number,
            "values": one.values,
            "state": one.result.state,
            "reason": one.result.reason,
            "seconds": one.result.seconds,
            **one.result.figures,
        }
        for one in tried
    ]
    facts = {"run": plan.run, "minutes": round(seconds / 60, 2), "winner": winner, "teachers": rows}
    (folder / "teachers.json").write_text(
        json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    (folder / "teachers.md").write_text(markdown(plan.run, tried, winner, seconds), encoding="utf-8")


def markdown(run: str, tried: Sequence[Tried], winner: int, seconds: float) -> str:
    """The teachers in a table, the best first."""
    keys = list(tried[0].values)
    done = sorted(
        (one for one in tried if one.result.state == COMPLETE), key=lambda one: one.result.figures["error"]
    )
    failed = [one for one in tried if one not in done]
    cells = [["teacher", *keys, "on the validation rows", "epoch kept", "seconds"]]
    cells += [["---"] * len(cells[0])]
    for one in (*done, *failed):
        own, mark = one.result.figures, "**" if one.number == winner else ""
        told = (
            [f"{own['headline']:.4f}", str(own["epoch"])]
            if one in done
            else [escape.wrapped(one.result.reason, 60), ""]
        )
        values = [escape.markdown(one.values[key]) for key in keys]
        cells.append([f"{mark}{one.number}{mark}", *values, *told, f"{one.result.seconds:.0f}"])
    lines = [
        f"# Teachers of {escape.code(run)}",
        f"{len(tried)} teachers in {seconds / 60:.1f} minutes; taken: {winner}. The test split was not "
        "opened. The best of several shows more on these rows than it is worth.",
        "\n".join(f"| {' | '.join(row)} |" for row in cells),
    ]
    return "\n\n".join(lines) + "\n"
