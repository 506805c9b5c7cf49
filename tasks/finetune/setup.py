"""What all teachers of a run have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tasks.core import tables
from tasks.finetune import class_weights
from tasks.kinds.base.kind import Features, Kind, Processor, Row, load_kind
from tasks.models import checkpoint

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from tasks.finetune.stage import Inputs, Params

SPLITS = ("train", "validation", "pool")


@dataclass(frozen=True)
class TeacherSetup:
    """What all teachers of a run have in common."""

    inputs: Inputs
    params: Params
    kind: Kind
    labels: list[str]
    processor: Processor
    rows: Mapping[str, Sequence[Row]]
    """Of each split, and of the transfer set: `pool`."""
    features: Mapping[str, list[Features]]
    """Of the same."""
    weights: list[float] | None
    """Of the labels in the loss; None: each decision counts alike."""

    @classmethod
    def of(cls, inputs: Inputs, params: Params) -> TeacherSetup:
        kind, labels = load_kind(params.kind), checkpoint.label_names(inputs.ingest)
        processor = kind.model.load_processor(inputs.pretrained)
        rows: dict[str, Sequence[Row]] = {
            split: tables.read(inputs.ingest / f"{split}.parquet") for split in SPLITS
        }
        rows["pool"] = kind.data.transfer(
            rows["train"], rows["pool"], params.pool_outputs, kind.options.model_validate(params.options)
        )
        features = {
            split: kind.model.encode(processor, listed, labels, params.input_size)
            for split, listed in rows.items()
        }
        weights = class_weights.balanced(features["train"], len(labels)) if params.class_weights else None
        return cls(inputs, params, kind, labels, processor, rows, features, weights)

    def answered(self, model: PreTrainedModel) -> TeacherSetup:
        """With the teacher's own answers as labels of the transfer set, where the kind asks for them."""
        options = self.kind.options.model_validate(self.params.options)
        if not self.kind.generation or not self.rows["pool"]:
            return self
        pool = self.kind.generation.answered(
            model, self.processor, self.rows["pool"], self.params.input_size, options
        )
        encoded = self.kind.model.encode(self.processor, pool, self.labels, self.params.input_size)
        return replace(self, rows={**self.rows, "pool": pool}, features={**self.features, "pool": encoded})
