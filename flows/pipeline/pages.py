"""What an operator sees on the page of a run beside its stages.

What it was made from, what it made, and the benchmark's report.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.pipeline import events
from flows.pipeline.graph import Graph
from flows.pipeline.task_runs import Outcome
from tasks.benchmark import gates
from tasks.core import escape, params
from tasks.core.errors import SlipwayError
from tasks.kinds.base.kind import load_kind

DONE = ("Cached", "Completed")
PICTURE = re.compile(r"!\[(?P<text>[^\]]*)\]\((?P<file>[\w./-]+\.png)\)")


@dataclass(frozen=True)
class Origin:
    """Where a run's code and params come from.

    `edits` are files that differ from the commit; `changes` what overrides did to params.
    """

    commit: str | None
    edits: Sequence[str]
    changes: Sequence[str] = ()
    experiment: str | None = None


def show_origin(origin: Origin, runs: Sequence[str]) -> None:
    """The commit, what differs from it, and the params of these runs."""
    document = params.document(Path("params.yaml"))
    lines = [f"**Commit** `{origin.commit or 'none yet'}`"]
    if origin.edits:
        lines.append(f"**Uncommitted edits** {', '.join(map(escape.code, origin.edits))}")
    if origin.changes:
        lines.append(
            "**Overrides**\n\n" + "\n".join(f"* {escape.markdown(change)}" for change in origin.changes)
        )
    if origin.experiment:
        name = origin.experiment
        apply = escape.code(f"dvc exp apply {name}")
        lines.append(
            f"**Experiment** {escape.code(name)}, saved if the run completes: `dvc exp show`, {apply}"
        )
    for run in runs:
        shown = escape.visible(
            json.dumps(document["runs"].get(run), indent=2, ensure_ascii=False, default=str), keep="\n"
        )
        lines.append(f"**Params of `{run}`**\n\n```json\n{shown}\n```")
    create_markdown_artifact("\n\n".join(lines), key="origin", description="commit and params")


def show_outputs(graph: Graph, outcomes: Sequence[Outcome]) -> None:
    """A row per output of the stages that are up to date now.

    Above it which of them ran, and why: else only the log tells.
    """
    rows = [
        {
            "stage": outcome.stage,
            "state": outcome.state,
            "output": escape.markdown(out["path"]),
            "md5": out["md5"],
            "bytes": out["size"],
        }
        for outcome in outcomes
        if outcome.state in DONE
        for out in graph.manifest(outcome.stage)
    ]
    if rows:
        ran = [
            f"* **{outcome.stage}** ran: {escape.markdown(outcome.message)}"
            for outcome in outcomes
            if outcome.ran
        ]
        create_table_artifact(
            rows, key="outputs", description="\n".join(["outputs, as dvc.lock has them", *ran])
        )


def show_reports(runs: Sequence[str]) -> None:
    """The report of each run's last benchmark, pictures inside it."""
    for run in runs:
        file = Path("data") / run / "benchmark" / "report" / "report.md"
        if file.is_file():
            text = file.read_text(encoding="utf-8")
            create_markdown_artifact(
                with_pictures(text, file.parent), key=f"{run}-report", description=f"benchmark of {run}"
            )


def with_pictures(text: str, folder: Path) -> str:
    """The UI has no files of ours to show: a picture goes along as data."""

    def inline(found: re.Match[str]) -> str:
        picture = (folder / found["file"]).resolve()
        if not picture.is_relative_to(folder.resolve()) or not picture.is_file():
            return found[0]
        return f"![{found['text']}](data:image/png;base64,{base64.b64encode(picture.read_bytes()).decode()})"

    return PICTURE.sub(inline, text)


def figures(outcomes: Sequence[Outcome]) -> list[str]:
    """Tags for the list of runs.

    How much ran, and of each benchmark that is up to date its headline figure and its gates.
    """
    said = [f"ran {sum(one.ran for one in outcomes)} of {len(outcomes)}"]
    known = params.document(Path("params.yaml"))["runs"]
    for outcome in outcomes:
        stage, _, run = outcome.stage.partition("@")
        folder = Path("data") / run / "benchmark"
        if (
            stage == "benchmark"
            and outcome.state in DONE
            and all((folder / name).is_file() for name in gates.FILES)
        ):
            with suppress(
                KeyError, TypeError, ValueError, SlipwayError
            ):  # a revision of old may have other figures
                said.append(f"{run}: {_figure(folder, load_kind(known[run]['kind']).quality.headline)}")
    return said


def _figure(folder: Path, headline: str) -> str:
    value = json.loads((folder / gates.FILES[0]).read_text(encoding="utf-8"))["final"][headline]
    passed, _lines = gates.verdict(folder)
    return f"{headline} {value:.3f}, gates {'passed' if passed else 'NOT PASSED'}"


def show_gates(outcomes: Sequence[Outcome]) -> list[str]:
    """What the benchmarks that just ran say against their models.

    Gates not passed are also an event that automations can wait for.
    """
    said = []
    for outcome in outcomes:
        stage, _, run = outcome.stage.partition("@")
        if (
            stage != "benchmark"
            or not outcome.ran
            or not (Path("data") / run / "benchmark" / "timings.json").is_file()
        ):
            continue
        passed, lines = gates.verdict(Path("data") / run / "benchmark")
        said += [f"{run}: {line}" for line in lines if gates.BELOW in line]
        if not passed:
            why = "; ".join(line for line in lines if "NOT PASSED" in line)
            said.append(f"{run} did not pass its gates: {why}")
            events.emit(events.GATE_FAILED, run, why)
    return said
