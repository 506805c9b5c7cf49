"""Cuts the teacher down to a student: fewer layers, a narrower hidden width with fewer heads, fewer feed-forward channels, fewer pieces.

Reads ingest/out and finetune/out. Writes out/: a dense, smaller, plain checkpoint. Nothing is masked and no layer is special, so
`from_pretrained` of transformers loads it without any code of ours.

What goes is decided by torch-pruning on real batches: Taylor (Molchanov et al., Importance Estimation for Neural Network Pruning, 2019)
or magnitude (Li et al., Pruning Filters for Efficient ConvNets, 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tasks.kinds import base
from tasks.shared import tables
from tasks.shared.errors import ModelError
from tasks.shared.params import Device, InputSize, Kind, Options, Section, Seed, Threads
from tasks.shared.stages import Metrics, artifact

if TYPE_CHECKING:
    from transformers import PreTrainedModel


class Params(Section):
    kind: Kind
    options: Options
    seed: Seed
    threads: Threads
    device: Device
    input_size: InputSize
    layers: int = Field(ge=1, le=512, description="layers kept, evenly spread, the first and the last among them")
    hidden: int = Field(ge=8, le=65536, multiple_of=8, description="hidden width kept; heads follow, as their width stays what it is")
    ffn: int = Field(ge=8, le=65536, multiple_of=8, description="feed-forward channels kept per layer")
    vocabulary: int = Field(ge=128, le=10_000_000, multiple_of=8, description="pieces kept, the most frequent in this run's texts")
    importance: Literal["taylor", "magnitude"] = Field(description="what decides which channels and heads go")
    batches: int = Field(ge=1, le=100_000, description="batches of training rows the importance is measured on")
    batch_size: int = Field(ge=1, le=4096, description="rows of such a batch")


@dataclass(frozen=True)
class Inputs:
    ingest: Path = artifact("ingest/out")
    teacher: Path = artifact("finetune/out")


def run(inputs: Inputs, params: Params, out: Path, scratch: Path) -> Metrics:
    from tasks.shared import checkpoint, compute, inference, pruning, vocabulary

    device = compute.prepare(params.seed, params.threads, params.device)
    kind, labels = base.load(params.kind), checkpoint.label_names(inputs.ingest)
    tokenizer = checkpoint.load_tokenizer(inputs.teacher)
    model = checkpoint.load_model(inputs.teacher, kind, device, attn_implementation="eager")
    _check(params, model)
    rows = {split: tables.read(inputs.ingest / f"{split}.parquet") for split in ("train", "validation", "pool")}

    def encode(split: str) -> list[base.Features]:
        return kind.encode(tokenizer, rows[split], labels, params.input_size)

    if params.vocabulary < model.config.vocab_size:
        kept = vocabulary.choose(tokenizer, [*encode("train"), *encode("pool")], params.vocabulary, model.config.vocab_size)
        tokenizer = vocabulary.trim(tokenizer, kept, scratch / "tokenizer")
        vocabulary.shrink_embedding(model, kept, tokenizer)
    layers = pruning.keep_layers(model, params.layers)
    options = kind.options.model_validate(params.options)
    pruning.measure(model, kind, tokenizer, _batches(encode("train"), params), options)
    student = pruning.narrow(model, params.hidden, params.ffn, params.importance)
    checkpoint.save(student, tokenizer, out / "out")
    figures = inference.figures(student, kind, tokenizer, encode("validation"), labels, "fp32")
    validation = {name: round(value, 6) for name, value in figures.items()}
    return Metrics({"parameters": checkpoint.parameters(student), "layers_kept": layers, "validation": validation})


def _batches(features: list[base.Features], params: Params) -> list[list[base.Features]]:
    """Real rows in random order, as many batches as asked for."""
    import random

    order = random.Random(params.seed).choices(features, k=params.batches * params.batch_size)
    return [order[at : at + params.batch_size] for at in range(0, len(order), params.batch_size)]


def _check(params: Params, model: PreTrainedModel) -> None:
    """Sizes the teacher does not have cannot be kept."""
    config: Any = model.config
    width = config.hidden_size // config.num_attention_heads
    greatest = {
        "layers": config.num_hidden_layers,
        "hidden": config.hidden_size,
        "ffn": config.intermediate_size,
        "vocabulary": -(-config.vocab_size // 8) * 8,
    }
    faults = [
        f"prune.{name} = {getattr(params, name)}: the teacher has {limit}; keep at most so many"
        for name, limit in greatest.items()
        if getattr(params, name) > limit
    ]
    if params.hidden % width:
        faults.append(f"prune.hidden = {params.hidden}: must be a multiple of {width}, the width of the teacher's heads")
    if faults:
        raise ModelError("params.yaml", *faults)
