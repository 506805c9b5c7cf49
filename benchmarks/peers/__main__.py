"""What a user would pick instead, on the same teacher and the same rows, in one run:

    python -m benchmarks.peers --run bbc                          on the validation split
    python -m benchmarks.peers --run bbc --students bbc deeper=data/deeper/quantize/out --split test --out
    bbc-peers

A student is a run of params.yaml, or NAME=FOLDER of a shippable folder made from the same rows. Olive,
optimum, NNCF, OpenVINO and the exporters of transformers compress the run's teacher; Model2Vec, fastText,
SetFit and sentence-transformers train a classifier of their own on the same rows. Each runs in an environment
of its own (.peers/, made when missing); Slipway's harness measures all of them beside the students. Writes
docs/results/OUT.md and OUT.json and docs/pictures/OUT.png. A peer that fails is told with its error.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.peers import compression, environments, field, page
from benchmarks.peers import job as jobs
from benchmarks.peers.compression import Outcome
from benchmarks.peers.field import MEASURING, ROOT
from tasks.core import params, stages
from tasks.core.errors import DataError, ModelError
from tasks.export import package
from tasks.kinds.base.kind import known_kinds
from tasks.launch.command import Command
from tasks.launch.environment import ENVIRONMENT
from tasks.models import checkpoint

TOLD = (
    "torch",
    "transformers",
    "tokenizers",
    "onnx",
    "onnxruntime",
    "openvino",
    "nncf",
    "olive-ai",
    "optimum",
    "optimum-onnx",
    "onnxscript",
    "model2vec",
    "fasttext",
    "setfit",
    "sentence-transformers",
)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", required=True, help="a run of params.yaml whose teacher is made")
    parser.add_argument(
        "--students", nargs="*", help="runs, or NAME=FOLDER; without it the run's own final model"
    )
    parser.add_argument("--split", choices=["validation", "test"], default="validation")
    parser.add_argument(
        "--peers",
        nargs="*",
        default=[peer.name for peer in field.FIELD if not peer.is_ours],
        help="only these",
    )
    parser.add_argument("--out", default="peers", help="name of the page, the JSON and the picture")


def _run(given: argparse.Namespace) -> int:
    _write(_compare(given) | {"command": given.call}, given.out)
    return 0


def _compare(given: argparse.Namespace) -> dict[str, Any]:
    models = {name: stage.Params for name, stage in stages.load_all().items()}
    checked = params.check(params.read(ROOT / "params.yaml"), models, known_kinds(), only=given.run)[
        given.run
    ]
    entries, students = (
        field.entries(given.peers),
        _students(given.students if given.students is not None else [given.run]),
    )
    data = ROOT / "data" / given.run
    _must_fit(data, students)
    values = checked["benchmark"].model_dump() | {"split": given.split}
    job = jobs.job(data, checked)
    work = ROOT / ".peers" / "work" / given.run
    outcomes = [_compressed(entry, job, work, values) for entry in entries]
    measured = _measured(job, values, outcomes, students, work)
    return {
        "run": given.run,
        "split": given.split,
        "date": datetime.now(UTC).date().isoformat(),
        "instructions": job["instructions"],
        "versions": {
            name: _told(name)
            for name in dict.fromkeys([MEASURING, *(entry.peer.environment for entry in entries)])
        },
        "entries": [_entry(outcome, measured["failed"]) for outcome in outcomes],
        "students": list(students),
        **measured,
    }


def _students(given: Sequence[str]) -> dict[str, Path]:
    """Name of the variant -> its shippable folder."""
    pairs = [(name, folder) for name, _, folder in (one.partition("=") for one in given)]
    return {
        f"student/{name}": Path(folder).resolve() if folder else ROOT / "data" / name / "quantize" / "out"
        for name, folder in pairs
    }


def _must_fit(data: Path, students: Mapping[str, Path]) -> None:
    """Checks that a student fits the run.

    Raises:
        DataError: the teacher, the rows or a student are not there, or a student knows other labels; all
            faults at once.
        ModelError: the teacher is not of the sort that the peers' scripts take.
    """
    needed = [data / "ingest" / "out" / "labels.json"]
    needed += [data / stage / "out" / "config.json" for stage in ("pretrain", "finetune")]
    needed += [folder / package.GRAPH for folder in students.values()]
    if missing := [file for file in needed if not file.is_file()]:
        raise DataError(data.name, *(f"{file} is missing; `dvc repro` makes it" for file in missing))
    labels = checkpoint.label_names(data / "ingest" / "out")
    others = [
        name
        for name, folder in students.items()
        if json.loads((folder / "labels.json").read_text(encoding="utf-8")) != labels
    ]
    if others:
        raise DataError(
            data.name, *(f"{name} knows other labels than the run's {', '.join(labels)}" for name in others)
        )
    config = json.loads((data / "finetune" / "out" / "config.json").read_text(encoding="utf-8"))
    (architecture,) = config["architectures"]
    if not architecture.endswith("ForSequenceClassification"):
        raise ModelError(
            "teacher",
            f"is a {architecture}; the recipes of the peers are for those that end in "
            "ForSequenceClassification",
        )


def _compressed(entry: field.Entry, job: Mapping[str, Any], work: Path, values: Mapping[str, Any]) -> Outcome:
    print(f"{entry.name}: ", end="", flush=True)
    outcome = compression.compress(entry, job, work)
    print(
        f"{outcome.seconds} s" if outcome.error is None else f"failed: {outcome.error.splitlines()[-1]}",
        flush=True,
    )
    if outcome.error is None:
        compression.complete(
            outcome, values["kind"], Path(job["teacher"]), job["labels"], values["input_size"]
        )
    return outcome


def _measured(
    job: Mapping[str, Any],
    values: Mapping[str, Any],
    outcomes: Sequence[Outcome],
    students: Mapping[str, Path],
    work: Path,
) -> dict[str, Any]:
    """In a process of the measuring environment."""
    made = [one for one in outcomes if one.error is None]
    sources = [
        {"name": one.entry.name, "form": one.entry.peer.form, "folder": str(one.folder)} for one in made
    ]
    sources += [{"name": name, "form": "onnx", "folder": str(folder)} for name, folder in students.items()]
    asked = {key: job[key] for key in ("ingest", "teacher")} | {
        "benchmark": values,
        "sources": sources,
        "students": list(students),
    }
    asked["peers"] = [one.entry.name for one in made if not one.entry.peer.is_ours]
    file, out = work / "measure.json", work / "measured.json"
    file.write_text(json.dumps(asked), encoding="utf-8")
    python = environments.ready(ROOT / ".peers" / MEASURING, field.locks(MEASURING))
    subprocess.run(
        [str(python), "-m", "benchmarks.peers.measure", str(file), str(out)],
        cwd=ROOT,
        env={**os.environ, **ENVIRONMENT},
        check=True,
    )
    result: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return result


def _entry(outcome: Outcome, failed: Mapping[str, str]) -> dict[str, Any]:
    name, peer = outcome.entry.name, outcome.entry.peer
    told = {
        "name": name,
        "peer": peer.name,
        "recipe": outcome.entry.recipe,
        "does": peer.recipes[outcome.entry.recipe],
        "own_runtime": peer.has_own_runtime,
    }
    return {
        **told,
        "seconds": outcome.seconds,
        "cpu_seconds": outcome.cpu_seconds,
        "error": outcome.error or failed.get(name),
    }


def _told(environment: str) -> dict[str, str]:
    pinned = field.pinned(environment)
    return {name: pinned[name] for name in TOLD if name in pinned}


def _write(result: Mapping[str, Any], name: str) -> None:
    home, picture = ROOT / "docs" / "results", ROOT / "docs" / "pictures" / f"{name}.png"
    (home / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (home / f"{name}.md").write_text(page.markdown(result, f"../pictures/{name}.png"), encoding="utf-8")
    page.draw(result, picture)
    print(f"docs/results/{name}.md, docs/results/{name}.json, docs/pictures/{name}.png")


COMMAND = Command("python -m benchmarks.peers", __doc__, _run, _arguments)
main = COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
