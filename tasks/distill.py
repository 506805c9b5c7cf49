"""The pruned student learns from the teacher's kept outputs, on the labelled rows and on the unlabelled transfer set.

Reads ingest/out, prune/out and finetune/outputs. Writes out/ (the recovered student as a plain checkpoint) and plots/learning.csv.

Loss: (1 - w) KL(teacher || student) at a temperature + w cross-entropy with the label where there is one; Hinton, Vinyals, Dean:
Distilling the Knowledge in a Neural Network (2015). The best epoch is by default the one nearest to the teacher on the validation rows,
by that divergence: it sees each row's distribution, where the headline metric of some hundred rows sees little but noise. A student
that learns mostly from the labels may well leave its teacher; its best epoch is better told by the headline metric.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from tasks.kinds import base
from tasks.shared import tables
from tasks.shared.errors import ParamsError
from tasks.shared.params import Device, InputSize, Kind, Options, Processes, Seed, Threads, TrainingFields
from tasks.shared.stages import Metrics, artifact

if TYPE_CHECKING:
    import torch


class Params(TrainingFields):
    kind: Kind
    options: Options
    seed: Seed
    threads: Threads
    processes: Processes
    device: Device
    input_size: InputSize
    temperature: float = Field(gt=0, le=100, description="that softens both distributions")
    label_weight: float = Field(ge=0, le=1, description="of the labels in the loss; the rest is the teacher's")
    best_by: Literal["divergence", "headline"] = Field(
        description="what tells the best epoch on the validation rows: the nearest to the teacher, or the headline metric"
    )
    repeats: int = Field(ge=1, le=1000, description="how often an epoch passes over the labelled rows")
    pool: int = Field(ge=0, le=10_000_000, description="rows of the transfer set to learn from, at most finetune.pool_outputs")


@dataclass(frozen=True)
class Inputs:
    ingest: Path = artifact("ingest/out")
    student: Path = artifact("prune/out")
    outputs: Path = artifact("finetune/outputs")


def run(inputs: Inputs, params: Params, out: Path, scratch: Path) -> Metrics:
    import torch

    from tasks.shared import checkpoint, compute, inference, training

    device = compute.prepare(params.seed, params.threads, params.device, params.processes)
    kind = base.load(params.kind)
    options = kind.options.model_validate(params.options)
    processor = kind.load_processor(inputs.student)
    dropout = checkpoint.dropout_config(inputs.student, params.dropout)
    model = checkpoint.load_model(inputs.student, kind, device, **dropout, attn_implementation="eager")
    features, teacher = _transfer_set(inputs, params, processor)
    labels = checkpoint.label_names(inputs.ingest)
    validation = kind.encode(processor, tables.read(inputs.ingest / "validation.parquet"), labels, params.input_size)
    place = inference.places(features)
    teacher_on_validation = torch.from_numpy(inference.read_outputs(inputs.outputs / "validation.safetensors"))

    def forward(rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        return inference.forward(model, kind, processor, [features[row] for row in rows])

    def loss(answer: torch.Tensor, truth: torch.Tensor, rows: list[int]) -> torch.Tensor:
        wanted = teacher[np.concatenate([place[row] for row in rows])].to(device)
        soft = kind.distillation_loss(answer, wanted, params.temperature)
        labelled = (truth != base.IGNORED).nonzero().flatten()
        if not len(labelled) or not params.label_weight:
            return (1 - params.label_weight) * soft
        hard = kind.loss(answer[labelled], truth[labelled], 0.0, options) * len(labelled) / len(truth)
        return (1 - params.label_weight) * soft + params.label_weight * hard

    def evaluate() -> dict[str, float]:
        answers = inference.logits(model, kind, processor, validation, inference.BATCH, params.precision)
        divergence = float(kind.distillation_loss(torch.from_numpy(answers), teacher_on_validation, 1.0))
        return {**inference.figures_of(answers, kind, validation, labels), "divergence": divergence}

    plan, sizes = training.Plan.of(params), [kind.size(one) for one in features]
    lesson = training.Lesson(sizes, forward, loss, evaluate, _score(params.best_by, kind))
    history = training.fit(model, plan, lesson, scratch, "distill")
    training.write_history(history, kind.headline, out / "plots" / "learning.csv")
    checkpoint.save(model, processor, out / "out")
    return Metrics({"transfer_set": len(features), "validation": training.kept_epoch(history)})


def _score(best_by: str, kind: base.Kind) -> Callable[[Mapping[str, float]], float]:
    return lambda figures: -figures["divergence"] if best_by == "divergence" else figures[kind.headline]


def _transfer_set(inputs: Inputs, params: Params, processor: base.Processor) -> tuple[list[base.Features], torch.Tensor]:
    """What the student reads in an epoch, and the teacher's logits (m, c) for it."""
    import torch

    from tasks.shared import checkpoint, inference

    kind, labels = base.load(params.kind), checkpoint.label_names(inputs.ingest)
    rows: dict[str, Sequence[base.Row]] = {split: tables.read(inputs.ingest / f"{split}.parquet") for split in ("train", "pool")}
    rows["pool"] = kind.transfer(rows["train"], rows["pool"], params.pool, kind.options.model_validate(params.options))
    outputs = {split: inference.read_outputs(inputs.outputs / f"{split}.safetensors") for split in rows}
    train = kind.encode(processor, rows["train"], labels, params.input_size)
    pool = kind.encode(processor, rows["pool"], labels, params.input_size)
    labelled, decided = len(outputs["pool"]), sum(base.decisions(one) for one in pool)
    if decided > labelled:
        raise ParamsError("params.yaml", f"distill.pool = {params.pool}: the teacher labelled {labelled}; raise finetune.pool_outputs")
    teacher = np.concatenate([*[outputs["train"]] * params.repeats, outputs["pool"][:decided]])
    return train * params.repeats + pool, torch.from_numpy(teacher)
