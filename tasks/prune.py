"""Cuts the teacher down to a student: fewer layers, narrower ones, and of texts fewer pieces.

Reads ingest/out and finetune/out. Writes out/: a dense, smaller, plain checkpoint. Nothing is masked and no layer is special, so
`from_pretrained` of transformers loads it without any code of ours.

Which sizes there are is the architecture's affair (tasks/shared/pruning.py): encoders of texts and ViT have layers, hidden and ffn,
texts a vocabulary; convolutional nets have depths and widths, a number per stage. Sizes that are not given stay what they are.
What goes is decided on real batches: Taylor (Molchanov et al., Importance Estimation for Neural Network Pruning, 2019) or magnitude
(Li et al., Pruning Filters for Efficient ConvNets, 2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from tasks.kinds import base
from tasks.shared import tables
from tasks.shared.errors import ModelError
from tasks.shared.params import Device, InputSize, Kind, Options, Section, Seed, Threads
from tasks.shared.stages import Metrics, artifact

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Encode = Callable[[base.Processor, str], list[base.Features]]
Depth = Annotated[int, Field(ge=1, le=512)]
Width = Annotated[int, Field(ge=8, le=65536, multiple_of=8)]


class Params(Section):
    kind: Kind
    options: Options
    seed: Seed
    threads: Threads
    device: Device
    input_size: InputSize
    layers: int | None = Field(None, ge=1, le=512, description="layers kept, evenly spread, the first and the last among them")
    hidden: int | None = Field(
        None, ge=8, le=65536, multiple_of=8, description="hidden width kept; heads follow, as their width stays what it is"
    )
    ffn: int | None = Field(None, ge=8, le=65536, multiple_of=8, description="feed-forward channels kept per layer")
    vocabulary: int | None = Field(
        None, ge=128, le=10_000_000, multiple_of=8, description="pieces kept, the most frequent in this run's texts"
    )
    depths: list[Depth] | None = Field(None, description="blocks kept in each stage, the first among them")
    widths: list[Width] | None = Field(None, description="channels kept in each stage")
    importance: Literal["taylor", "magnitude"] = Field(description="what decides which channels and heads go")
    batches: int = Field(ge=1, le=100_000, description="batches of training rows the importance is measured on")
    batch_size: int = Field(ge=1, le=4096, description="rows of such a batch")


@dataclass(frozen=True)
class Inputs:
    ingest: Path = artifact("ingest/out")
    teacher: Path = artifact("finetune/out")


def run(inputs: Inputs, params: Params, out: Path, scratch: Path) -> Metrics:
    """Raises:
    ModelError: the teacher has not these sizes, or its architecture cannot be cut.
    """
    from tasks.shared import checkpoint, compute, inference

    device = compute.prepare(params.seed, params.threads, params.device)
    kind, labels = base.load(params.kind), checkpoint.label_names(inputs.ingest)
    processor = kind.load_processor(inputs.teacher)
    model = checkpoint.load_model(inputs.teacher, kind, device, attn_implementation="eager")
    rows = {split: tables.read(inputs.ingest / f"{split}.parquet") for split in ("train", "validation", "pool")}

    def encode(processor: base.Processor, split: str) -> list[base.Features]:
        return kind.encode(processor, rows[split], labels, params.input_size)

    kept: dict[str, Any] = {}
    if sizes := _sizes(params):
        model, processor, kept = _cut(model, processor, sizes, encode, params, scratch)
    checkpoint.save(model, processor, out / "out")
    figures = inference.figures(model, kind, processor, encode(processor, "validation"), labels, "fp32")
    validation = {name: round(value, 6) for name, value in figures.items()}
    return Metrics({"parameters": checkpoint.parameters(model), **kept, "validation": validation})


def _cut(
    model: PreTrainedModel, processor: base.Processor, sizes: dict[str, Any], encode: Encode, params: Params, scratch: Path
) -> tuple[PreTrainedModel, base.Processor, dict[str, Any]]:
    """The smaller model, its processor, and which layers it kept."""
    from tasks.shared import pruning, vocabulary

    kind, architecture = base.load(params.kind), pruning.architecture(model.config)
    if faults := architecture.faults(model.config, sizes):
        raise ModelError("params.yaml", *faults)
    if sizes.get("vocabulary", math.inf) < architecture.sizes(model.config).get("vocabulary", 0):
        seen = [*encode(processor, "train"), *encode(processor, "pool")]
        kept = vocabulary.choose(processor, seen, sizes["vocabulary"], model.config.vocab_size)
        processor = vocabulary.trim(processor, kept, scratch / "tokenizer")
        vocabulary.shrink_embedding(model, kept, processor)
    layers = architecture.keep_layers(model, sizes)
    options = kind.options.model_validate(params.options)
    pruning.measure(model, kind, processor, _batches(encode(processor, "train"), params), options)
    return architecture.narrow(model, sizes, params.importance), processor, {"layers_kept": layers}


def _sizes(params: Params) -> dict[str, Any]:
    """The sizes that are given."""
    given = {name: getattr(params, name) for name in ("layers", "hidden", "ffn", "vocabulary", "depths", "widths")}
    return {name: size for name, size in given.items() if size is not None}


def _batches(features: list[base.Features], params: Params) -> list[list[base.Features]]:
    """Real rows in random order, as many batches as asked for."""
    import random

    order = random.Random(params.seed).choices(features, k=params.batches * params.batch_size)
    return [order[at : at + params.batch_size] for at in range(0, len(order), params.batch_size)]
