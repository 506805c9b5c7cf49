"""Makes what is timed, in a temporary folder: rows of just so many tokens, models of three sizes, and what
the stages read of both.

The rows are texts of the run's own pool and training rows, joined and cut; their labels are any. The models
are the teacher, pruned: speed does not depend on how good weights are. The test split is not opened.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.ablation import Bench
from benchmarks.costs import sizes
from benchmarks.costs.sizes import Point
from tasks.core import stages, tables
from tasks.core.errors import DataError
from tasks.core.params import RunFields, Section
from tasks.kinds.base.kind import Features, Kind, Processor, Row, load_kind

EVALUATED = 32
"""Validation rows of a distillation; its look at them is not timed."""
PLAINLY = {
    "depths": None,
    "widths": None,
    "layers_by": "spread",
    "importance": "magnitude",
    "measured": None,
    "recovery": None,
}
"""How models are cut when only their size counts."""
WHATEVER_IT_ANSWERS = {"min_agreement": 0.0, "max_difference": 1.0, "max_float_operators": 0}


@dataclass(frozen=True)
class Place:
    """Where all lies that is made of a point before it is timed."""

    point: Point
    model: Path
    folder: Path

    @property
    def learnt(self) -> Path:
        """ingest/out of a distillation: the rows are the training rows."""
        return self.folder / "learnt"

    @property
    def outputs(self) -> Path:
        return self.folder / "outputs"

    @property
    def judged(self) -> Path:
        """ingest/out of a benchmark: the rows are the validation rows."""
        return self.folder / "judged"

    @property
    def final(self) -> Path:
        return self.folder / "quantized" / "out"


@dataclass(frozen=True)
class Workshop:
    """Makes what is timed of a run, in the folder `home`."""

    bench: Bench
    home: Path

    @cached_property
    def kind(self) -> Kind:
        return load_kind(self.bench.values["kind"])

    @cached_property
    def labels(self) -> list[str]:
        from tasks.models import checkpoint

        return checkpoint.label_names(self.bench.at("ingest/out"))

    @cached_property
    def rows(self) -> Path:
        """The run's ingest/out without its test split."""
        return self.bench.without_test(self.home / "ingest")

    @cached_property
    def texts(self) -> list[str]:
        """Texts of a given number of tokens.

        Raises:
            DataError: the rows are not texts with one label each.
        """
        train = tables.read(self.rows / "train.parquet")
        if not all(isinstance(row.get("text"), str) and row["label"] in self.labels for row in train):
            raise DataError(
                f"data/{self.bench.run}",
                "holds other rows than texts with one label each; of such alone costs are measured",
            )
        return [row["text"] for row in [*tables.read(self.rows / "pool.parquet"), *train]]

    def params(self, stage: str, changed: dict[str, Any]) -> Any:
        """The run's, but for what is changed."""
        model: type[Section] = stages.load(stage).Params
        values = {
            **{name: self.bench.values[name] for name in RunFields.model_fields},
            **self.bench.values[stage],
            **changed,
        }
        return model.model_validate(
            {name: value for name, value in values.items() if name in model.model_fields}
        )

    def model(self, name: str) -> Path:
        """The teacher, pruned to this size."""
        from transformers import AutoConfig

        from tasks.models.checkpoint import ONLY_LOCAL
        from tasks.prune import stage as prune

        home = self.home / "models" / name
        if not home.exists():
            (home / "scratch").mkdir(parents=True)
            config = AutoConfig.from_pretrained(self.bench.at("finetune/out"), **ONLY_LOCAL)
            params = self.params("prune", PLAINLY | sizes.of_models(config)[name])
            prune.run(self.bench.inputs("prune", {"ingest/out": self.rows}), params, home, home / "scratch")
        return home / "out"

    def sizes_of(self, model: Path) -> dict[str, int]:
        """Parameters of a checkpoint, in all and without the table of words, which costs a look-up only.

        And how it is cut.
        """
        from tasks.models import checkpoint
        from tasks.prune import registry

        loaded = self.loaded(model)
        parameters, words = checkpoint.parameters(loaded), loaded.get_input_embeddings().weight.numel()
        return {
            "parameters": parameters,
            "without_words": parameters - words,
            **registry.pruner(loaded.config).sizes(loaded.config),
        }

    def loaded(self, folder: Path) -> Any:
        """A model as the teacher is loaded when it labels."""
        from tasks.models import checkpoint, compute

        values = self.bench.values
        device = compute.prepare(values["seed"], values["threads"], values["device"])
        return checkpoint.load_model(folder, self.kind, device, attn_implementation="eager")

    def encoded(self, model: Path, rows: Sequence[Row], tokens: int) -> list[Features]:
        return self.kind.model.encode(self.kind.model.load_processor(model), rows, self.labels, tokens)

    def answers(self, model: Any, processor: Processor, features: Sequence[Features]) -> Any:
        from tasks.models import inference

        return inference.logits(
            model, self.kind, processor, features, inference.BATCH, self.bench.values["finetune"]["precision"]
        )

    def place(self, point: Point) -> Place:
        """A place for one point of the curve.

        Raises:
            DataError: the rows cannot be made so long.
        """
        place = Place(point, self.model(point.model), self.home / point.name.replace(" ", "-"))
        if not place.folder.exists():
            self._write_rows(place)
            self._write_outputs(place)
            self._write_final(place)
        return place

    def _write_rows(self, place: Place) -> None:
        texts, labels = sizes.joined(self.texts, place.point.rows, place.point.tokens), cycle(self.labels)
        rows = [
            {"id": f"{at:06}", "text": text, "label": label}
            for at, (text, label) in enumerate(zip(texts, labels, strict=False))
        ]
        lengths = {self.kind.model.size(one) for one in self.encoded(place.model, rows, place.point.tokens)}
        if lengths != {place.point.tokens}:
            raise DataError(
                f"data/{self.bench.run}",
                f"texts joined to {place.point.tokens} words have {sorted(lengths)} tokens",
            )
        made, nothing = pa.Table.from_pylist(rows), pa.table({"text": pa.array([], pa.string())})
        for folder, train, validation in (
            (place.learnt, made, made[:EVALUATED]),
            (place.judged, pq.read_table(self.rows / "train.parquet"), made),
        ):
            folder.mkdir(parents=True)
            for split, table in {"train": train, "validation": validation, "pool": nothing}.items():
                pq.write_table(table, folder / f"{split}.parquet")
            shutil.copy(self.rows / "labels.json", folder)

    def _write_outputs(self, place: Place) -> None:
        from tasks.models import outputs

        model, processor = self.loaded(place.model), self.kind.model.load_processor(place.model)
        rows = tables.read(place.learnt / "train.parquet")
        features = self.encoded(place.model, rows, place.point.tokens)
        answers = self.answers(model, processor, features)
        for split, count in {"train": len(answers), "validation": EVALUATED, "pool": 0}.items():
            kept = outputs.Outputs.to(rows[:count], features[:count], answers[:count])
            outputs.write(kept, place.outputs / f"{split}.safetensors")

    def _write_final(self, place: Place) -> None:
        from tasks.quantize import stage as quantize

        home = place.final.parent
        (home / "scratch").mkdir(parents=True)
        inputs = self.bench.inputs("quantize", {"ingest/out": place.learnt, "distill/out": place.model})
        params = self.params("quantize", WHATEVER_IT_ANSWERS | {"input_size": place.point.tokens})
        quantize.run(inputs, params, home, home / "scratch")
