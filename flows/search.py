"""The search for a student under a budget, as a Prefect flow: `make search RUN=bbc`.

    slipway search RUN

If params.yaml says so, first tries teachers, each trained in a folder of its own, and writes the best one's
values. Makes the run's teacher current, then tries students on the validation rows: each trial prunes,
distils and quantizes in a folder of its own. Writes data/<run>/search/ (front.md, front.json, front.png) and
the winner's values into params.yaml, comments and layout kept, so that `dvc repro` makes it for real. Killed
and started again it goes on. What is searched stands in params.yaml under `search`; docs/search.md tells all
of it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flows.process.environment  # noqa: F401  # isort: skip  (before Prefect, which reads it when it is imported)
from prefect import State, flow, get_run_logger
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.states import Completed, Failed
from prefect.task_runners import ThreadPoolTaskRunner

from flows import cli
from flows.checkout import overrides, params_file
from flows.pipeline import pages
from flows.pipeline.flow_run import workspace_for_run
from flows.pipeline.form import SearchedRun, Seconds
from flows.pipeline.graph import Graph, Stage
from flows.pipeline.task_runs import Work, run_graph
from flows.process import secrets
from flows.process.secrets import Mask
from flows.raw_data import data
from flows.searching import front, picture, plan, policy, trials
from flows.searching.chain import TEACHER
from flows.searching.front import Outcome
from flows.searching.plan import Plan
from flows.searching.policy import Policy, TeacherPolicy
from flows.searching.teachers import plan as teacher_plan
from flows.searching.teachers import search as teachers
from tasks.core import escape, stages
from tasks.core.errors import ModelError, SlipwayError
from tasks.launch.command import Command

MISSED = 1
"""Exit status, as where a gate is not passed."""
SHOWN = 3
"""Trials that a failed search names."""


@flow(name="search", persist_result=False, task_runner=ThreadPoolTaskRunner(max_workers=1))  # type: ignore[arg-type]
def search(run: SearchedRun, write: bool = True, wait: Seconds = 0) -> State[Any]:
    """Looks for the student that keeps the run's budget and is best by it, on the validation rows.

    Args:
        run: Run with a section under `search` in params.yaml.
        write: Write the winner's values into params.yaml; else they are only shown.
        wait: Seconds to wait while another run is at work in the checkout; 0: fail at once.
    """
    root, mask = Path.cwd(), secrets.masked({})
    try:
        with secrets.given() as mask, workspace_for_run(root, wait) as keep:
            params_file.check(root)
            rules = policy.read(root, run)
            if rules.teacher is not None:
                _make(root, run, [f"{one}@{run}" for one in _upstream()], mask, keep)
                _search_teacher(root, run, rules, rules.teacher, write)
            _make(root, run, [f"{TEACHER}@{run}"], mask, keep)
            return _searched(plan.make(root, run), write)
    except SlipwayError as error:
        return Failed(message=mask(str(error)), data=error.exit_code)


def _upstream() -> list[str]:
    """The stages that a teacher reads."""
    return list(stages.upstream(stages.load(TEACHER)))


def _search_teacher(root: Path, run: str, rules: Policy, of_teacher: TeacherPolicy, write: bool) -> None:
    """Looks for the best teacher and writes its values into params.yaml."""
    logger = get_run_logger()
    tried = teachers.run_all(teacher_plan.make(root, run, rules, of_teacher), logger.info)
    best = teachers.best_of(tried)
    logger.info("%s: the best of %d teachers", teachers.describe(best), len(tried))
    for line in write_winner(root, run, best.values, write):
        logger.info(line)


def _make(root: Path, run: str, wanted: Sequence[str], mask: Mask, keep: int) -> None:
    """Brings stages, and all they need, up to date.

    Raises:
        ModelError: one cannot be made.
    """
    raw = root / "data" / "raw"
    if (raw / f"{run}.dvc").exists() and not (raw / run).exists():
        data.restore(root, [run])
    graph = Graph()
    outcomes = run_graph(_up_to(graph, wanted), Work(graph, mask, frozenset(), (keep,)))
    if faults := [f"{one.stage}: {one.message}" for one in outcomes if one.code]:
        raise ModelError(f"the teacher of {run}", *faults)


def _up_to(graph: Graph, names: Sequence[str]) -> list[Stage]:
    """The stages and all they need, upstream first."""
    wanted = list(names)
    for one in wanted:
        wanted += [upstream for upstream in graph.stages[one].upstream if upstream not in wanted]
    return [stage for stage in graph.stages.values() if stage.name in wanted]


def _searched(made: Plan, write: bool) -> State[Any]:
    logger, study = get_run_logger(), made.study()
    if warning := trials.available_cores_are_too_few(made):
        logger.warning(warning)
    if begun := study.tried():
        logger.info(
            "goes on after %d trials%s",
            len(begun),
            f"; {study.revived} begin again that were killed" if study.revived else "",
        )
    tried = trials.run_all(made, study, logger.info)
    found = front.outcome(tried, made.budget)
    folder = _report(made, found, study.seconds)
    _show(made.run, folder, found)
    if found.winner is None:
        near = f"{folder}/front.md shows how near they came"
        shown = [trials.describe(found.tried[number], made) for number in found.front[:SHOWN]]
        return Failed(
            message="\n".join([f"{made.run}: none of {len(tried)} trials keeps the budget; {near}", *shown]),
            data=MISSED,
        )
    said = write_winner(made.root, made.run, tried[found.winner].values, write)
    return Completed(
        message="\n".join(
            [trials.describe(tried[found.winner], made), *said, f"all trials: {folder}/front.md"]
        ),
        data=0,
    )


def _report(made: Plan, found: Outcome, seconds: float) -> str:
    """Returns the folder it is written to, relative to the checkout."""
    folder = made.root / "data" / made.run / "search"
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        "run": made.run,
        "budget": made.policy.budget,
        "seed": made.policy.seed,
        "minutes": round(seconds / 60, 2),
    }
    picture.draw(found, made.policy.budget, folder / "front.png")
    (folder / "front.json").write_text(front.as_json(found, facts), encoding="utf-8")
    (folder / "front.md").write_text(front.markdown(found, facts), encoding="utf-8")
    return folder.relative_to(made.root).as_posix()


def _show(run: str, folder: str, found: Outcome) -> None:
    page = pages.with_pictures((Path(folder) / "front.md").read_text(encoding="utf-8"), Path(folder))
    create_markdown_artifact(page, key=f"{run}-search", description=f"search of {run}")
    done = [found.tried[number] for number in found.front]
    rows = [{"trial": one.number, **_told(one.values), **_short(one.result.figures)} for one in done]
    create_table_artifact(
        rows, key=f"{run}-front", description="students that no other beats in quality, latency and size"
    )


def _told(values: policy.Values) -> dict[str, Any]:
    """The UI reads the cells of a table as Markdown."""
    return {key: escape.markdown(value) if isinstance(value, str) else value for key, value in values.items()}


def _short(figures: Any) -> dict[str, Any]:
    return {
        name: figures[name]
        for name in ("quality", "quality_low", "quality_high", "latency", "speedup", "bytes")
    }


def write_winner(root: Path, run: str, values: policy.Values, write: bool) -> list[str]:
    """Puts the values into params.yaml, or only tells what would change.

    All of the file is replaced at once. Comments that gave the reason of a value give the new one.
    """
    file = root / "params.yaml"
    with tempfile.TemporaryDirectory(dir=root, prefix=".params-") as folder:
        new = Path(folder) / "params.yaml"
        new.write_bytes(file.read_bytes())
        wanted = [f"runs.{run}.{key}={json.dumps(value)}" for key, value in values.items()]
        changed = [
            line
            for line in overrides.apply(new, wanted, "found by `slipway search`")
            if len(set(line.partition(" ")[2].split(" → "))) > 1
        ]
        if not changed:
            return [f"params.yaml: {run} has these values already"]
        if write:
            new.replace(file)
    done = f"written; `dvc repro benchmark@{run}` makes it" if write else "not written"
    return [*(f"params.yaml: {line}" for line in changed), f"params.yaml: {done}"]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="with a section under `search` in params.yaml")
    parser.add_argument(
        "--dry-run", action="store_true", help="leave params.yaml as it is; only show what would be written"
    )
    cli.add_wait(parser)


def _run(given: argparse.Namespace) -> int:
    state = cli.run_flow(
        given.wait,
        lambda: search(given.run, not given.dry_run, given.wait, return_state=True),
        before=lambda root: policy.read(root, given.run),
    )
    return cli.exit_status(state)


COMMAND = Command("slipway search", __doc__, _run, _arguments)
main = COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
