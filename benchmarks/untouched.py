"""What fine-tuning gives a model that writes: the pretrained one as it is beside the fine-tuned one, on the
rows that the run's benchmark measures.

    python -m benchmarks.untouched headlines --instruction "Write the headline of this article."

Both are asked as the run puts its prompts; an instruction that is given here is put before those of the
untouched model alone. Reads data/RUN: ingest/out, pretrain/out and finetune/out. `benchmark.split` says which
rows are measured: the test split is for the end. Prints a Markdown table with intervals and the paired
difference.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tasks.benchmark import written
from tasks.benchmark.bootstrap import bounded, resampled_sums
from tasks.benchmark.forms.variants import Setting, Source, open_variant
from tasks.benchmark.forms.writing import SIDE_BY_SIDE, Writing
from tasks.benchmark.grid import NOT_KNOWN, grid, with_bounds
from tasks.core import params, stages, tables
from tasks.core.errors import DataError, ModelError, ParamsError
from tasks.kinds.base.kind import Kind, Row, known_kinds, load_kind
from tasks.kinds.base.rows import of_texts
from tasks.launch.command import Command
from tasks.models import checkpoint, compute

UNTOUCHED, TUNED = "untouched", "fine-tuned"
APART = f"difference_to_{UNTOUCHED}"
READ = ("ingest", "pretrain", "finetune")
Figures = dict[str, float]
"""Figures by name, with their bounds."""


@dataclass(frozen=True)
class Answered:
    """What a model wrote to some rows."""

    texts: np.ndarray
    looks: Mapping[str, np.ndarray]
    """As `Generation.traits` tells them."""
    nats: np.ndarray
    """Of the first rows, as `Writing.nats` gives them."""
    unended: float


def compare(root: Path, run: str, instruction: str | None, most: int | None = None) -> str:
    """The table of a run of the workspace `root`, of at most so many rows, the first.

    Raises:
        ParamsError: its params are not in order, with the instruction, or it writes no texts.
        DataError: a stage has not been run.
        ModelError: the pretrained model cannot be asked so.
    """
    models = {name: stage.Params for name, stage in stages.load_all().items()}
    runs = params.read(root / "params.yaml")
    if instruction is not None and run in runs:
        runs[run] = {**runs[run], "options": {**runs[run]["options"], "instruction": instruction}}
    asked: Any = params.check(runs, models, known_kinds(), only=run)[run]["benchmark"]
    kind = load_kind(asked.kind)
    if (writes := kind.generation) is None:
        raise ParamsError(f"runs.{run}.kind", "its models write no texts: the untouched one answers nothing")
    folders = {stage: root / "data" / run / stage / "out" for stage in READ}
    if lacking := [stage for stage, folder in folders.items() if not folder.is_dir()]:
        raise DataError(
            f"data/{run}", *(f"{one}/out is not there; `dvc repro {one}@{run}`" for one in lacking)
        )
    device = compute.prepare(asked.seed, asked.threads, asked.device)
    setting = Setting(asked.kind, [], asked.input_size, asked.batch, asked.seed, device.type)
    options = kind.options.model_validate(runs[run]["options"])
    rows = tables.read(folders["ingest"] / f"{asked.split}.parquet")[:most]
    openers: dict[str, Callable[[], Any]] = {
        UNTOUCHED: partial(untouched, folders["pretrain"], setting, options),
        TUNED: partial(open_variant, Source(TUNED, "torch", folders["finetune"]), setting),
    }
    # One after the other, so that one model at a time is held.
    answers = {name: answered(opened(), rows, writes.traits) for name, opened in openers.items()}
    told = f"{len(rows)} rows of the {asked.split} split, {asked.resamples} resamples, 95 % intervals."
    return f"{page(kind, rows, answers, asked.resamples, asked.seed)}\n\n{told} Fewer nats are better."


def untouched(folder: Path, setting: Setting, options: Any) -> Writing:
    """The pretrained model, asked as the options say.

    Raises:
        ModelError: it cannot be.
    """
    kind = setting.load_kind()
    model = checkpoint.load_model(folder, kind, torch.device(setting.device))
    processor, faults = kind.model.fit(model, kind.model.load_processor(folder), setting.input_size, options)
    if faults:
        raise ModelError("the pretrained model", *faults)
    writer = kind.generation.checkpoint(model, processor, setting.input_size)  # type: ignore[union-attr]
    return Writing(UNTOUCHED, writer, kind, 0, None, SIDE_BY_SIDE)


def answered(
    model: Writing, rows: Sequence[Row], traits: Callable[..., Mapping[str, np.ndarray]]
) -> Answered:
    """What it writes, and how likely the right answers are to it."""
    texts = model.predict(rows)
    looks = traits(rows, texts.tolist())
    return Answered(texts, looks, model.nats(rows[: written.MOST_ROWS]), model.unended)


def page(kind: Kind, rows: Sequence[Row], answers: Mapping[str, Answered], resamples: int, seed: int) -> str:
    """A line for each figure: of both models, and by how much the fine-tuned one is above the other."""
    found = measured(kind, rows, answers, resamples, seed)
    read = {name: one.nats for name, one in answers.items()}
    nats = written.likelihoods(read, UNTOUCHED, resamples, seed)
    lines = [
        [name, *(with_bounds(found[one], name) for one in answers), with_bounds(found[APART], name)]
        for name in found[APART]
        if f"{name}_low" in found[APART]
    ]
    lines.append(["not_ended", *(f"{one.unended:.3f}" for one in answers.values()), NOT_KNOWN])
    for name, apart in ((written.NATS, with_bounds(nats[TUNED], APART)), (written.PERPLEXITY, NOT_KNOWN)):
        heads = f"{name}, first {len(read[TUNED])} rows"
        lines.append([heads, *(with_bounds(nats[one], name) for one in answers), apart])
    return grid(["figure", *answers, "difference, paired"], lines)


def measured(
    kind: Kind, rows: Sequence[Row], answers: Mapping[str, Answered], resamples: int, seed: int
) -> dict[str, Figures]:
    """The figures of quality of both models, what their answers look like, and the differences."""
    truth, traits = of_texts(rows), [*answers[TUNED].looks]
    beside = len(traits) + 1

    def statistics(one: Answered) -> np.ndarray:
        own = kind.quality.statistics(one.texts, truth)
        return np.column_stack([own, *one.looks.values(), np.ones(len(rows))])

    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        *looks, count = np.moveaxis(sums[..., -beside:], -1, 0)
        means = {name: each / count for name, each in zip(traits, looks, strict=True)}
        return {**kind.quality.figures(sums[..., :-beside]), **means}

    each = {name: statistics(one) for name, one in answers.items()}
    sums = resampled_sums([*each.values()], resamples, seed)
    points = {name: figures(one.sum(0)) for name, one in each.items()}
    sampled = {name: figures(one) for name, one in zip(each, sums, strict=True)}
    for both in (points, sampled):
        both[APART] = {name: both[TUNED][name] - value for name, value in both[UNTOUCHED].items()}
    return {name: _with_bounds(points[name], sampled[name]) for name in points}


def _with_bounds(points: Mapping[str, np.ndarray], sampled: Mapping[str, np.ndarray]) -> Figures:
    pairs = (bounded(name, float(point), sampled[name]) for name, point in points.items())
    return dict(pair for each in pairs for pair in each)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="of params.yaml, fine-tuned")
    parser.add_argument(
        "--instruction", metavar="TEXT", help="for the untouched model, in place of the run's"
    )
    parser.add_argument("--rows", type=int, help="at most so many of the rows, the first (default: all)")


def _run(given: argparse.Namespace) -> int:
    print(compare(Path.cwd(), given.run, given.instruction, given.rows))
    return 0


COMMAND = Command("python -m benchmarks.untouched", __doc__, _run, _arguments)
main = COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
