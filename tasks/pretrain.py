"""Brings the pretrained model in, pinned, as safetensors; optionally goes on pretraining it on the run's own unlabelled text.

Reads ingest/out (the pool) and, outside data/, an installed package, a folder of the workspace or a hub id at a commit.
Writes out/: a plain checkpoint with its tokenizer or image processor.

Further pretraining is masked language modelling as in Devlin et al., BERT (2018): a share of the pieces is to be guessed, of which
80 % are masked, 10 % replaced by others and 10 % left. A twentieth of the pool is held out to measure it on; warm-up, weight decay
and clipping are those of that paper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from tasks.kinds import base
from tasks.shared.errors import ParamsError
from tasks.shared.params import Device, InputSize, Kind, Section, Seed, Threads
from tasks.shared.stages import Metrics, artifact, workspace

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

FIXED = {"warmup": 0.1, "weight_decay": 0.01, "clip": 1.0}
HELD_OUT = 20
IGNORED = -100
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

    def faults(self, _run: Mapping[str, Section]) -> list[str]:
        if self.steps and not base.load(self.kind).lengths:
            return [f"pretrain.steps = {self.steps}: further pretraining guesses pieces of texts; must be 0 here"]
        return []


@dataclass(frozen=True)
class Inputs:
    ingest: Path = artifact("ingest/out")
    root: Path = workspace()


def run(inputs: Inputs, params: Params, out: Path, scratch: Path) -> Metrics:
    from tasks.shared import checkpoint, compute, pretrained, pretrained_loading, tables

    device, kind = compute.prepare(params.seed, params.threads, params.device), base.load(params.kind)
    if faults := params.faults({}):
        raise ParamsError("params.yaml", *faults)
    folder = pretrained.find(params.source, kind, inputs.root, scratch)
    rows = tables.read(inputs.ingest / "train.parquet")[: pretrained_loading.SAMPLE]
    encoder, processor, told = pretrained_loading.load(folder, kind, device, params.input_size, rows, scratch)
    loss = _pretrain_further(folder, encoder, processor, inputs, params, scratch) if params.steps else {}
    checkpoint.save(encoder, processor, out / "out")
    return Metrics({"parameters": checkpoint.parameters(encoder), **told, **loss})


def _pretrain_further(
    folder: Path, encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, inputs: Inputs, params: Params, scratch: Path
) -> dict[str, float]:
    """Changes the encoder; returns the loss on held-out texts."""
    from transformers import AutoModelForMaskedLM, DataCollatorForLanguageModeling

    from tasks.shared import checkpoint, training

    held_out, texts = _texts(tokenizer, inputs, params)
    model, fit = checkpoint.loaded(AutoModelForMaskedLM, folder, encoder.device)
    mask = DataCollatorForLanguageModeling(tokenizer, mlm_probability=params.masked)
    sizes = [len(one["input_ids"]) for one in texts]

    def forward(rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        return _guess(model, mask, [texts[row] for row in rows])

    def loss(scores: torch.Tensor, wanted: torch.Tensor, rows: list[int]) -> torch.Tensor:
        total, guessed = _loss(scores, wanted)
        return total / max(1, guessed)

    def evaluate() -> dict[str, float]:
        return {"held_out_loss": _held_out_loss(model, mask, held_out, params)}

    # One process: the scores of a whole vocabulary, for each piece of a batch, are too much to bring together at every step.
    plan = training.Plan(
        epochs=1,
        batch_size=params.batch_size,
        learning_rate=params.learning_rate,
        patience=1,
        precision="fp32",
        seed=params.seed,
        processes=1,
        **FIXED,
    )
    lesson = training.Lesson(sizes, forward, loss, evaluate, lambda figures: -figures["held_out_loss"])
    history = training.fit(model, plan, lesson, scratch, "pretrain")
    # The model with the language head has no pooler: the encoder keeps its own.
    encoder.load_state_dict(model.base_model.state_dict(), strict=False)
    new_head = {"language_head_made_new": len(fit.missing)} if fit.missing else {}
    return {**new_head, **training.kept_epoch(history)}


def _texts(tokenizer: PreTrainedTokenizerBase, inputs: Inputs, params: Params) -> tuple[list[Any], list[Any]]:
    """A part of the pool held out, and the rest as often as the steps need it."""
    from tasks.shared import tables
    from tasks.shared.errors import DataError

    pool = base.load(params.kind).encode(tokenizer, tables.read(inputs.ingest / "pool.parquet"), [], params.input_size)
    held_out, train = pool[: len(pool) // HELD_OUT], pool[len(pool) // HELD_OUT :]
    if not held_out:
        advice = "add texts, or set pretrain.steps = 0"
        raise DataError("pool.parquet", f"has {len(pool)} texts; further pretraining needs at least {HELD_OUT}: {advice}")
    return held_out, [train[at % len(train)] for at in range(params.steps * params.batch_size)]


def _guess(model: PreTrainedModel, mask: Any, texts: list[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """The scores of the vocabulary at each position, and the piece that stood there, if it is to be guessed."""
    batch = mask([{"input_ids": text["input_ids"]} for text in texts]).to(model.device)
    wanted = batch.pop("labels").flatten()
    return model(**batch).logits.flatten(0, 1).float(), wanted


def _loss(scores: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Summed cross-entropy over the pieces to be guessed, and how many they are: in short texts perhaps none."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(scores, wanted, reduction="sum"), int((wanted != IGNORED).sum())


def _held_out_loss(model: PreTrainedModel, mask: Any, held_out: list[Any], params: Params) -> float:
    """Mean loss per guessed piece, masked alike each time."""
    import torch

    model.eval()
    batches = [held_out[at : at + params.batch_size] for at in range(0, len(held_out), params.batch_size)]
    with torch.inference_mode(), torch.random.fork_rng():
        torch.manual_seed(params.seed)
        losses = [_loss(*_guess(model, mask, batch)) for batch in batches]
    return float(sum(total.item() for total, _ in losses) / max(1, sum(guessed for _, guessed in losses)))
