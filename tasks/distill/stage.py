"""The pruned student learns from the teacher: from its kept outputs on the labelled rows and on the
unlabelled transfer set, and where params ask for it from what goes on inside it
(tasks/distill/intermediate.py) and from its answers to variations of the labelled rows.

Reads ingest/out, prune/out, finetune/outputs and finetune/out. Writes out/ (the recovered student as a plain
checkpoint) and plots/learning.csv.

Loss: (1 - w) KL(teacher || student) at a temperature + w cross-entropy with the label where there is one;
Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network (2015); and to it, weighed, the distances
of hidden states and of relations.

Several trainings of it can be averaged; see tasks/distill/soup.py.

The best epoch is by default the one nearest to the teacher on the validation rows, by that divergence: it
sees each row's distribution, where the headline metric of some hundred rows sees little but noise. A student
that learns mostly from the labels may well leave its teacher; its best epoch is better told by the headline
metric.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from tasks.core import tables
from tasks.core.errors import ParamsError
from tasks.core.params import (
    Device,
    InputSize,
    KindName,
    Options,
    Processes,
    Section,
    Seed,
    Threads,
    TrainingFields,
)
from tasks.core.stages import Metrics, artifact
from tasks.kinds.base.kind import IGNORED, Kind, Processor, Rewording, load_kind

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from tasks.distill.intermediate import Imitation
    from tasks.launch.foresight import Teacher


class Hidden(Section):
    weight: float = Field(gt=0, le=1000, description="of the distance between hidden states in the loss")


class Relations(Section):
    weight: float = Field(gt=0, le=1000, description="of the distance between relations in the loss")
    layer: int = Field(
        ge=1,
        le=512,
        description="of the teacher, compared with the student's last; counted from its end, 1 is the last",
    )
    heads: int = Field(
        ge=1, le=1024, description="that queries, keys and values are split into; divides both widths"
    )
    cached: bool = Field(
        default=False,
        description="compute the teacher's once and keep them on disk during the training, instead of anew "
        "for each batch",
    )


class Params(TrainingFields):
    kind: KindName
    options: Options
    seed: Seed
    threads: Threads
    processes: Processes
    device: Device
    input_size: InputSize
    temperature: float = Field(gt=0, le=100, description="that softens both distributions")
    label_weight: float = Field(
        ge=0, le=1, description="of the labels in the loss; the rest is the teacher's"
    )
    best_by: Literal["divergence", "headline"] = Field(
        description="what tells the best epoch on the validation rows: the nearest to the teacher, or the "
        "headline metric"
    )
    soup: int = Field(
        ge=1,
        le=100,
        description="trainings, alike but for the order of the rows, whose mean weights are kept",
    )
    repeats: int = Field(ge=1, le=1000, description="how often an epoch passes over the labelled rows")
    pool: int = Field(
        ge=0,
        le=10_000_000,
        description="rows of the transfer set to learn from, at most finetune.pool_outputs",
    )
    rewording: Rewording | None = Field(
        description="variations of the labelled rows to learn from; of texts only"
    )
    hidden: Hidden | None = Field(description="the teacher's hidden states, layer by layer")
    relations: Relations | None = Field(description="the teacher's attention relations in one layer")

    def faults(self, run: Mapping[str, Section]) -> list[str]:
        faults, labelled = [], getattr(run.get("finetune"), "pool_outputs", self.pool)
        if self.pool > labelled:
            faults.append(
                f"distill.pool = {self.pool}: the teacher labels {labelled} at most; raise "
                "finetune.pool_outputs"
            )
        if self.rewording:
            faults += load_kind(self.kind).data.reword.faults(self.rewording, None)
        if self.hidden and self.relations and self.relations.cached:
            faults.append(
                "distill.relations.cached = true: distill.hidden needs the teacher's states of all layers, "
                "which are not cached; write cached: false, or hidden: null"
            )
        if getattr(run.get("prune"), "static", None):
            faults += [
                f"distill.{name}: a static student has no layers that could imitate the teacher's; write "
                f"{name}: null"
                for name in ("hidden", "relations")
                if getattr(self, name)
            ]
        return faults


@dataclass(frozen=True)
class Inputs:
    ingest: Path = artifact("ingest/out")
    student: Path = artifact("prune/out")
    outputs: Path = artifact("finetune/outputs")
    teacher: Path = artifact("finetune/out")


def unable(params: Params, teacher: Teacher, run: Mapping[str, Section]) -> list[str]:
    from tasks.distill import intermediate, soup

    faults = soup.faults(teacher.model, params.soup)
    if params.rewording:
        faults += load_kind(params.kind).data.reword.faults(params.rewording, teacher.processor)
    if params.hidden or params.relations:
        widths: list[int | None] = [
            getattr(run.get("prune"), "hidden", None),
            getattr(teacher.model.config, "hidden_size", None),
        ]
        width = next((width for width in widths if width), 0)
        faults += intermediate.faults(teacher.model, intermediate.Aims.of(params), width)
    return faults


def run(inputs: Inputs, params: Params, out: Path, scratch: Path) -> Metrics:
    """Trains the student and returns its metrics.

    Raises:
        ParamsError: more of the pool is asked for than the teacher labelled, words are to be varied where
            there are none, or the trainings of a model with batch normalization averaged.
        ModelError: what goes on inside the teacher cannot be imitated.
    """
    from tasks.distill import soup, transfer_set
    from tasks.kinds.base import answers
    from tasks.models import checkpoint, inference, low_rank
    from tasks.training import distributed, loop

    if faults := params.faults({}):
        raise ParamsError("params.yaml", *faults)
    kind, device = (
        load_kind(params.kind),
        distributed.prepare(params.seed, params.threads, params.device, params.processes),
    )
    processor = kind.model.load_processor(inputs.student)
    model = _student(inputs.student, params, kind, device)
    imitation = _imitation(inputs, params, model, processor)
    features, teacher = transfer_set.load(inputs, params, processor, device, scratch)
    place = inference.places(features)
    if imitation:
        imitation.cache(features, params.precision, params.processes, scratch / "teachers_states")

    def forward(rows: list[int]) -> tuple[torch.Tensor, ...]:
        seen = [features[row] for row in rows]
        return imitation.forward(seen) if imitation else inference.forward(model, kind, processor, seen)

    def loss(answer: torch.Tensor, truth: torch.Tensor, *distances_and_rows: Any) -> torch.Tensor:
        *distances, rows = distances_and_rows
        wanted = answers.tensors(teacher[np.concatenate([place[row] for row in rows])], device)
        return sum(
            (distance.mean() for distance in distances),
            start=_of_answers(answer, truth, wanted, kind, params),
        )

    plan, sizes = loop.Plan.of(params), [kind.model.size(one) for one in features]
    evaluate = _evaluation(inputs, params, model, processor)
    objective = loop.Objective(sizes, forward, loss, evaluate, _score(params.best_by, kind))
    histories = soup.fit(model, plan, objective, scratch, "distill", params.soup)
    if imitation:
        imitation.end()
    low_rank.join(model)
    loop.write_history(histories[0], kind.progress.headline, out / "plots" / "learning.csv")
    loop.print_if_rising(histories[0], kind.progress.headline, "distill")
    checkpoint.save(model, processor, out / "out")
    return Metrics({"transfer_set": len(features), **_told(histories, evaluate)})


def _told(
    histories: Sequence[list[dict[str, float]]], evaluate: Callable[[], Mapping[str, float]]
) -> dict[str, Any]:
    """The figures on the validation rows.

    Of several trainings those of each as well as of what became of them.
    """
    from tasks.training import loop

    each = [loop.kept_epoch(history) for history in histories]
    if len(each) == 1:
        return {"validation": each[0]}
    return {
        "validation": {name: round(value, 6) for name, value in evaluate().items()},
        "validation_of_each": each,
    }


def _of_answers(
    answer: torch.Tensor, truth: torch.Tensor, wanted: Any, kind: Kind, params: Params
) -> torch.Tensor:
    """The loss of logits (m, c).

    How far they are from the teacher's, and from the labels (m,) where there are some.
    """
    soft = kind.model.distillation_loss(answer, wanted, params.temperature)
    labelled = (truth != IGNORED).nonzero().flatten()
    if not len(labelled) or not params.label_weight:
        return (1 - params.label_weight) * soft
    options = kind.options.model_validate(params.options)
    hard = kind.model.loss(answer[labelled], truth[labelled], 0.0, options, None)
    hard = hard * len(labelled) / len(truth)
    return (1 - params.label_weight) * soft + params.label_weight * hard


def _evaluation(
    inputs: Inputs, params: Params, model: PreTrainedModel, processor: Processor
) -> Callable[[], dict[str, float]]:
    """-> the kind's figures on the validation rows, and the divergence from the teacher on them."""
    from tasks.models import checkpoint, inference, outputs

    kind, labels = load_kind(params.kind), checkpoint.label_names(inputs.ingest)
    rows = tables.read(inputs.ingest / "validation.parquet")
    features = kind.model.encode(processor, rows, labels, params.input_size)
    kept = outputs.read(inputs.outputs / "validation.safetensors")
    teacher = kept.of(rows, features)

    def evaluate() -> dict[str, float]:
        found, divergence = inference.compared(model, kind, processor, features, teacher, params.precision)
        return {**inference.figures_of(found, kind, features, labels), "divergence": divergence}

    return evaluate


def _score(best_by: str, kind: Kind) -> Callable[[Mapping[str, float]], float]:
    return lambda figures: (
        -figures["divergence"] if best_by == "divergence" else figures[kind.progress.headline]
    )


def _student(folder: Path, params: Params, kind: Kind, device: torch.device) -> PreTrainedModel:
    """The pruned model, ready to be trained; a table of words of low rank is taken apart into its factors."""
    from tasks.distill import soup
    from tasks.models import checkpoint, low_rank

    dropout = checkpoint.dropout_config(folder, params.dropout)
    model = checkpoint.load_model(folder, kind, device, **dropout, attn_implementation="eager")
    soup.check(model, params.soup)
    low_rank.take_apart(model)
    return model


def _imitation(
    inputs: Inputs, params: Params, student: PreTrainedModel, processor: Processor
) -> Imitation | None:
    """None if nothing of it is asked for: then the teacher need not be there."""
    if not (params.hidden or params.relations):
        return None
    from tasks.distill.intermediate import Aims, Imitation
    from tasks.models import checkpoint

    kind = load_kind(params.kind)
    teacher = checkpoint.load_model(inputs.teacher, kind, student.device, attn_implementation="eager")
    return Imitation(
        kind, student, processor, teacher, kind.model.load_processor(inputs.teacher), Aims.of(params)
    )
