"""Brings the pretrained model in, pinned, as safetensors; optionally goes on pretraining it on the run's own unlabelled text.

Reads ingest/out (the pool) and, outside data/, an installed package, a folder of the workspace or a hub id at a commit.
Writes out/: a plain checkpoint with its tokenizer.

Further pretraining is masked language modelling as in Devlin et al., BERT (2018): a share of the pieces is to be guessed, of which
80 % are masked, 10 % replaced by others and 10 % left.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from tasks.shared.params import Device, InputSize, Kind, Section, Seed, Threads
from tasks.shared.stages import Metrics, artifact, workspace

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SOURCES = {"package": "version", "folder": "sha256", "hub": "revision"}


class Source(Section):
    """Where the pretrained model comes from, and what pins it. Of the three forms, one."""

    package: str | None = Field(None, description="installed package that carries a checkpoint; pinned by `version`")
    version: str | None = Field(None, description="of the package")
    folder: str | None = Field(None, description="folder of the workspace with a checkpoint; pinned by `sha256`")
    sha256: str | None = Field(None, pattern=r"^[0-9a-f]{64}$", description="of the folder's files, as an error message tells it")
    hub: str | None = Field(None, pattern=r"^[\w.-]+/[\w.-]+$", description="owner/name on the model hub; pinned by `revision`")
    revision: str | None = Field(None, pattern=r"^[0-9a-f]{40}$", description="full commit of the hub id")

    @model_validator(mode="after")
    def one_form(self) -> Source:
        given = self.model_fields_set
        if not any(given == {form, pin} for form, pin in SOURCES.items()):
            raise ValueError("must be one of " + ", ".join(f"{{{form}, {pin}}}" for form, pin in SOURCES.items()))
        return self


class Params(Section):
    kind: Kind
    seed: Seed
    threads: Threads
    device: Device
    input_size: InputSize
    source: Source = Field(description="the pretrained model")
    steps: int = Field(ge=0, le=10_000_000, description="steps of further pretraining on the pool; 0 = none")
    batch_size: int = Field(ge=1, le=4096, description="texts per step of further pretraining")
    learning_rate: float = Field(gt=0, le=0.1, description="greatest learning rate of further pretraining")
    masked: float = Field(gt=0, lt=1, description="share of the pieces to be guessed")


@dataclass(frozen=True)
class Inputs:
    ingest: Path = artifact("ingest/out")
    root: Path = workspace()


def run(inputs: Inputs, params: Params, out: Path, scratch: Path) -> Metrics:
    from transformers import AutoModel

    from tasks.shared import checkpoint, compute
    from tasks.shared.pretrained import find

    device = compute.prepare(params.seed, params.threads, params.device)
    folder = find(params.source, inputs.root)
    tokenizer = checkpoint.load_tokenizer(folder)
    if params.steps:
        model, loss = _pretrain_further(folder, tokenizer, inputs, params, device, scratch)
    else:
        model, loss = checkpoint.load(AutoModel, folder, device), {}
    checkpoint.save(model, tokenizer, out / "out")
    return Metrics({"parameters": checkpoint.parameters(model), **loss})


def _pretrain_further(
    folder: Path, tokenizer: PreTrainedTokenizerBase, inputs: Inputs, params: Params, device: torch.device, scratch: Path
) -> tuple[PreTrainedModel, dict[str, float]]:
    """The encoder after `steps` steps, and its loss on held-out texts."""
    from transformers import AutoModelForMaskedLM, DataCollatorForLanguageModeling

    from tasks.shared import checkpoint, training

    held_out, texts = _texts(tokenizer, inputs, params)
    model = checkpoint.load(AutoModelForMaskedLM, folder, device)
    mask = DataCollatorForLanguageModeling(tokenizer, mlm_probability=params.masked)
    sizes = [len(one["input_ids"]) for one in texts]

    def loss(rows: list[int]) -> torch.Tensor:
        value: torch.Tensor = model(**mask([dict(texts[row]) for row in rows]).to(device)).loss
        return value

    def evaluate() -> dict[str, float]:
        return {"held_out_loss": _held_out_loss(model, mask, held_out, params)}

    plan = training.Plan(
        epochs=1, batch_size=params.batch_size, learning_rate=params.learning_rate, warmup=0.1, weight_decay=0.01, clip=1.0, patience=1,
        precision="fp32", seed=params.seed,
    )  # fmt: skip
    history = training.fit(model, plan, sizes, loss, evaluate, lambda figures: -figures["held_out_loss"], scratch, "pretrain")
    return model.base_model, training.kept_epoch(history)


def _texts(tokenizer: PreTrainedTokenizerBase, inputs: Inputs, params: Params) -> tuple[list[Any], list[Any]]:
    """A twentieth of the pool held out, and the rest as often as the steps need it."""
    from tasks.kinds import base
    from tasks.shared import tables
    from tasks.shared.errors import DataError

    pool = base.load(params.kind).encode(tokenizer, tables.read(inputs.ingest / "pool.parquet"), [], params.input_size)
    held_out, train = pool[: len(pool) // 20], pool[len(pool) // 20 :]
    if not held_out:
        raise DataError(
            "pool.parquet", f"has {len(pool)} texts; further pretraining needs at least 20: add texts, or set pretrain.steps = 0"
        )
    return held_out, [train[at % len(train)] for at in range(params.steps * params.batch_size)]


def _held_out_loss(model: PreTrainedModel, mask: Any, held_out: list[Any], params: Params) -> float:
    """Mean loss over batches, masked alike each time."""
    import torch

    model.eval()
    batches = [held_out[at : at + params.batch_size] for at in range(0, len(held_out), params.batch_size)]
    with torch.inference_mode(), torch.random.fork_rng():
        torch.manual_seed(params.seed)
        losses = [model(**mask([dict(one) for one in batch]).to(model.device)).loss.item() for batch in batches]
    return float(sum(losses) / len(losses))
