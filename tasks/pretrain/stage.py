"""Brings the pretrained model in, pinned, as safetensors; optionally goes on pretraining it on the run's own
unlabelled text.

Reads ingest/out (the pool) and, outside data/, an installed package, a folder of the workspace or a hub id at
a commit. Writes out/: a plain checkpoint with its tokenizer or image processor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from tasks.core.errors import ParamsError
from tasks.core.params import Device, InputSize, KindName, Options, Section, Seed, Threads
from tasks.core.stages import Metrics, artifact, workspace
from tasks.kinds.base.kind import load_kind
from tasks.pretrain.source import Source


class Further(Section):
    steps: int = Field(ge=1, le=10_000_000, description="steps of further pretraining")
    batch_size: int = Field(ge=1, le=4096, description="texts per step")
    learning_rate: float = Field(gt=0, le=0.1, description="greatest learning rate")
    masked: float = Field(gt=0, lt=1, description="share of the pieces to be guessed")


class Params(Section):
    kind: KindName
    options: Options
    seed: Seed
    threads: Threads
    device: Device
    input_size: InputSize
    source: Source = Field(description="the pretrained model")
    further: Further | None = Field(description="further pretraining on the pool")

    def faults(self, _run: Mapping[str, Section]) -> list[str]:
        if self.further and load_kind(self.kind).model.further_pretraining is None:
            return [
                "pretrain.further: further pretraining guesses pieces of texts, and inputs of this kind are "
                "none; write further: null"
            ]
        return []


@dataclass(frozen=True)
class Inputs:
    ingest: Path = artifact("ingest/out")
    root: Path = workspace()


def run(inputs: Inputs, params: Params, out: Path, scratch: Path) -> Metrics:
    from tasks.core import tables
    from tasks.models import checkpoint, compute
    from tasks.pretrain import loading, locate, masked_lm

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
    checkpoint.save(encoder, processor, out / "out")
    return Metrics({"parameters": checkpoint.parameters(encoder), **told, **loss})
