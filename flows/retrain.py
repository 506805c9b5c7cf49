"""Retraining on new data, as a Prefect flow: what lies in data/inbox/<run>/ is taken in, a challenger trained
and judged, promoted or not.

    slipway retrain night [RUN ...]          what the schedule does; `make retrain RUN=bbc`
    slipway retrain rollback RUN --why TEXT  brings the former champion back; `make rollback RUN=bbc WHY=TEXT`
    slipway retrain enroll RUN               what dvc.lock holds becomes the champion, unjudged
    slipway retrain history RUN              the page of the last night

How a run is retrained stands in params.yaml under `retrain`. docs/retraining.md tells all of it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import flows.process.environment  # noqa: F401  # isort: skip  (before Prefect, which reads it when it is imported)
from prefect import State, flow, get_run_logger
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from flows import cli
from flows.checkout import git, params_file, workspace, worktree
from flows.compress import RunContext, bring_up_to_date
from flows.pipeline.flow_run import workspace_for_run
from flows.pipeline.form import Reason, RetrainedRun, RetrainedRuns, Seconds, Version
from flows.pipeline.pages import Origin
from flows.pipeline.reproduce import BUG
from flows.process import secrets
from flows.retraining import policy
from flows.retraining.arrivals import inbox
from flows.retraining.night import announce, rollback, steps
from flows.retraining.night.night import Night, NotTrainedError
from flows.retraining.policy import Policy
from flows.retraining.publishing import publish, repair
from flows.retraining.record import history, registry
from flows.retraining.record.history import Entry
from tasks.core.errors import ParamsError, SlipwayError, did_you_mean
from tasks.launch.command import Command, Group

TRIES = 3
"""How often a night is begun again because somebody committed to its branch while it was at work."""
Work = Callable[[Night, Path], Entry]


class NightsError(Exception):
    """Of one run or several. `code` is as in flows/pipeline/reproduce.py."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@flow(name="retrain", persist_result=False, task_runner=ThreadPoolTaskRunner(max_workers=1))  # type: ignore[arg-type]
def retrain(runs: RetrainedRuns = (), wait: Seconds = 0) -> State[Any]:
    """Takes in what lies in the inboxes; trains, judges and promotes where enough has come together.

    Args:
        runs: Runs with a section under `retrain` in params.yaml; none: all of them.
        wait: Seconds to wait while another run is at work in the checkout; 0: fail at once.
    """
    return _flow(wait, lambda root, lent: _nights(root, runs, lent))


@flow(name="roll-back", persist_result=False, task_runner=ThreadPoolTaskRunner(max_workers=1))  # type: ignore[arg-type]
def roll_back(
    run: RetrainedRun, version: Version = 0, keep_rows: bool = False, why: Reason = "", wait: Seconds = 0
) -> State[Any]:
    """Brings a former champion back, bit for bit.

    Args:
        run: Run with a section under `retrain` in params.yaml.
        version: Number of the champion that comes back; 0: the one before this one.
        keep_rows: Rows that the champions since have learned from are collected again, for the next
            challenger; else they go to quarantine.
        why: The reason; it stands in the registry, in the history and in the commit.
        wait: Seconds to wait while another run is at work in the checkout; 0: fail at once.
    """

    def work(night: Night, _scratch: Path) -> Entry:
        return rollback.back_to(night, version, keep_rows, why)

    return _flow(wait, lambda root, lent: _finished(root, run, lent) + _spent(root, run, lent, work))


@flow(name="enroll", persist_result=False)
def enroll(run: RetrainedRun, wait: Seconds = 0) -> State[Any]:
    """Makes what dvc.lock holds the champion, unjudged, whatever it was before."""
    return _flow(wait, lambda root, lent: _finished(root, run, lent) + _spent(root, run, lent, _enroll))


def _flow(wait: float, work: Callable[[Path, RunContext], Sequence[str]]) -> State[Any]:
    root, mask = Path.cwd(), secrets.masked({})
    try:
        with secrets.given() as mask, workspace_for_run(root, wait) as keep:
            params_file.check(root)
            policy.read_all(root)
            said = work(root, RunContext(keep, mask))
    except (SlipwayError, NotTrainedError, NightsError, git.GitError) as error:
        return Failed(message=mask(str(error)), data=_code(error))
    return Completed(message="\n".join(said) or "params.yaml names no run under `retrain`", data=0)


def _nights(root: Path, runs: Sequence[str], lent: RunContext) -> list[str]:
    """The failure of one run keeps no other from its night."""
    said: list[str] = []
    failed: list[Exception] = []
    for run in dict.fromkeys(runs or policy.read_all(root)):
        try:
            said += _night(root, run, lent)
        except (SlipwayError, NotTrainedError, git.GitError) as error:
            failed.append(error)
    if failed:
        raise NightsError(_code(failed[0]), "\n".join([*said, *map(str, failed)]))
    return said


def _code(error: Exception) -> int:
    return int(getattr(error, "exit_code", getattr(error, "code", BUG)))


def _night(root: Path, run: str, lent: RunContext) -> list[str]:
    """Finishes what a killed night left, then takes in what there is; cheap if that is nothing."""
    said, rule = _finished(root, run, lent), policy.read(root, run)
    if rule.publish == "branch":
        publish.tag_merged(root, run, rule, _say(lent))
    drops, left = inbox.look(inbox.folder(root, run), rule.settle_seconds)
    writing = f"; left alone, as being written or not readable: {', '.join(left)}" if left else ""
    if not drops:
        return [*said, f"{run}: nothing new{writing}"]
    publish.catch_up(root, run, rule, _say(lent))
    if not registry.commit_of(root, run, publish.target(root, run, rule).base):
        said += _spent(root, run, lent, _enroll)
    return [
        *said,
        *(
            line + writing
            for line in _spent(root, run, lent, lambda night, scratch: steps.spend(night, drops, scratch))
        ),
    ]


def _enroll(night: Night, _scratch: Path) -> Entry:
    return steps.enroll(night)


def _finished(root: Path, run: str, lent: RunContext) -> list[str]:
    for name in repair.drop_locks(root):
        get_run_logger().warning("removed %s, a lock of git whose holder was killed", name)
    made = publish.prepared(root, run)
    if made is None:
        return []
    repair.finish_files(root, made)
    get_run_logger().warning("resuming: the night that was killed had made %s", made[:12])
    rule = policy.read(root, run)
    if not publish.publish(root, run, rule, made, _say(lent)):
        return []
    worktree.clear(root)
    entry = publish.entry_of(root, run, made)
    return [
        "finished the night that was killed: "
        f"{announce.published(root, run, entry, rule.publish == 'branch', _say(lent))}"
    ]


def _spent(root: Path, run: str, lent: RunContext, work: Work) -> list[str]:
    """Does the work in a worktree at the head of the run's branch, and publishes what it leaves."""
    rule = policy.read(root, run)
    for _ in range(TRIES):
        target = publish.target(root, run, rule)
        with (
            worktree.at(root, target.base, ()) as (folder, _changes),
            workspace.hold(folder),
            tempfile.TemporaryDirectory(prefix="slipway-night-") as scratch,
        ):
            night = Night(folder, run, rule, _train(folder, rule, lent), _say(lent), target.base)
            entry = work(night, Path(scratch))
            made = publish.prepare(root, folder, run, announce.message(entry))
            announce.show(folder, run, entry)
        if publish.publish(root, run, rule, made, _say(lent)):
            worktree.clear(root)
            return [announce.published(root, run, entry, rule.publish == "branch", _say(lent))]
        get_run_logger().warning("somebody committed meanwhile; the night begins again from there")
    raise SlipwayError(run, f"the branch moved on {TRIES} times while the night was at work")


def _train(folder: Path, rule: Policy, lent: RunContext) -> Callable[[str], None]:
    def train(run: str) -> None:
        state = bring_up_to_date(
            folder, Origin(git.commit(folder), git.edited(folder)), (run,), (), rule.push, lent
        )
        if not state.is_completed():
            raise NotTrainedError(getattr(state.data, "code", BUG), f"{run}: no challenger: {state.message}")

    return train


def _say(lent: RunContext) -> Callable[[str], None]:
    return lambda line: get_run_logger().info(lent.mask(line))


def _check_runs(root: Path, runs: Sequence[str]) -> None:
    """All at once."""
    known = policy.read_all(root)
    if unknown := [run for run in runs if run not in known]:
        faults = [
            f"retrain.{run}: is missing{did_you_mean(run, known)}; docs/retraining.md has a section to copy"
            for run in unknown
        ]
        raise ParamsError("params.yaml", *faults)


def _as_flow(given: argparse.Namespace, runs: Sequence[str], flow: Callable[[], State[Any]]) -> int:
    return cli.exit_status(cli.run_flow(given.wait, flow, before=lambda root: _check_runs(root, runs)))


def _run_night(given: argparse.Namespace) -> int:
    return _as_flow(given, given.runs, lambda: retrain(tuple(given.runs), given.wait, return_state=True))


def _run_rollback(given: argparse.Namespace) -> int:
    asked = (given.run, given.to, given.keep_rows, given.why, given.wait)
    return _as_flow(given, [given.run], lambda: roll_back(*asked, return_state=True))


def _run_enroll(given: argparse.Namespace) -> int:
    return _as_flow(given, [given.run], lambda: enroll(given.run, given.wait, return_state=True))


def _show_history(given: argparse.Namespace) -> int:
    entries = history.read(Path.cwd(), given.run)
    print(history.page(entries[-1], entries) if entries else f"{given.run}: no night yet")
    return 0


def _night_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "runs", nargs="*", metavar="RUN", help="with a section under `retrain` in params.yaml (default: all)"
    )
    cli.add_wait(parser)


def _rollback_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--to", type=int, default=0, metavar="N", help="its number (default: the one before)")
    parser.add_argument(
        "--keep-rows", action="store_true", help="collect again what the champions since had learned from"
    )
    parser.add_argument("--why", default="", metavar="TEXT", help="stands in registry, history and commit")
    _run_and_wait(parser)


def _run_and_wait(parser: argparse.ArgumentParser) -> None:
    _run_name(parser)
    cli.add_wait(parser)


def _run_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN")


PROGRAM = "slipway retrain"
COMMAND = Group(
    PROGRAM,
    __doc__,
    {
        "night": Command(
            f"{PROGRAM} night",
            "Takes in what arrived; trains, judges and promotes if enough has come together.",
            _run_night,
            _night_arguments,
        ),
        "rollback": Command(
            f"{PROGRAM} rollback",
            "Brings a former champion back, bit for bit.",
            _run_rollback,
            _rollback_arguments,
        ),
        "enroll": Command(
            f"{PROGRAM} enroll",
            "Makes what dvc.lock holds the champion, unjudged.",
            _run_enroll,
            _run_and_wait,
        ),
        "history": Command(
            f"{PROGRAM} history",
            "Prints the page of the last night.",
            _show_history,
            _run_name,
        ),
    },
)
main = COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
