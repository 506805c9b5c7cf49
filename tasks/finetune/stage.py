"""Trains the teacher: the pretrained model with a head, on the labelled rows.

Reads ingest/out and pretrain/out. Writes out/ (the teacher as a plain checkpoint), outputs/ (its logits on
the training and validation rows and on the transfer set, so that changing the student never relabels
anything) and plots/learning.csv.

With several `teachers` further ones are trained, each from a seed of its own, and what the student learns
from is what they answer together: on the training rows and the transfer set outputs/ then holds the mean of
their log-probabilities, the geometric mean of what they say (of an ensemble's answers as what to learn from:
Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015). On the validation rows it holds
the first one's: that is the teacher which is kept, which students are measured against, and which tells what
goes on inside it.

With `probe` the head begins with a logistic regression on the pretrained encoder's features (probe.py), which
few labels should not undo.

With `lora` only low-rank changes of the layers and the head are trained (Hu et al., LoRA, 2021) and then
added to the weights, so that the teacher is a plain checkpoint all the same.
"""

from __future__ import annotations

import operator
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from tasks.core.errors import ModelError, ParamsError
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
from tasks.finetune import held
from tasks.kinds.base.kind import load_kind

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

    from tasks.finetune.setup import TeacherSetup
    from tasks.kinds.base.answers import Answers
    from tasks.launch.foresight import Teacher


class Lora(Section):
    rank: int = Field(ge=1, le=1024, description="of the changes")
    alpha: float = Field(gt=0, le=4096, description="the changes count alpha / rank times")


class Params(TrainingFields):
    kind: KindName
    options: Options
    seed: Seed
    threads: Threads
    processes: Processes
    device: Device
    input_size: InputSize
    freeze: Literal["none", "embeddings", "encoder"] = Field(
        description="what keeps its pretrained weights; embeddings: those of words, or of patches"
    )
    frozen_layers: int | None = Field(
        None,
        ge=1,
        le=512,
        description="first layers that keep their pretrained weights, as the embeddings then do; left out: "
        "none",
    )
    head_epochs: int = Field(ge=0, le=1000, description="first epochs, in which only the head is trained")
    lora: Lora | None = Field(
        description="low-rank changes that are trained in place of the layers' weights; null: the weights"
    )
    teachers: int = Field(
        ge=1,
        le=64,
        description="that answer together what students learn from; each but the first takes as long again",
    )
    label_smoothing: float = Field(ge=0, lt=1, description="share of each label spread over the others")
    class_weights: Literal["balanced"] | None = Field(
        description="of the classes in the loss on labels: balanced, so that each class counts alike, "
        "however few rows it has; null: each row counts alike"
    )
    probe: float | None = Field(
        None,
        gt=0,
        le=1e6,
        description="C of the logistic regression that the head begins with; left out: random weights",
    )
    pool_outputs: int = Field(
        ge=0,
        le=10_000_000,
        description="rows of the transfer set that the teacher labels, at most: texts of the pool, or "
        "variations",
    )

    def faults(self, _run: Mapping[str, Section]) -> list[str]:
        if self.lora and self.freeze == "encoder":
            return ["finetune.lora changes the encoder, which finetune.freeze = 'encoder' forbids; take one"]
        return held.faults_of_kind(load_kind(self.kind), self)


@dataclass(frozen=True)
class Inputs:
    ingest: Path = artifact("ingest/out")
    pretrained: Path = artifact("pretrain/out")


def unable(params: Params, teacher: Teacher, run: Mapping[str, Section]) -> list[str]:
    from tasks.finetune import lora, probe

    faults = lora.faults(teacher.model) if params.lora else []
    faults += probe.faults(teacher.model) if params.probe else []
    try:
        held.modules(teacher.model, params)
    except ModelError as error:
        faults += [f"finetune.freeze = {params.freeze!r}: {error}"]
    return [*faults, *held.faults(teacher.model, params.frozen_layers)]


def run(inputs: Inputs, params: Params, out: Path, scratch: Path) -> Metrics:
    """Trains the teacher, keeps its outputs and returns its metrics.

    Raises:
        ParamsError: LoRA and a frozen encoder are both asked for.
        ModelError: the architecture has no embeddings to freeze, or the training went astray.
    """
    from safetensors.numpy import load_file

    from tasks.finetune import class_weights
    from tasks.finetune.setup import SPLITS, TeacherSetup
    from tasks.models import checkpoint, inference, outputs
    from tasks.training import loop

    if faults := params.faults({}):
        raise ParamsError("params.yaml", *faults)
    setup = TeacherSetup.of(inputs, params)
    if setup.weights:
        print(f"finetune: {class_weights.told(setup.weights, setup.labels)}", flush=True)
    further = [
        _further(setup, number, scratch / f"teacher-{number}") for number in range(2, params.teachers + 1)
    ]
    model, history = _teach(setup, params.seed, scratch, "finetune")
    loop.write_history(history, setup.kind.progress.headline, out / "plots" / "learning.csv")
    loop.print_if_rising(history, setup.kind.progress.headline, "finetune")
    checkpoint.save(model, setup.processor, out / "out")
    setup = setup.answered(model)
    answers = _answers(setup, model, "teacher")
    together = _together(answers, [load_file(file) for file in further])
    for split in SPLITS:
        learnt = answers if split == "validation" else together
        kept = outputs.Outputs.to(setup.rows[split], setup.features[split], learnt[split])
        outputs.write(kept, out / "outputs" / f"{split}.safetensors")
    outputs.write_labels(setup.rows["pool"], out / "outputs")
    figures = {"parameters": checkpoint.parameters(model), "validation": loop.kept_epoch(history)}
    if setup.weights:
        figures["class_weights"] = class_weights.figures(setup.weights)
    if further:
        shown = inference.figures_of(
            together["validation"], setup.kind, setup.features["validation"], setup.labels
        )
        figures["validation_together"] = {name: round(value, 6) for name, value in shown.items()}
    return Metrics(figures)


def _further(setup: TeacherSetup, number: int, scratch: Path) -> Path:
    """Trains one more teacher and keeps its answers to each split in a file, nothing else. Several processes
    leave the training together: the leading one labels while the others go on to the next teacher and wait
    there."""
    from safetensors.numpy import save_file

    from tasks.training import distributed, loop, resume

    kept = scratch / "answers.safetensors"
    if resume.whole(kept):
        return kept
    label = f"finetune {number} of {setup.params.teachers}"
    model, _ = _teach(setup, loop.seed_of(setup.params.seed, number), scratch / "training", label, stay=True)
    if distributed.leads():
        save_file(_answers(setup, model, f"teacher {number}"), part := kept.with_suffix(".part"))
        part.replace(kept)
        shutil.rmtree(scratch / "training")
    return kept


def _teach(
    setup: TeacherSetup, seed: int, scratch: Path, label: str, stay: bool = False
) -> tuple[PreTrainedModel, list[dict[str, float]]]:
    """A teacher with the weights of its best epoch, and its epochs."""
    from tasks.finetune import lora, probe
    from tasks.models import inference
    from tasks.training import loop

    params, kind, processor, features = (
        setup.params.model_copy(update={"seed": seed}),
        setup.kind,
        setup.processor,
        setup.features,
    )
    options = kind.options.model_validate(params.options)
    model = _model(setup.inputs, params, setup.labels)
    if params.probe:
        probe.begin(model, kind, processor, features["train"], params.probe, bool(setup.weights), seed)
    merge = lora.into(model, params.lora.rank, params.lora.alpha) if params.lora else None

    def forward(rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        return inference.forward(
            model, kind, processor, kind.model.augment([features["train"][row] for row in rows], options)
        )

    def loss(answer: torch.Tensor, truth: torch.Tensor, rows: list[int]) -> torch.Tensor:
        return kind.model.loss(answer, truth, params.label_smoothing, options, setup.weights)

    def evaluate() -> dict[str, float]:
        return inference.figures(
            model, kind, processor, features["validation"], setup.labels, params.precision
        )

    plan, sizes = loop.Plan.of(params), [kind.model.size(one) for one in features["train"]]
    objective = loop.Objective(sizes, forward, loss, evaluate, operator.itemgetter(kind.progress.headline))
    history = loop.fit(model, plan, objective, scratch, label, held.encoder(model, params), stay)
    if merge is not None:
        merge()
    return model, history


def _answers(setup: TeacherSetup, model: PreTrainedModel, label: str) -> dict[str, Answers]:
    """What is kept of its answers on each split and on the transfer set."""
    from tasks.models import inference

    ask = partial(
        inference.answers,
        model,
        setup.kind,
        setup.processor,
        batch_size=inference.BATCH,
        precision=setup.params.precision,
    )
    return {split: ask(listed, label=f"{label} on {split}") for split, listed in setup.features.items()}


def _together(own: Mapping[str, Answers], others: Sequence[Mapping[str, Answers]]) -> Mapping[str, Answers]:
    """Of several teachers the mean log-probabilities (m, c); of one what it answers."""
    from tasks.kinds.base import losses

    several = {split: [one[split] for one in (own, *others)] for split in own}
    return {split: losses.mean_of(answers) for split, answers in several.items()} if others else own


def _model(inputs: Inputs, params: Params, labels: list[str]) -> PreTrainedModel:
    """The pretrained model with a new head, partly frozen."""
    from tasks.models import checkpoint
    from tasks.training import distributed

    device = distributed.prepare(params.seed, params.threads, params.device, params.processes)
    dropout = checkpoint.dropout_config(inputs.pretrained, params.dropout)
    config = {**checkpoint.label_config(labels), **dropout, "attn_implementation": "eager"}
    model = checkpoint.load_model(inputs.pretrained, load_kind(params.kind), device, **config)
    for module in held.modules(model, params):
        module.requires_grad_(False)
    return model
