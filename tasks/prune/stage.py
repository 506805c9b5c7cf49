"""Cuts the teacher down to a student: fewer layers, narrower ones, and of texts fewer pieces.

Reads ingest/out and finetune/out. Writes out/: a dense, smaller, plain checkpoint. Nothing is masked and no
layer is special, so `from_pretrained` of transformers loads it without any code of ours. The exception is a
student of another form, static embeddings, which begins with what the teacher makes of each piece
(tasks/prune/static_student.py).

Which sizes there are is the architecture's affair (tasks/prune/registry.py): encoders of texts and ViT have
layers, hidden and ffn, texts a vocabulary; convolutional nets have depths and widths, a number per stage.
Sizes that are not given stay what they are. Which channels and heads go is decided on real batches: Taylor
(Molchanov et al., Importance Estimation for Neural Network Pruning, 2019), mean activation (Hu et al.,
Network Trimming, 2016, with magnitudes for shares of zeros) or, without any batch, magnitude (Li et al.,
Pruning Filters for Efficient ConvNets, 2017). Which layers go is a pattern or measured, too
(tasks/prune/layer_choice.py).

In several steps the sizes approach those asked for, with a short distillation between two of them
(tasks/prune/recovery.py); the vocabulary is trimmed at once. Last, the table of words can lose rank
(tasks/models/low_rank.py). Killed, it goes on with the recovery it was in.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from tasks.core import needs, tables
from tasks.core.errors import ModelError, ParamsError
from tasks.core.needs import Need
from tasks.core.params import Device, InputSize, KindName, Options, Section, Seed, Threads
from tasks.core.stages import Metrics, artifact
from tasks.kinds.base.kind import Features, Kind, Processor, load_kind
from tasks.prune import choices, static_student
from tasks.prune.choices import Measured, Recovery
from tasks.prune.static_student import Static

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from tasks.kinds.base.answers import Answers
    from tasks.launch.foresight import Teacher

Encode = Callable[[Processor, str], list[Features]]
Depth = Annotated[int, Field(ge=1, le=512)]
Width = Annotated[int, Field(ge=8, le=65536, multiple_of=8)]
LEARNT_FROM = ("train", "validation")
NO_WIDTH: Literal["magnitude"] = "magnitude"
"""What a cut is given that narrows nothing."""


class Params(Section):
    kind: KindName
    options: Options
    seed: Seed
    threads: Threads
    device: Device
    input_size: InputSize
    layers: int | None = Field(None, ge=1, le=512, description="layers kept; of two halves the encoder's")
    decoder_layers: int | None = Field(
        None, ge=1, le=512, description="layers of a decoder kept that stands beside an encoder"
    )
    hidden: int | None = Field(
        None,
        ge=8,
        le=65536,
        multiple_of=8,
        description="hidden width kept; heads follow, as their width stays what it is",
    )
    ffn: int | None = Field(
        None, ge=8, le=65536, multiple_of=8, description="feed-forward channels kept per layer"
    )
    vocabulary: int | None = Field(
        None,
        ge=128,
        le=10_000_000,
        multiple_of=8,
        description="pieces kept, the most frequent in this run's texts",
    )
    word_rank: int | None = Field(
        None,
        ge=8,
        le=65536,
        multiple_of=8,
        description="numbers that tell a piece, from which one matrix makes the width of the embeddings",
    )
    depths: list[Depth] | None = Field(None, description="blocks kept in each stage, the first among them")
    widths: list[Width] | None = Field(None, description="channels kept in each stage")
    static: Static | None = Field(
        None, description="sizes of a student of static embeddings; but for the vocabulary it has no others"
    )
    layers_by: Literal["spread", "importance", "influence"] | None = Field(
        description="which layers stay: evenly spread ones, the first and the last among them; those that "
        "the answers need most, one taken out after the other; or those that change the states most, "
        "measured once; null where neither layers nor depths is given"
    )
    importance: Literal["taylor", "magnitude", "activation"] | None = Field(
        description="what decides which channels and heads go; null where no width is given"
    )
    measured: Measured | None = Field(
        description="rows that importance is measured on; null where nothing is measured"
    )
    recovery: Recovery | None = Field(description="training between several steps; null: cut at once")

    def needs(self) -> list[Need]:
        return choices.needs(self)

    def faults(self, _run: Mapping[str, Section]) -> list[str]:
        kind = load_kind(self.kind)
        faults = static_student.faults_of_kind(kind) if self.static else []
        if self.depths and self.layers_by == "influence":
            faults.append(
                "prune.layers_by = influence: states of different blocks have different sizes; take spread, "
                "or importance"
            )
        if self.vocabulary and kind.model.likeliest:
            faults.append(
                f"prune.vocabulary = {self.vocabulary}: what is kept of the teacher's answers names its own "
                "pieces; write pretrain.vocabulary, which trims teacher and student alike"
            )
        return faults


@dataclass(frozen=True)
class Inputs:
    ingest: Path = artifact("ingest/out")
    teacher: Path = artifact("finetune/out")


def unable(params: Params, teacher: Teacher, run: Mapping[str, Section]) -> list[str]:
    from tasks.models import low_rank, vocabulary
    from tasks.prune import registry

    config, faults = teacher.model.config, []
    try:
        if params.word_rank and not params.static:
            low_rank.check(teacher.model)
    except ModelError as error:
        faults += [f"{error.where}: {fault}" for fault in error.faults]
    if params.static:
        faults += static_student.faults(params.static, config)
    if not (sizes := choices.sizes(params)):
        return faults
    try:
        pruner = registry.pruner(config)
    except ModelError as error:
        return [*faults, *error.faults]
    trims = params.vocabulary and params.vocabulary < pruner.sizes(config).get("vocabulary", 0)
    return [
        *faults,
        *pruner.faults(config, sizes),
        *(vocabulary.faults(teacher.processor, config.vocab_size) if trims else []),
    ]


def run(inputs: Inputs, params: Params, out: Path, scratch: Path) -> Metrics:
    """Cuts the teacher down to a student and returns its metrics.

    Raises:
        ParamsError: what decides which parts go is not given.
        ModelError: the teacher has not these sizes, or its architecture cannot be cut.
    """
    from tasks.models import checkpoint, compute, inference, low_rank

    if lacking := needs.lacking(params.needs()):
        raise ParamsError("params.yaml", *lacking)
    device = compute.prepare(params.seed, params.threads, params.device)
    kind, labels = load_kind(params.kind), checkpoint.label_names(inputs.ingest)
    processor = kind.model.load_processor(inputs.teacher)
    model = checkpoint.load_model(inputs.teacher, kind, device, attn_implementation="eager")
    rows = {
        split: tables.read(inputs.ingest / f"{split}.parquet") for split in ("train", "validation", "pool")
    }

    def encode(processor: Processor, split: str) -> list[Features]:
        return kind.model.encode(processor, rows[split], labels, params.input_size)

    kept: dict[str, Any] = {}
    rank, sizes = None if params.static else params.word_rank, choices.sizes(params)
    if rank:
        low_rank.check(model)
    if params.static:
        model, processor, kept = _made_static(model, processor, sizes, encode, params, params.static, scratch)
    elif sizes:
        model, processor, kept = _cut(model, processor, sizes, encode, params, scratch)
    low_rank.lower(model, rank)
    checkpoint.save(model, processor, out / "out")
    figures = inference.figures(model, kind, processor, encode(processor, "validation"), labels, "fp32")
    validation = {name: round(value, 6) for name, value in figures.items()}
    return Metrics({"parameters": low_rank.parameters(model), **kept, "validation": validation})


def _made_static(
    model: PreTrainedModel,
    processor: Processor,
    sizes: dict[str, Any],
    encode: Encode,
    params: Params,
    wanted: Static,
    scratch: Path,
) -> tuple[PreTrainedModel, Processor, dict[str, Any]]:
    """The student of static embeddings, its processor, and what is to be told: words lost."""
    from tasks.prune import registry

    found = registry.pruner(model.config).faults(model.config, sizes)
    if faults := [*static_student.faults(wanted, model.config), *found]:
        raise ModelError("params.yaml", *faults)
    processor, told = _trim_vocabulary(model, processor, sizes, encode, params, scratch)
    kind, seen = load_kind(params.kind), _seen(processor, encode)
    return static_student.begun(model, kind, processor, seen, wanted), processor, told


def _cut(
    model: PreTrainedModel,
    processor: Processor,
    sizes: dict[str, Any],
    encode: Encode,
    params: Params,
    scratch: Path,
) -> tuple[PreTrainedModel, Processor, dict[str, Any]]:
    """The smaller model, its processor, and what is to be told: layers kept, words lost."""
    from tasks.prune import layer_choice, recovery, registry

    kind, pruner = load_kind(params.kind), registry.pruner(model.config)
    options = kind.options.model_validate(params.options)
    if faults := pruner.faults(model.config, sizes):
        raise ModelError("params.yaml", *faults)
    answers = _answers(model, kind, processor, encode) if params.recovery else {}
    processor, told = _trim_vocabulary(model, processor, sizes, encode, params, scratch)
    features = {split: encode(processor, split) for split in LEARNT_FROM}
    batches, kept = _batches(features["train"], params.measured, params.seed), None
    plan = registry.steps(pruner, model.config, sizes, params.recovery.steps if params.recovery else 1)
    for step, step_sizes in enumerate(plan, 1):
        choose = layer_choice.chooser(params.layers_by, model, kind, processor, batches)
        kept = layer_choice.of_those(kept, pruner.keep_layers(model, step_sizes, choose))
        if params.importance:
            registry.measure(model, kind, processor, batches, params.importance, options)
        model = pruner.narrow(model, step_sizes, params.importance or NO_WIDTH)
        if params.recovery and step < len(plan):
            how = recovery.plan(params.recovery, params.seed)
            objective = recovery.Recovery(kind, processor, features, answers, how)
            objective.learn(model, scratch / f"recovery-{step}", f"recovery {step} of {len(plan) - 1}")
    return model, processor, {"layers_kept": kept, **told}


def _seen(processor: Processor, encode: Encode) -> list[Features]:
    """The rows whose pieces are counted."""
    return [*encode(processor, "train"), *encode(processor, "pool")]


def _trim_vocabulary(
    model: PreTrainedModel,
    processor: Processor,
    sizes: dict[str, Any],
    encode: Encode,
    params: Params,
    scratch: Path,
) -> tuple[Processor, dict[str, float]]:
    """The processor with the pieces that stay, and what is to be told; the others are gone from the model."""
    from tasks.models import vocabulary
    from tasks.prune import registry

    has = registry.pruner(model.config).sizes(model.config).get("vocabulary", 0)
    if sizes.get("vocabulary", math.inf) >= has:
        return processor, {}
    seen, held_out, count = (
        _seen(processor, encode),
        encode(processor, "validation"),
        sizes["vocabulary"],
    )
    return vocabulary.reduce(model, processor, seen, held_out, count, scratch / "tokenizer")


def _answers(model: PreTrainedModel, kind: Kind, processor: Processor, encode: Encode) -> dict[str, Answers]:
    """The teacher's answers to the rows that a cut model learns again from."""
    from tasks.models import inference

    return {
        split: inference.answers(model, kind, processor, encode(processor, split), inference.BATCH)
        for split in LEARNT_FROM
    }


def _batches(features: list[Features], measured: Measured | None, seed: int) -> list[list[Features]]:
    """Real rows in random order, as many batches as asked for."""
    import random

    if measured is None:
        return []
    rows = measured.batch_size
    order = random.Random(seed).choices(features, k=measured.batches * rows)
    return [order[at : at + rows] for at in range(0, len(order), rows)]
