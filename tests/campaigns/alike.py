"""Many small models of one recipe that differ by their seed alone, trained by the pipeline's own stages, and
what they answer.

The rows are sentences of the embedded articles, to be told by their article's desk. No article stands on two
sides: 400 make the start, which is the embedded pretrained model, fine-tuned, cut down to two layers of 128
and trained again; 300 others are the new data that every model is trained on, from that start, in an order
that its seed decides; the rest is what they are asked. What a model answered is kept in the folder, so that a
broken run goes on and the answers can be looked at again without training.
"""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.core import tables
from tasks.finetune import stage as finetune
from tasks.kinds.base.kind import load_kind
from tasks.models import checkpoint, compute, inference
from tasks.pretrain import stage as pretrain
from tasks.prune import stage as prune
from tests import tiny
from tests.tasks import stage

KIND = "text/classification"
ARTICLES = {"start": 400, "train": 300, "validation": 60, "test": 10_000}
SENTENCES = {"start": 10, "train": 6, "validation": 5, "test": 5}
WORDS = range(8, 41)
COMMON: dict[str, Any] = {"input_size": 32, "threads": 1, "processes": 1, "device": "cpu"}
RECIPE: dict[str, Any] = {
    "epochs": 1,
    "patience": 1,
    "batch_size": 32,
    "learning_rate": 0.0005,
    "freeze": "none",
    "pool_outputs": 0,
    **COMMON,
}
STUDENT: dict[str, Any] = {
    "layers": 2,
    "hidden": 128,
    "ffn": 256,
    "vocabulary": 4000,
    "measured": {"batches": 20, "batch_size": 32},
    **COMMON,
}
STARTS_SEED = 10**6
"""Of the start; no model has it."""


@dataclass(frozen=True)
class Alike:
    """`answers` (models, rows) are numbers of labels, `truth` (rows,) the right ones."""

    answers: np.ndarray
    truth: np.ndarray


def load(folder: Path) -> Alike:
    rows = tables.read(folder / "test.parquet")
    truth = np.array([tiny.LABELS.index(row["label"]) for row in rows])
    return Alike(np.stack([np.load(file)["answers"] for file in sorted(folder.glob("model-*.npz"))]), truth)


def train(folder: Path, models: int) -> Iterator[int]:
    """Trains those of the models 0, 1, … that `folder` lacks; yields the number of each when it is done."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "start" / "out").is_dir():
        _make_start(folder)
    kind, start = load_kind(KIND), folder / "start" / "out"
    features = kind.model.encode(
        kind.model.load_processor(start),
        tables.read(folder / "test.parquet"),
        tiny.LABELS,
        COMMON["input_size"],
    )
    for seed in range(models):
        file, home = folder / f"model-{seed:04}.npz", folder / "in-work"
        if file.exists():
            continue
        shutil.rmtree(home, ignore_errors=True)
        stage.run("finetune", finetune.Inputs(folder / "new", start), home, **RECIPE, seed=seed)
        model = checkpoint.load_model(home / "out", kind, compute.prepare(seed, 1, "cpu"))
        logits = inference.logits(model, kind, kind.model.load_processor(start), features, inference.BATCH)
        np.savez_compressed(home / "answers.npz", answers=logits.argmax(1).astype(np.uint8))
        (home / "answers.npz").rename(file)
        yield seed


def _make_start(folder: Path) -> None:
    _write_rows(folder)
    shutil.rmtree(folder / "making", ignore_errors=True)
    old, made = folder / "old", folder / "making"
    stage.run("pretrain", pretrain.Inputs(old, stage.ROOT), made / "pretrain", **COMMON | {"further": None})
    changed = {**COMMON, "epochs": 1, "batch_size": 32, "pool_outputs": 0}
    stage.run("finetune", finetune.Inputs(old, made / "pretrain" / "out"), made / "teacher", **changed)
    stage.run("prune", prune.Inputs(old, made / "teacher" / "out"), made / "student", **STUDENT)
    recovered = RECIPE | {"epochs": 4, "patience": 4, "learning_rate": 0.001, "seed": STARTS_SEED}
    stage.run("finetune", finetune.Inputs(old, made / "student" / "out"), made / "start", **recovered)
    (made / "start").rename(folder / "start")


def _write_rows(folder: Path) -> None:
    articles, chance = tiny.articles(), random.Random(0)
    chance.shuffle(articles := list(articles))
    rows: dict[str, list[dict[str, str]]] = {}
    seen: set[str] = set()
    for side, count in ARTICLES.items():
        some, articles = articles[:count], articles[count:]
        rows[side] = [row for article in some for row in _sentences(article, SENTENCES[side], seen, chance)]
    _write(folder / "test.parquet", rows["test"])
    for name, side in {"old": "start", "new": "train"}.items():
        (folder / name).mkdir(exist_ok=True)
        _write(folder / name / "train.parquet", rows[side])
        _write(folder / name / "validation.parquet", rows["validation"])
        pq.write_table(
            pa.table({"text": [row["text"] for row in rows[side]]}), folder / name / "pool.parquet"
        )
        (folder / name / "labels.json").write_text(json.dumps(tiny.LABELS), encoding="utf-8")


def _write(file: Path, rows: Sequence[dict[str, str]]) -> None:
    pq.write_table(pa.Table.from_pylist(list(rows)), file)


def _sentences(
    article: dict[str, str], count: int, seen: set[str], chance: random.Random
) -> list[dict[str, str]]:
    """Some sentences of an article; none that was seen before."""
    found = [" ".join(one.split()) for one in re.split(r"(?<=[.!?])\s+", article["body"])]
    fit = [one for one in dict.fromkeys(found) if len(one.split()) in WORDS and one not in seen]
    chosen = chance.sample(fit, min(count, len(fit)))
    seen.update(chosen)
    return [{"text": one, "label": article["desk"]} for one in chosen]
