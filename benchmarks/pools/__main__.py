"""What a student gains from texts that are made where there are none, by the way they are made.

    python -m benchmarks.pools hwu64 train.csv --rows 16 --seeds 0 1 2 --out docs/results/pools.json

So many rows of each class of the file are labelled; its other rows, which nothing learns from, measure. The
run is what `slipway new` writes for them, its teacher is made once, and the students differ in what they read
beside the labelled rows, for as many steps. Works on the committed state, in a scratch clone that shares this
checkout's DVC cache. A student that is in the JSON already is not made again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest import mock

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmarks import few_labels
from benchmarks.ablation import Bench
from benchmarks.pools.mixed import Mixing
from benchmarks.pools.table import table
from benchmarks.pools.ways import WAYS, Sources
from benchmarks.seeds import ROOT, command, scratch_clone
from flows.starting import name
from tasks.core import tables
from tasks.core.errors import ParamsError
from tasks.distill import stage as distill
from tasks.kinds.base.kind import load_kind
from tasks.launch.command import Command
from tasks.models import checkpoint, inference, outputs
from tasks.prune import stage as prune

ROWS_ALONE, MIXTURES = "rows alone", "mixtures"
CORPUS = ROOT / "data" / "bbc" / "ingest" / "out" / "pool.parquet"


@dataclass(frozen=True)
class Study:
    """The students of a run whose teacher is made."""

    bench: Bench
    home: Path
    effort: float
    """Share of the steps that `slipway new` proposes."""

    @cached_property
    def copies(self) -> int:
        varied = self.bench.values["distill"]["rewording"]
        if not varied:
            raise ParamsError(self.bench.run, "has so many rows that `slipway new` makes no variations")
        return int(varied["copies"])

    @cached_property
    def sources(self) -> Sources:
        kind = load_kind(self.bench.values["kind"])
        texts = pq.read_table(CORPUS)["text"]
        pretrained = self.bench.at("pretrain/out")
        rows = tables.read(self.bench.at("ingest/out") / "train.parquet")
        return Sources(rows, pretrained, kind.model.load_processor(pretrained), texts.to_pylist())

    def measure(self, way: str, seed: int) -> dict[str, Any]:
        """The answers of a student to the rows that measure, and its divergence on the validation rows."""
        place = self.home / f"{seed}-{way}"
        texts = WAYS[way](self.sources, self.copies, seed) if way in WAYS else []
        replaced = self._with_pool(place, texts) | {"prune/out": self._student(seed)}
        rows = len(self.sources.rows)
        steps = self.effort * self.bench.values["distill"]["epochs"] * (1 + self.copies) * rows
        read = 2 * rows if way == MIXTURES else rows + len(texts)
        epochs = max(1, round(steps / read))
        # Mixtures are no inputs of which relations are kept, so nobody imitates any.
        alike = {"seed": seed, "rewording": None, "relations": None, "pool": len(texts)}
        params = distill.Params.model_validate(
            {
                **{key: self.bench.values[key] for key in distill.Params.model_fields.keys() & self._common},
                **self.bench.values["distill"],
                **alike,
                **{"epochs": epochs, "patience": epochs},
            }
        )
        (place / "scratch").mkdir(parents=True)
        with mock.patch.object(distill, "_imitation", _mixing if way == MIXTURES else distill._imitation):
            made = distill.run(self.bench.inputs("distill", replaced), params, place, place / "scratch")
        answers = self._answers(place / "out")
        shutil.rmtree(place)
        return {"texts": len(texts), **made.figures["validation"], "answers": answers}

    @property
    def _common(self) -> set[str]:
        return {key for key in self.bench.values if not isinstance(self.bench.values[key], dict)} | {
            "options"
        }

    def _student(self, seed: int) -> Path:
        """The pruned teacher, made once with each seed."""
        place = self.home / f"student-{seed}"
        if not place.exists():
            (place / "scratch").mkdir(parents=True)
            values = {
                **{key: self.bench.values[key] for key in prune.Params.model_fields.keys() & self._common},
                **self.bench.values["prune"],
                "seed": seed,
            }
            params = prune.Params.model_validate(values)
            prune.run(self.bench.inputs("prune", {}), params, place, place / "scratch")
        return place / "out"

    def _with_pool(self, place: Path, texts: list[str]) -> dict[str, Path]:
        """Artifacts with these texts as the pool, and what the teacher answers to them."""
        ingest, answered = place / "ingest", place / "outputs"
        shutil.copytree(self.bench.at("ingest/out"), ingest)
        (ingest / "test.parquet").unlink()
        shutil.copytree(self.bench.at("finetune/outputs"), answered)
        pq.write_table(pa.table({"text": pa.array(texts, pa.string())}), ingest / "pool.parquet")
        kind, values = load_kind(self.bench.values["kind"]), self.bench.values
        options = kind.options.model_validate(values["options"])
        rows = kind.data.transfer([], tables.read(ingest / "pool.parquet"), len(texts), options)
        processor = kind.model.load_processor(self.bench.at("finetune/out"))
        labels = checkpoint.label_names(ingest)
        features = kind.model.encode(processor, rows, labels, values["input_size"])
        model = checkpoint.load_model(self.bench.at("finetune/out"), kind, torch.device("cpu"))
        logits = inference.logits(model, kind, processor, features, inference.BATCH)
        outputs.write(outputs.Outputs.to(rows, features, logits), answered / "pool.safetensors")
        return {"ingest/out": ingest, "finetune/outputs": answered}

    def _answers(self, folder: Path) -> list[int]:
        kind, ingest = load_kind(self.bench.values["kind"]), self.bench.at("ingest/out")
        processor, rows = kind.model.load_processor(folder), tables.read(ingest / "test.parquet")
        features = kind.model.encode(
            processor, rows, checkpoint.label_names(ingest), self.bench.values["input_size"]
        )
        model = checkpoint.load_model(folder, kind, torch.device("cpu"))
        found = inference.logits(model, kind, processor, features, inference.BATCH)
        return [int(one) for one in found.argmax(1)]

    def truth(self) -> dict[str, Any]:
        """What is right, and what the teacher answers."""
        ingest = self.bench.at("ingest/out")
        labels = checkpoint.label_names(ingest)
        rows = tables.read(ingest / "test.parquet")
        return {
            "labels": labels,
            "kind": self.bench.values["kind"],
            "train": len(self.sources.rows),
            "right": [labels.index(row["label"]) for row in rows],
            "teacher": self._answers(self.bench.at("finetune/out")),
        }


def _mixing(inputs: Any, params: Any, student: Any, processor: Any) -> Mixing:
    kind = load_kind(params.kind)
    teacher = checkpoint.load_model(inputs.teacher, kind, student.device)
    teachers = kind.model.load_processor(inputs.teacher)
    return Mixing(kind, student, processor, teacher, teachers, params.temperature)


def prepare(run: str, given: argparse.Namespace, clone: Path, place: Path) -> Bench:
    """A run of drawn rows, with its teacher, in the clone."""
    drawn, rest = few_labels.draw(few_labels.read(given.file), given.rows, 0)
    source = few_labels.lay_out(place / "source", drawn, [], rest)
    subprocess.run([sys.executable, "-m", "flows", "new", run, str(source), "--yes"], cwd=clone, check=True)
    command(["dvc", "repro", f"finetune@{run}"], clone)
    return Bench(clone, run)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="of the set")
    parser.add_argument("file", type=Path, help="labelled rows")
    parser.add_argument("--rows", type=int, default=16, help="of each class that are learnt (default: 16)")
    parser.add_argument("--effort", type=float, default=1.0, help="share of the usual steps (default: 1)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="(default: 0 1 2)")
    parser.add_argument("--out", type=Path, required=True, help="JSON that the answers join")


def _run(given: argparse.Namespace) -> int:
    if not CORPUS.exists():
        raise ParamsError("benchmarks.pools", "needs the texts of bbc; make them with `dvc repro ingest@bbc`")
    found: dict[str, dict[str, Any]] = {}
    if given.out.exists():
        found = json.loads(given.out.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        clone = scratch_clone(Path(folder))
        bench = prepare(name.usable(given.name), given, clone, Path(folder))
        study = Study(bench, Path(folder) / "students", given.effort)
        own = found.setdefault(given.name, {})
        own.update(study.truth())
        for seed in given.seeds:
            for way in (ROWS_ALONE, *WAYS, MIXTURES):
                if (key := f"{way}, seed {seed}") not in own.setdefault("students", {}):
                    own["students"][key] = study.measure(way, seed)
                    given.out.write_text(json.dumps(found) + "\n", encoding="utf-8")
            print(table(own), flush=True)
    return 0


COMMAND = Command("python -m benchmarks.pools", __doc__, _run, _arguments)
main = COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
