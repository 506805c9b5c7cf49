"""The pruned student learns from the teacher's kept outputs, on the labelled rows and on the unlabelled pool.

Reads ingest/out, prune/out and finetune/outputs. Writes out/ (the recovered student as a plain checkpoint) and plots/learning.csv.

Loss: (1 - w) KL(teacher || student) at a temperature + w cross-entropy with the label where there is one; Hinton, Vinyals, Dean:
Distilling the Knowledge in a Neural Network (2015). The best epoch is the one nearest to the teacher on the validation rows, by that
divergence: it sees each row's distribution, where the headline metric of some hundred rows sees little but noise.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from tasks.kinds import base
from tasks.shared import tables
from tasks.shared.errors import ParamsError
from tasks.shared.params import Device, InputSize, Kind, Options, Seed, Threads, TrainingFields
from tasks.shared.stages import Metrics, artifact

if TYPE_CHECKING:
    import torch


class Params(TrainingFields):
    kind: Kind
    options: Options
    seed: Seed
    threads: Threads
    device: Device
    input_size: InputSize
    temperature: float = Field(gt=0, le=100, description="that softens both distributions")
    label_weight: float = Field(ge=0, le=1, description="of the labels in the loss; the rest is the teacher's")
    repeats: int = Field(ge=1, le=1000, description="how often an epoch passes over the labelled rows")
    pool: int = Field(ge=0, le=10_000_000, description="texts of the pool to learn from, at most finetune.pool_outputs")


@dataclass(frozen=True)
class Inputs:
    ingest: Path = artifact("ingest/out")
    student: Path = artifact("prune/out")
    outputs: Path = artifact("finetune/outputs")


def run(inputs: Inputs, params: Params, out: Path, scratch: Path) -> Metrics:
    import torch

    from tasks.shared import checkpoint, compute, inference, training

    device = compute.prepare(params.seed, params.threads, params.device)
    kind = base.load(params.kind)
    options = kind.options.model_validate(params.options)
    tokenizer = checkpoint.load_tokenizer(inputs.student)
    model = checkpoint.load_model(inputs.student, kind, device, **checkpoint.dropout_config(params.dropout), attn_implementation="eager")
    features, teacher = _transfer_set(inputs, params, tokenizer)
    labels = checkpoint.label_names(inputs.ingest)
    validation = kind.encode(tokenizer, tables.read(inputs.ingest / "validation.parquet"), labels, params.input_size)
    place = inference.places(features)
    teacher_on_validation = torch.from_numpy(inference.read_outputs(inputs.outputs / "validation.safetensors"))

    def loss(rows: list[int]) -> torch.Tensor:
        wanted = teacher[np.concatenate([place[row] for row in rows])].to(device)
        answer, truth = inference.forward(model, kind, tokenizer, [features[row] for row in rows])
        soft = kind.distillation_loss(answer, wanted, params.temperature)
        labelled = (truth != base.IGNORED).nonzero().flatten()
        if not len(labelled) or not params.label_weight:
            return (1 - params.label_weight) * soft
        hard = kind.loss(answer[labelled], truth[labelled], 0.0, options) * len(labelled) / len(truth)
        return (1 - params.label_weight) * soft + params.label_weight * hard

    def evaluate() -> dict[str, float]:
        answers = inference.logits(model, kind, tokenizer, validation, inference.BATCH, params.precision)
        divergence = float(kind.distillation_loss(torch.from_numpy(answers), teacher_on_validation, 1.0))
        return {**inference.figures_of(answers, kind, validation, labels), "divergence": divergence}

    sizes = [kind.size(one) for one in features]
    history = training.fit(
        model, training.Plan.of(params), sizes, loss, evaluate, lambda figures: -figures["divergence"], scratch, "distill"
    )
    training.write_history(history, out / "plots" / "learning.csv")
    checkpoint.save(model, tokenizer, out / "out")
    return Metrics({"transfer_set": len(features), "validation": training.kept_epoch(history)})


def _transfer_set(inputs: Inputs, params: Params, tokenizer: Any) -> tuple[list[base.Features], torch.Tensor]:
    """What the student reads in an epoch, and the teacher's logits (m, c) for it."""
    import torch

    from tasks.shared import checkpoint, inference

    kind, labels = base.load(params.kind), checkpoint.label_names(inputs.ingest)
    rows = {split: tables.read(inputs.ingest / f"{split}.parquet") for split in ("train", "pool")}
    outputs = {split: inference.read_outputs(inputs.outputs / f"{split}.safetensors") for split in rows}
    train = kind.encode(tokenizer, rows["train"], labels, params.input_size)
    pool = kind.encode(tokenizer, rows["pool"][: params.pool], labels, params.input_size)
    labelled, decided = len(outputs["pool"]), sum(base.decisions(one) for one in pool)
    if decided > labelled:
        raise ParamsError("params.yaml", f"distill.pool = {params.pool}: the teacher labelled {labelled}; raise finetune.pool_outputs")
    teacher = np.concatenate([*[outputs["train"]] * params.repeats, outputs["pool"][:decided]])
    return train * params.repeats + pool, torch.from_numpy(teacher)
