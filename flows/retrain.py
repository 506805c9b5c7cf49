"""Retraining on new data, as a Prefect flow: what lies in data/inbox/<run>/ is taken in, a challenger trained
and judged, promoted or not.

    python -m flows.retrain night [RUN ...]          what the schedule does; `make retrain RUN=bbc`
    python -m flows.retrain rollback RUN --why TEXT  brings the former champion back; `make rollback RUN=bbc WHY=TEXT`
    python -m flows.retrain enroll RUN               what dvc.lock holds becomes the champion, unjudged
    python -m flows.retrain history RUN              the page of the last night

How a run is retrained stands in params.yaml under `retrain`. docs/retraining.md tells all of it.
"""  # noqa: E501

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import flows.process.environment  # noqa: F401  # isort: skip  (before Prefect, which reads it when it is imported)
from prefect import State, flow, get_run_logger
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from flows.checkout import git, params_file, workspace, worktree
from flows.compress import Lent, bring_up_to_date
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
from flows.server import server
from tasks.core import escape
from tasks.core.errors import ParamsError, SlipwayError, did_you_mean

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


def _flow(wait: float, work: Callable[[Path, Lent], Sequence[str]]) -> State[Any]:
    root, mask = Path.cwd(), secrets.masked({})
    try:
        with secrets.given() as mask, workspace_for_run(root, wait) as keep:
            params_file.check(root)
            policy.read_all(root)
            said = work(root, Lent(keep, mask))
    except (SlipwayError, NotTrainedError, NightsError, git.GitError) as error:
        return Failed(message=mask(str(error)), data=_code(error))
    return Completed(message="\n".join(said) or "params.yaml names no run under `retrain`", data=0)


def _nights(root: Path, runs: Sequence[str], lent: Lent) -> list[str]:
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


def _night(root: Path, run: str, lent: Lent) -> list[str]:
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


def _finished(root: Path, run: str, lent: Lent) -> list[str]:
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


def _spent(root: Path, run: str, lent: Lent, work: Work) -> list[str]:
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


def _train(folder: Path, rule: Policy, lent: Lent) -> Callable[[str], None]:
    def train(run: str) -> None:
        state = bring_up_to_date(
            folder, Origin(git.commit(folder), git.edited(folder)), (run,), (), rule.push, lent
        )
        if not state.is_completed():
            raise NotTrainedError(getattr(state.data, "code", BUG), f"{run}: no challenger: {state.message}")

    return train


def _say(lent: Lent) -> Callable[[str], None]:
    return lambda line: get_run_logger().info(lent.mask(line))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m flows.retrain", description="Retraining on new data.")
    commands = parser.add_subparsers(dest="command", required=True)
    night = commands.add_parser(
        "night", help="take in what arrived; train, judge and promote if enough has come together"
    )
    night.add_argument(
        "runs", nargs="*", metavar="RUN", help="with a section under `retrain` in params.yaml (default: all)"
    )
    back = commands.add_parser("rollback", help="bring a former champion back, bit for bit")
    back.add_argument(
        "--to", type=int, default=0, metavar="N", help="its number (default: the one before this one)"
    )
    back.add_argument(
        "--keep-rows", action="store_true", help="collect again what the champions since had learned from"
    )
    back.add_argument(
        "--why",
        default="",
        metavar="TEXT",
        help="the reason; it stands in the registry, in the history and in the commit",
    )
    enrolling = commands.add_parser("enroll", help="make what dvc.lock holds the champion, unjudged")
    told = commands.add_parser("history", help="print the page of the last night")
    for one in (back, enrolling, told):
        one.add_argument("run", metavar="RUN")
    for one in (night, back, enrolling):
        one.add_argument(
            "--wait",
            type=float,
            default=0,
            metavar="SECONDS",
            help="for a workspace that another holds (default: 0)",
        )
    return parser.parse_args()


def _check_runs(root: Path, runs: Sequence[str]) -> None:
    """All at once."""
    known = policy.read_all(root)
    if unknown := [run for run in runs if run not in known]:
        faults = [
            f"retrain.{run}: is missing{did_you_mean(run, known)}; docs/retraining.md has a section to copy"
            for run in unknown
        ]
        raise ParamsError("params.yaml", *faults)


def _asked(given: argparse.Namespace) -> State[Any]:
    if given.command == "night":
        return retrain(tuple(given.runs), given.wait, return_state=True)
    if given.command == "rollback":
        return roll_back(given.run, given.to, given.keep_rows, given.why, given.wait, return_state=True)
    return enroll(given.run, given.wait, return_state=True)


def main() -> int:
    given, root = _arguments(), Path.cwd()
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    try:
        if given.command == "history":
            entries = history.read(root, given.run)
            print(history.page(entries[-1], entries) if entries else f"{given.run}: no night yet")
            return 0
        params_file.check(root)
        _check_runs(root, given.runs if given.command == "night" else [given.run])
        with workspace.hold(root, given.wait):
            server.ensure()
            state = _asked(given)
    except SlipwayError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    code: Any = state.result(raise_on_failure=False)
    print(escape.visible(state.message, keep="\n"), file=sys.stdout if state.is_completed() else sys.stderr)
    return code if isinstance(code, int) else BUG


if __name__ == "__main__":
    sys.exit(main())
