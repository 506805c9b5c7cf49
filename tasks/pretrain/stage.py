"""Brings the pretrained model in, pinned, as safetensors; optionally goes on pretraining it on the run's own
unlabelled text, teaches its pooler the encoder's sentence vector, and leaves out pieces that the run's texts
do not need.

Reads ingest/out (training rows and pool) and, outside data/, an installed package, a folder of the workspace
or a hub id at a commit. Writes out/: a plain checkpoint with its tokenizer or image processor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from tasks.core.errors import ParamsError
from tasks.core.params import Device, InputSize, KindName, Options, Section, Seed, Threads
from tasks.core.stages import Metrics, artifact, workspace
from tasks.kinds.base.kind import load_kind
from tasks.pretrain.source import Source

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from tasks.kinds.base.kind import Kind, Processor
    from tasks.launch.foresight import Teacher

TRIMMED = "pretrain.vocabulary"


class Further(Section):
    steps: int = Field(ge=1, le=10_000_000, description="steps of further pretraining")
    batch_size: int = Field(ge=1, le=4096, description="texts per step")
    learning_rate: float = Field(gt=0, le=0.1, description="greatest learning rate")
    masked: float = Field(gt=0, lt=1, description="share of the pieces to be guessed")


class Sentence(Section):
    steps: int = Field(ge=1, le=10_000_000, description="steps in which the pooler learns it")
    batch_size: int = Field(ge=1, le=4096, description="texts per step")
    learning_rate: float = Field(gt=0, le=0.1, description="greatest learning rate")


class Params(Section):
    kind: KindName
    options: Options
    seed: Seed
    threads: Threads
    device: Device
    input_size: InputSize
    source: Source = Field(description="the pretrained model")
    further: Further | None = Field(description="further pretraining on the pool")
    sentence: Sentence | None = Field(
        None,
        description="the pooler learns the encoder's sentence vector, the mean of its states; left out: it "
        "stays as it came",
    )
    vocabulary: int | None = Field(
        None,
        ge=128,
        le=10_000_000,
        multiple_of=8,
        description="pieces of the pretrained model that the teacher keeps, the most frequent in this run's "
        "texts; left out: all",
    )

    def faults(self, run: Mapping[str, Section]) -> list[str]:
        no_texts, faults = load_kind(self.kind).model.further_pretraining is None, []
        if self.further and no_texts:
            faults.append(
                "pretrain.further: further pretraining guesses pieces of texts, and inputs of this kind are "
                "none; write further: null"
            )
        if self.sentence and no_texts:
            faults.append("pretrain.sentence: inputs of this kind are no texts; take the key out")
        if self.vocabulary and not load_kind(self.kind).model.pieces:
            faults.append("pretrain.vocabulary: inputs of this kind have no pieces; take the key out")
        student = getattr(run.get("prune"), "vocabulary", None)
        if self.vocabulary and student and student > self.vocabulary:
            faults.append(
                f"prune.vocabulary = {student}: the student can have as many pieces as its teacher at most, "
                f"pretrain.vocabulary = {self.vocabulary}"
            )
        return faults


@dataclass(frozen=True)
class Inputs:
    ingest: Path = artifact("ingest/out")
    root: Path = workspace()


def unable(params: Params, teacher: Teacher, run: Mapping[str, Section]) -> list[str]:
    from tasks.models import vocabulary
    from tasks.pretrain import sentence_vector

    faults = sentence_vector.faults(teacher.model) if params.sentence else []
    pieces = getattr(teacher.model.config, "vocab_size", 0)
    trims = params.vocabulary and params.vocabulary < pieces
    return [*faults, *(vocabulary.faults(teacher.processor, pieces, TRIMMED) if trims else [])]


def run(inputs: Inputs, params: Params, out: Path, scratch: Path) -> Metrics:
    from tasks.core import tables
    from tasks.models import checkpoint, compute
    from tasks.pretrain import loading, locate, masked_lm, sentence_vector

    device, kind = compute.prepare(params.seed, params.threads, params.device), load_kind(params.kind)
    if faults := params.faults({}):
        raise ParamsError("params.yaml", *faults)
    folder = locate.find(params.source, kind, inputs.root, scratch)
    rows = tables.read(inputs.ingest / "train.parquet")[: loading.SAMPLE]
    options = kind.options.model_validate(params.options)
    encoder, processor, told = loading.load(folder, kind, device, params.input_size, options, rows, scratch)
    loss = (
        masked_lm.pretrain(folder, encoder, processor, inputs.ingest, params, params.further, scratch)
        if params.further
        else {}
    )
    if params.sentence:
        loss |= sentence_vector.learn(encoder, processor, inputs.ingest, params, params.sentence, scratch)
    processor, words = _trimmed(encoder, processor, kind, inputs.ingest, params, scratch)
    checkpoint.save(encoder, processor, out / "out")
    return Metrics({"parameters": checkpoint.parameters(encoder), **told, **loss, **words})


def _trimmed(
    encoder: PreTrainedModel, processor: Processor, kind: Kind, ingest: Path, params: Params, scratch: Path
) -> tuple[Processor, dict[str, float]]:
    """The processor with the pieces that stay, and what is to be told; the encoder has no others, either."""
    from tasks.core import tables
    from tasks.models import checkpoint, vocabulary

    if not params.vocabulary or params.vocabulary >= encoder.config.vocab_size:
        return processor, {}
    labels = checkpoint.label_names(ingest)
    train, pool, held_out = (
        kind.model.encode(processor, tables.read(ingest / f"{split}.parquet"), labels, params.input_size)
        for split in ("train", "pool", "validation")
    )
    count, folder = params.vocabulary, scratch / "trimmed"
    return vocabulary.reduce(encoder, processor, [*train, *pool], held_out, count, folder, TRIMMED)
