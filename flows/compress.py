"""The pipeline as a Prefect flow: one task run per stage of dvc.yaml, chained as DVC says; DVC alone
remembers what is done.

Reads params.yaml, dvc.yaml and dvc.lock in the current directory. A stage that is not up to date is run by
`dvc repro --single-item`, so this door leaves the same bytes and the same dvc.lock as `dvc repro` does.
`slipway flow [RUN ...]` is what `make flow` calls; prefect.yaml says how it is deployed.
"""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import flows.process.environment  # noqa: F401  # isort: skip  (before Prefect, which reads it when it is imported)
from prefect import State, flow, get_run_logger
from prefect.runtime import flow_run
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import TypeAdapter, ValidationError

from flows import cli
from flows.checkout import git, params_file, workspace, worktree
from flows.pipeline import pages
from flows.pipeline import share as sharing
from flows.pipeline.flow_run import tag, workspace_for_run
from flows.pipeline.form import Overrides, Revision, Runs, Seconds, Stages
from flows.pipeline.graph import Graph, expand, select
from flows.pipeline.pages import Origin
from flows.pipeline.reproduce import BUG, PASSING, USERS_FAULT
from flows.pipeline.task_runs import Outcome, Work, run_graph
from flows.process import child, secrets
from flows.process.secrets import Mask
from flows.raw_data import data
from tasks.core import escape
from tasks.core.errors import DataError, ParamsError, SlipwayError
from tasks.launch.command import Command

NOT_WRITABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)
WORST_FIRST = (USERS_FAULT, BUG, PASSING)


class FlowResult(Exception):  # noqa: N818
    """What a flow run says to who called it: exit status and stages.

    Prefect takes nothing but an exception with a failed state.
    """

    def __init__(self, code: int, outcomes: Sequence[Outcome] = ()) -> None:
        super().__init__(code)
        self.code, self.outcomes = code, tuple(outcomes)


class RunContext(NamedTuple):
    """For the length of the run.

    The descriptor of the workspace's lock, and what takes secrets out of a line.
    """

    lock: int
    mask: Mask


# One stage at a time, as `dvc repro` does: two at once would spoil each other's timings, and each uses all
# the threads it was given.
@flow(name="compress", persist_result=False, task_runner=ThreadPoolTaskRunner(max_workers=1))  # type: ignore[arg-type]
def compress(
    runs: Runs = (),
    force: Stages = (),
    overrides: Overrides = (),
    revision: Revision = "",
    wait: Seconds = 0,
    share: bool = False,
) -> State[Any]:
    """Brings runs up to date, in the checkout in the current directory.

    Args:
        runs: Runs of params.yaml to bring up to date; none: all of them.
        force: Stages to run although they are up to date: `prune@bbc`, or `prune` for every run.
        overrides: Values of params.yaml for this run alone, as `runs.bbc.prune.ffn=384`. The checkout stays
            as it is: the run works in a git worktree at the checkout's commit and is saved as a DVC
            experiment: `dvc exp show` lists it, `dvc exp apply` takes it over.
        revision: Commit to run, by its hash; empty: the checkout as it is. The run works in a worktree, too.
            A commit that is not here is fetched from the git remote.
        wait: Seconds to wait while another run is at work in the checkout; 0: fail at once.
        share: Fetch from the DVC remote what other agents made, and push what this run makes. Without a
            remote it changes nothing.
    """
    root, mask = Path.cwd(), secrets.masked({})
    try:
        with secrets.given() as mask, workspace_for_run(root, wait) as keep:
            if not overrides and not revision:
                params_file.check(root)
                return _listed(
                    bring_up_to_date(
                        root,
                        Origin(git.commit(root), git.edited(root)),
                        runs,
                        force,
                        share,
                        RunContext(keep, mask),
                    )
                )
            return _run_elsewhere(root, runs, force, overrides, revision, share, RunContext(keep, mask))
    except SlipwayError as error:
        return Failed(message=mask(str(error)), data=FlowResult(error.exit_code))


def _listed(state: State[Any]) -> State[Any]:
    """The same; the list of runs shows what came out."""
    ended: Any = state.data
    tag(*pages.figures(ended.outcomes))
    return state


def _run_elsewhere(
    root: Path,
    runs: Runs,
    force: Stages,
    overrides: Overrides,
    revision: Revision,
    share: bool,
    lent: RunContext,
) -> State[Any]:
    """The same in a worktree of its own.

    With overrides it is saved as an experiment that has the flow run's name.
    """
    logger, edits = get_run_logger(), git.edited(root)
    if edits:
        logger.warning("uncommitted edits of the checkout are no part of this run: %s", ", ".join(edits))
    experiment = worktree.free_name(root, str(flow_run.name), str(flow_run.id)) if overrides else None
    with worktree.at(root, revision, overrides) as (folder, changes), workspace.hold(folder):
        if experiment:
            tag(f"experiment:{experiment}")
        state = _listed(
            bring_up_to_date(
                folder, Origin(git.commit(folder), [], changes, experiment), runs, force, share, lent
            )
        )
        if not state.is_completed():
            return state
        if experiment:
            ended: Any = state.data
            worktree.save(
                experiment,
                [outcome.stage for outcome in ended.outcomes],
                lambda line: logger.info(lent.mask(line)),
            )
            state.message = f"experiment {experiment}: {state.message}"
    worktree.clear(root)
    return state


def bring_up_to_date(
    root: Path, origin: Origin, runs: Runs, force: Stages, share: bool, lent: RunContext
) -> State[Any]:
    """In the current directory, `root`, which the flow run holds. The state's data are an `Ended`."""
    graph = Graph()
    stages = select(graph.stages, runs)
    concerned = tuple(dict.fromkeys(stage.run for stage in stages))
    _bring_raw_data(root, concerned)
    pages.show_origin(origin, concerned)
    owed = sharing.Unpushed(root) if share and sharing.has_remote(graph) else None
    work = Work(graph, lent.mask, frozenset(expand(force, stages)), (lent.lock,), owed)
    _settle(work)
    outcomes = run_graph(stages, work)
    pages.show_outputs(graph, outcomes)
    pages.show_reports(concerned)
    return _verdict(outcomes, pages.show_gates(outcomes), _settle(work))


def _bring_raw_data(root: Path, runs: Runs) -> None:
    """Makes or fetches what a fresh clone lacks."""
    raw = root / "data" / "raw"
    missing = [run for run in runs if (raw / f"{run}.dvc").exists() and not (raw / run).exists()]
    for line in data.restore(root, missing) if missing else ():
        get_run_logger().info(line)


def _settle(work: Work) -> list[str]:
    """Pushes results that the DVC remote did not take so far, those included that a killed run left.

    Names what it still lacks.
    """
    if work.owed is None:
        return []
    logger = get_run_logger()
    return sharing.push_unpushed(
        work.graph, work.owed, lambda line: logger.info(work.mask(line)), child.stopping
    )


def _verdict(outcomes: list[Outcome], gates: list[str], unpushed: list[str]) -> State[Any]:
    codes = {outcome.code for outcome in outcomes} - {0}
    codes |= {PASSING} if unpushed else set()
    told = FlowResult(next((code for code in WORST_FIRST if code in codes), 0), outcomes)
    if codes:
        said = [f"{outcome.stage}: {outcome.message}" for outcome in outcomes if outcome.code]
        said += [
            f"{stage}: is up to date here, but the DVC remote did not take it; the next run tries again"
            for stage in unpushed
        ]
        return Failed(message="\n".join(said), data=told)
    ran = [outcome.stage for outcome in outcomes if outcome.state != "Cached"]
    if not ran:
        return Completed(name="Cached", message="nothing had to run", data=told)
    said = [f"ran {', '.join(ran)}; {len(outcomes) - len(ran)} of {len(outcomes)} were Cached", *gates]
    return Completed(message="\n".join(said), data=told)


def _table(outcomes: Sequence[Outcome]) -> str:
    name, state = (
        max(len(outcome.stage) for outcome in outcomes),
        max(len(outcome.state) for outcome in outcomes),
    )
    indent = "\n" + " " * (name + state + 4)
    return "\n".join(
        f"{one.stage:{name}}  {one.state:{state}}  {one.message.replace(chr(10), indent)}" for one in outcomes
    )


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="*", metavar="RUN", help="runs of params.yaml (default: all)")
    force = "run these although they are up to date: prune@bbc, or prune for every run"
    parser.add_argument("--force", nargs="+", action="extend", default=[], metavar="STAGE", help=force)
    override = (
        "a value for this run alone, runs.bbc.prune.ffn=384: works in a worktree and is saved as a "
        "DVC experiment"
    )
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], dest="overrides", metavar="KEY=VALUE", help=override
    )
    parser.add_argument(
        "--revision",
        default="",
        metavar="COMMIT",
        help="run this commit, in a worktree (default: the checkout as it is)",
    )
    cli.add_wait(parser)
    parser.add_argument(
        "--share",
        action="store_true",
        help="fetch from and push to the DVC remote around each stage that runs",
    )


def _check(asked: dict[str, Any]) -> None:
    """What Prefect's server checks of a form, for the command line.

    Raises:
        ParamsError: with every fault.
    """
    faults = []
    for name, value in asked.items():
        try:
            TypeAdapter(get_type_hints(compress.fn, include_extras=True)[name]).validate_python(value)
        except ValidationError as error:
            faults += [f"{name}: {detail['input']!r}: {detail['msg'].lower()}" for detail in error.errors()]
    if faults:
        raise ParamsError("slipway flow", *faults)


def _run(given: argparse.Namespace) -> int:
    asked = {name: getattr(given, name) for name in ("revision", "wait", "share")}
    asked |= {name: tuple(getattr(given, name)) for name in ("runs", "force", "overrides")}
    _check(asked)

    def check(_root: Path) -> None:
        if not given.revision:
            expand(given.force, select(Graph().stages, given.runs))

    state = cli.run_flow(given.wait, lambda: compress(**asked, return_state=True), held=check)
    ended: Any = state.result(raise_on_failure=False)
    if not isinstance(ended, FlowResult):
        print(escape.visible(state.message, keep="\n"))
        return BUG
    print(escape.visible(_table(ended.outcomes) if ended.outcomes else state.message, keep="\n"))
    return ended.code


def _translate(error: Exception) -> SlipwayError | None:
    if not isinstance(error, OSError) or error.errno not in NOT_WRITABLE:
        return None
    advice = "the checkout must be writable, with room on its disk"
    return DataError(str(error.filename or Path.cwd()), f"{(error.strerror or str(error)).lower()}; {advice}")


COMMAND = Command("slipway flow", __doc__, _run, _arguments, _translate)
main = COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
