"""What few labelled rows of each class give: `slipway new` and `slipway run`, and SetFit on the same rows.

    python -m benchmarks.few_labels banking77 train.csv test.csv --rows 16 --draws 0 1 --out few.json

Each draw takes so many rows of each class of the first file; the texts of its other rows are what is
unlabelled. Both are measured on the second file. Slipway holds back some of the drawn rows for validation,
SetFit learns from these too, in an environment of its own below .peers/. Works on the committed state, in a
scratch clone that shares this checkout's DVC cache. A draw that is in the JSON already is not made again; the
table that is printed is of all.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from benchmarks import own_data
from benchmarks.peers import compression, field
from benchmarks.seeds import scratch_clone
from flows.prelabelling import likeness
from flows.starting import ask, choice, look, name
from tasks.benchmark import metrics
from tasks.core import params, tables
from tasks.core.errors import DataError, ParamsError
from tasks.ingest import cells
from tasks.kinds.base.kind import load_kind
from tasks.kinds.base.rows import Truth
from tasks.launch.command import Command
from tasks.models import checkpoint

LABEL, TEXT = "label", "text"
RESAMPLES = 2000
Rows = list[tuple[str, str]]
"""Texts and their labels."""


def draw(rows: Rows, of_each: int, seed: int) -> tuple[Rows, Rows]:
    """So many rows of each class, and the others, both in the order of the file."""
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for number, (_, label) in enumerate(rows):
        numbers[label].append(number)
    chance = random.Random(seed)
    drawn = {
        n
        for label in sorted(numbers)
        for n in chance.sample(numbers[label], min(of_each, len(numbers[label])))
    }
    return [rows[n] for n in sorted(drawn)], [row for n, row in enumerate(rows) if n not in drawn]


def lay_out(folder: Path, drawn: Rows, rest: Rows, test: Rows) -> Path:
    """A source for `slipway new`: labelled files that name their split, and texts without labels."""
    folder.mkdir(parents=True)
    for side, rows in (("train", drawn), ("test", test)):
        with (folder / f"{side}.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([(TEXT, LABEL), *rows])
    if rest:
        texts = [" ".join(text.split()) for text, _ in rest]
        (folder / "unlabelled").mkdir()
        (folder / "unlabelled" / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    return folder


def measure(run: str, seed: int, given: argparse.Namespace, clone: Path, place: Path) -> dict[str, Any]:
    """The figures of one draw."""
    drawn, rest = draw(read(given.train), given.rows, seed)
    made = own_data.measure(run, [str(lay_out(place / run, drawn, rest, read(given.test)))], [], clone)
    data, section = clone / "data" / run, params.read(clone / "params.yaml")[run]
    return {**made, **_setfit(data, section, place)}


def _setfit(data: Path, section: Mapping[str, Any], place: Path) -> dict[str, Any]:
    """What SetFit has, learnt from the rows that Slipway trains and validates on; or why it has nothing."""
    labels, ingest = _labels(data), data / "ingest" / "out"
    learnt = [row for side in ("train", "validation") for row in tables.read(ingest / f"{side}.parquet")]
    asked = tables.read(ingest / "test.parquet")
    (entry,) = (one for one in field.entries(["setfit"]) if one.recipe == "plain")
    job = {
        "pretrained": str(data / "pretrain" / "out"),
        "input_size": section["input_size"],
        "threads": section["threads"],
        "train": [row[TEXT] for row in learnt],
        "train_labels": [labels.index(row[LABEL]) for row in learnt],
        "ask": [row[TEXT] for row in asked],
    }
    outcome = compression.compress(entry, job, place / "peers")
    if outcome.error is not None:
        return {"setfit_error": outcome.error}
    setfit = load_file(outcome.folder / "answers.safetensors")["probabilities"]
    answers = {"setfit": setfit, "described": _described(asked, data, labels, section["kind"])}
    found = _beside(answers, [row["id"] for row in asked], data, section)
    return {**found, "setfit_rows": len(learnt), "setfit_seconds": outcome.seconds}


def _described(
    asked: Sequence[Mapping[str, Any]], data: Path, labels: Sequence[str], kind: str
) -> np.ndarray:
    """What likeness to the names of the labels answers (n, c), without a labelled row."""
    texts = [row[TEXT] for row in asked]
    pool = [row[TEXT] for row in tables.read(data / "ingest" / "out" / "pool.parquet")]
    with tempfile.TemporaryDirectory() as folder:
        encoder = likeness.Encoder(texts, load_kind(kind), Path.cwd(), Path(folder))
        told = {label: [likeness.spelled(label)] for label in labels}
        chosen = likeness.measured([*texts, *pool], told, encoder).chosen[: len(texts)]
    answers: np.ndarray = np.eye(len(labels))[chosen]
    return answers


def _beside(
    others: Mapping[str, np.ndarray], ids: Sequence[str], data: Path, section: Mapping[str, Any]
) -> dict[str, dict[str, float]]:
    """The figures of other answers (n, c), beside the teacher's on the same resampled rows."""
    labels, kept = _labels(data), tables.read(data / "benchmark" / "out" / "predictions.parquet")
    if [row["id"] for row in kept] != ids:
        raise DataError("predictions.parquet", "its rows are not those of the test split, in their order")
    truth = Truth(
        np.array([labels.index(row[LABEL]) for row in kept]),
        [1] * len(kept),
        labels,
        [row["id"] for row in kept],
    )
    answers = {name: np.array([row[name] for row in kept]) for name in ("teacher", "baseline")}
    figures = metrics.quality(
        load_kind(section["kind"]), {**answers, **others}, truth, RESAMPLES, section["seed"]
    )
    return {name: figures[name] for name in others}


def _labels(data: Path) -> list[str]:
    return checkpoint.label_names(data / "ingest" / "out")


def read(file: Path) -> Rows:
    """The rows of a file, as `slipway new` reads it."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(file, folder)
        looked = look.look(Path(folder))
    columns = choice.choose(looked, None, {}, ask.answers(True)).columns
    return [
        (str(cells.raw_value(row, columns[TEXT])), str(cells.raw_value(row, columns[LABEL])))
        for row in looked.raw.rows
    ]


def table(measured: Mapping[str, Mapping[str, Any]]) -> str:
    """A Markdown table of the draws, with means and their spread."""
    lines = [
        "| draw | by the labels' names | linear baseline | SetFit | teacher | teacher − SetFit | final "
        "| of its teacher | × faster | × smaller |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    measured = {run: one for run, one in measured.items() if "setfit" in one}
    columns = [_figures(one) for one in measured.values()]
    for run, one, found in zip(measured, measured.values(), columns, strict=True):
        apart = one["setfit"]
        between = f"[{-apart['difference_to_teacher_high']:+.3f}, {-apart['difference_to_teacher_low']:+.3f}]"
        kept = f"[{one['final']['quality_ratio_low']:.1%}, {one['final']['quality_ratio_high']:.1%}]"
        told = _told(found)
        lines.append(_row(run, [*told[:4], f"{told[4]} {between}", told[5], f"{told[6]} {kept}", *told[7:]]))
    if len(columns) > 1:
        by_figure = list(zip(*columns, strict=True))
        spread = _told([stdev(values) for values in by_figure])
        means = _told([mean(values) for values in by_figure])
        lines.append(
            _row("mean ± sd", [f"{a} ± {b.lstrip('+')}" for a, b in zip(means, spread, strict=True)])
        )
    return "\n".join(lines)


def _figures(one: Mapping[str, Any]) -> list[float]:
    headline, final = one["headline"], one["final"]
    shown = ("described", "baseline", "setfit", "teacher")
    described, baseline, setfit, teacher = (one[name][headline] for name in shown)
    return [
        described,
        baseline,
        setfit,
        teacher,
        teacher - setfit,
        final[headline],
        final["quality_ratio"],
        final["speedup"],
        final["size_ratio"],
    ]


def _told(figures: Sequence[float]) -> list[str]:
    forms = ("{:.3f}", "{:.3f}", "{:.3f}", "{:.3f}", "{:+.3f}", "{:.3f}", "{:.1%}", "{:.1f}", "{:.1f}")
    return [form.format(value) for form, value in zip(forms, figures, strict=True)]


def _row(draw: str, cells: Sequence[str]) -> str:
    return f"| {draw} | {' | '.join(cells)} |"


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="of the set")
    parser.add_argument("train", type=Path, help="file from which labelled rows are drawn")
    parser.add_argument("test", type=Path, help="file on which all is measured")
    parser.add_argument("--rows", type=int, default=16, help="of each class (default: 16)")
    parser.add_argument("--draws", type=int, nargs="+", default=[0], help="seeds of the draws (default: 0)")
    parser.add_argument("--out", type=Path, required=True, help="JSON that the figures join")


def _faults(given: argparse.Namespace) -> list[str]:
    faults = [f"{file}: there is no such file" for file in (given.train, given.test) if not file.is_file()]
    return faults + ([f"--rows {given.rows}: must be 1 at least"] if given.rows < 1 else [])


def _run(given: argparse.Namespace) -> int:
    if faults := _faults(given):
        raise ParamsError("benchmarks.few_labels", *faults)
    measured = json.loads(given.out.read_text(encoding="utf-8")) if given.out.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        clone = scratch_clone(Path(folder))
        for seed in given.draws:
            run = name.usable(f"{given.name}-{given.rows}-{seed}")
            if run not in measured:
                measured[run] = measure(run, seed, given, clone, Path(folder))
                given.out.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
            if fault := measured[run].get("setfit_error"):
                print(f"{run}: not in the table, for SetFit failed: {fault}", flush=True)
            print(table(measured), flush=True)
    return 0


COMMAND = Command("python -m benchmarks.few_labels", __doc__, _run, _arguments)
main = COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
