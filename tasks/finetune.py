"""Trains the teacher: the pretrained model with a head, on the labelled rows.

Reads ingest/out and pretrain/out. Writes out/ (the teacher as a plain checkpoint), outputs/ (its logits on the training and
validation rows and on the transfer set, so that changing the student never relabels anything) and plots/learning.csv.

With `lora_rank` only low-rank changes of the layers and the head are trained (Hu et al., LoRA, 2021) and then added to the weights,
so that the teacher is a plain checkpoint all the same.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tasks.kinds import base
from tasks.shared import tables
from tasks.shared.errors import ModelError, ParamsError
from tasks.shared.params import Device, InputSize, Kind, Options, Processes, Seed, Threads, TrainingFields
from tasks.shared.stages import Metrics, artifact

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


class Params(TrainingFields):
    kind: Kind
    options: Options
    seed: Seed
    threads: Threads
    processes: Processes
    device: Device
    input_size: InputSize
    freeze: Literal["none", "embeddings", "encoder"] = Field(
        description="what keeps its pretrained weights; embeddings: those of words, or of patches"
    )
    head_epochs: int = Field(ge=0, le=1000, description="first epochs, in which only the head is trained")
    lora_rank: int = Field(ge=0, le=1024, description="of the changes that LoRA trains in place of the layers' weights; 0: the weights")
    lora_alpha: float = Field(gt=0, le=4096, description="the changes count alpha / rank times; unused with rank 0")
    label_smoothing: float = Field(ge=0, lt=1, description="share of each label spread over the others")
    pool_outputs: int = Field(
        ge=0, le=10_000_000, description="rows of the transfer set that the teacher labels, at most: texts of the pool, or variations"
    )


@dataclass(frozen=True)
class Inputs:
    ingest: Path = artifact("ingest/out")
    pretrained: Path = artifact("pretrain/out")


def run(inputs: Inputs, params: Params, out: Path, scratch: Path) -> Metrics:
    """Raises:
    ParamsError: LoRA and a frozen encoder are both asked for.
    ModelError: the architecture has no embeddings to freeze, or the training went astray.
    """
    from tasks.shared import checkpoint, inference, lora, training

    kind, labels = base.load(params.kind), checkpoint.label_names(inputs.ingest)
    options = kind.options.model_validate(params.options)
    processor = kind.load_processor(inputs.pretrained)
    model = _model(inputs, params, labels)
    merge = lora.into(model, params.lora_rank, params.lora_alpha) if params.lora_rank else None
    rows: dict[str, Sequence[base.Row]] = {
        split: tables.read(inputs.ingest / f"{split}.parquet") for split in ("train", "validation", "pool")
    }
    rows["pool"] = kind.transfer(rows["train"], rows["pool"], params.pool_outputs, options)
    features = {split: kind.encode(processor, listed, labels, params.input_size) for split, listed in rows.items()}

    def forward(rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        return inference.forward(model, kind, processor, kind.augment([features["train"][row] for row in rows], options))

    def loss(answer: torch.Tensor, truth: torch.Tensor, rows: list[int]) -> torch.Tensor:
        return kind.loss(answer, truth, params.label_smoothing, options)

    def evaluate() -> dict[str, float]:
        return inference.figures(model, kind, processor, features["validation"], labels, params.precision)

    plan, sizes = training.Plan.of(params), [kind.size(one) for one in features["train"]]
    begin_epoch, score = _hold_encoder(model, params), operator.itemgetter(kind.headline)
    history = training.fit(model, plan, training.Lesson(sizes, forward, loss, evaluate, score), scratch, "finetune", begin_epoch)
    if merge is not None:
        merge()
    training.write_history(history, kind.headline, out / "plots" / "learning.csv")
    checkpoint.save(model, processor, out / "out")
    for split, listed in features.items():
        answers = inference.logits(model, kind, processor, listed, inference.BATCH, params.precision, label=f"teacher on {split}")
        inference.write_outputs(answers, out / "outputs" / f"{split}.safetensors")
    return Metrics({"parameters": checkpoint.parameters(model), "validation": training.kept_epoch(history)})


def _model(inputs: Inputs, params: Params, labels: list[str]) -> PreTrainedModel:
    """The pretrained model with a new head, partly frozen."""
    from tasks.shared import checkpoint, compute

    if params.lora_rank and params.freeze == "encoder":
        raise ParamsError("params.yaml", "finetune.lora_rank changes the encoder, which finetune.freeze = 'encoder' forbids; take one")
    device = compute.prepare(params.seed, params.threads, params.device, params.processes)
    dropout = checkpoint.dropout_config(inputs.pretrained, params.dropout)
    config = {**checkpoint.label_config(labels), **dropout, "attn_implementation": "eager"}
    model = checkpoint.load_model(inputs.pretrained, base.load(params.kind), device, **config)
    for module in _frozen(model, params.freeze):
        module.requires_grad_(False)
    return model


def _frozen(model: PreTrainedModel, freeze: str) -> list[torch.nn.Module]:
    if freeze == "embeddings":
        try:
            return [model.get_input_embeddings()]
        except NotImplementedError:
            advice = "has no embeddings of its inputs; take finetune.freeze = 'none' or 'encoder', or finetune.head_epochs"
            raise ModelError(str(model.config.model_type), advice) from None
    return [model.base_model] if freeze == "encoder" else []


def _hold_encoder(model: PreTrainedModel, params: Params) -> Callable[[int], None]:
    """Called when an epoch begins: in the first ones, or always if it is frozen, the encoder keeps its weights and its running means."""
    from torch.nn.modules.batchnorm import _BatchNorm

    moving = [tensor for tensor in model.base_model.parameters() if tensor.requires_grad]
    norms = [module for module in model.base_model.modules() if isinstance(module, _BatchNorm)]

    def begin_epoch(done: int) -> None:
        held = done < params.head_epochs
        for tensor in moving:
            tensor.requires_grad_(not held)
        for norm in norms:
            norm.train(not held and params.freeze != "encoder")

    return begin_epoch
