"""Trains the teacher: the pretrained model with a head, on the labelled rows.

Reads ingest/out and pretrain/out. Writes out/ (the teacher as a plain checkpoint), outputs/ (its logits on the training and
validation rows and on the pool, so that changing the student never relabels anything) and plots/learning.csv.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tasks.kinds import base
from tasks.shared import tables
from tasks.shared.params import Device, InputSize, Kind, Options, Seed, Threads, TrainingFields
from tasks.shared.stages import Metrics, artifact

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class Params(TrainingFields):
    kind: Kind
    options: Options
    seed: Seed
    threads: Threads
    device: Device
    input_size: InputSize
    freeze: Literal["none", "embeddings", "encoder"] = Field(
        description="what keeps its pretrained weights; embeddings: those of the words"
    )
    label_smoothing: float = Field(ge=0, lt=1, description="share of each label spread over the others")
    pool_outputs: int = Field(ge=0, le=10_000_000, description="texts of the pool that the teacher labels, at most")


@dataclass(frozen=True)
class Inputs:
    ingest: Path = artifact("ingest/out")
    pretrained: Path = artifact("pretrain/out")


def run(inputs: Inputs, params: Params, out: Path, scratch: Path) -> Metrics:
    from tasks.shared import checkpoint, inference, training

    kind, labels = base.load(params.kind), checkpoint.label_names(inputs.ingest)
    options = kind.options.model_validate(params.options)
    tokenizer = checkpoint.load_tokenizer(inputs.pretrained)
    model = _model(inputs, params, labels)
    rows = {split: tables.read(inputs.ingest / f"{split}.parquet") for split in ("train", "validation", "pool")}
    rows["pool"] = rows["pool"][: params.pool_outputs]
    features = {split: kind.encode(tokenizer, listed, labels, params.input_size) for split, listed in rows.items()}

    def loss(rows: list[int]) -> torch.Tensor:
        answer, truth = inference.forward(model, kind, tokenizer, [features["train"][row] for row in rows])
        return kind.loss(answer, truth, params.label_smoothing, options)

    def evaluate() -> dict[str, float]:
        return inference.figures(model, kind, tokenizer, features["validation"], labels, params.precision)

    sizes = [kind.size(one) for one in features["train"]]
    history = training.fit(
        model, training.Plan.of(params), sizes, loss, evaluate, lambda figures: figures[kind.headline], scratch, "finetune"
    )
    training.write_history(history, out / "plots" / "learning.csv")
    checkpoint.save(model, tokenizer, out / "out")
    for split, listed in features.items():
        answers = inference.logits(model, kind, tokenizer, listed, inference.BATCH, params.precision, label=f"teacher on {split}")
        inference.write_outputs(answers, out / "outputs" / f"{split}.safetensors")
    return Metrics({"parameters": checkpoint.parameters(model), "validation": training.kept_epoch(history)})


def _model(inputs: Inputs, params: Params, labels: list[str]) -> PreTrainedModel:
    """The pretrained model with a new head, partly frozen."""
    from tasks.shared import checkpoint, compute

    device = compute.prepare(params.seed, params.threads, params.device)
    config = {**checkpoint.label_config(labels), **checkpoint.dropout_config(params.dropout), "attn_implementation": "eager"}
    model = checkpoint.load_model(inputs.pretrained, base.load(params.kind), device, **config)
    frozen = {
        "none": [],
        "embeddings": [model.get_input_embeddings()],
        "encoder": [model.base_model],
    }[params.freeze]
    for module in frozen:
        module.requires_grad_(False)
    return model
