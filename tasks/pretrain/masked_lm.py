"""Further pretraining on the pool: masked language modelling as in Devlin et al., BERT (2018).

A share of the pieces is to be guessed, of which 80 % are masked, 10 % replaced by others and 10 % left. A
twentieth of the pool is held out to measure it on.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import cross_entropy
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.core import tables
from tasks.core.errors import DataError
from tasks.kinds.base.kind import IGNORED, load_kind
from tasks.models import checkpoint
from tasks.training import loop

if TYPE_CHECKING:
    from tasks.pretrain.stage import Further, Params

HELD_OUT = 20


def pretrain(
    folder: Path,
    encoder: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    ingest: Path,
    params: Params,
    further: Further,
    scratch: Path,
) -> dict[str, float]:
    """Changes the encoder; returns the loss on held-out texts."""
    from transformers import AutoModelForMaskedLM, DataCollatorForLanguageModeling

    held_out, texts = _texts(tokenizer, ingest, params, further)
    model, fit = checkpoint.loaded(AutoModelForMaskedLM, folder, encoder.device)
    mask = DataCollatorForLanguageModeling(tokenizer, mlm_probability=further.masked)
    sizes = [len(one["input_ids"]) for one in texts]

    def forward(rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        return _guess(model, mask, [texts[row] for row in rows])

    def loss(scores: torch.Tensor, wanted: torch.Tensor, rows: list[int]) -> torch.Tensor:
        total, guessed = _loss(scores, wanted)
        return total / max(1, guessed)

    def evaluate() -> dict[str, float]:
        return {"held_out_loss": _held_out_loss(model, mask, held_out, further.batch_size, params.seed)}

    # One process: the scores of a whole vocabulary, for each piece of a batch, are too much to bring together
    # at every step.
    plan = loop.Plan.once(further.batch_size, further.learning_rate, params.seed)
    objective = loop.Objective(sizes, forward, loss, evaluate, lambda figures: -figures["held_out_loss"])
    history = loop.fit(model, plan, objective, scratch, "pretrain")
    # The model with the language head has no pooler: the encoder keeps its own.
    encoder.load_state_dict(model.base_model.state_dict(), strict=False)
    new_head = {"language_head_made_new": len(fit.missing)} if fit.missing else {}
    return {**new_head, **loop.kept_epoch(history)}


def _texts(
    tokenizer: PreTrainedTokenizerBase, ingest: Path, params: Params, further: Further
) -> tuple[list[Any], list[Any]]:
    """A part of the pool held out, and the rest as often as the steps need it."""
    pool = load_kind(params.kind).model.encode(
        tokenizer, tables.read(ingest / "pool.parquet"), [], params.input_size
    )
    held_out, train = pool[: len(pool) // HELD_OUT], pool[len(pool) // HELD_OUT :]
    if not held_out:
        advice = "add texts, or write pretrain.further: null"
        raise DataError(
            "pool.parquet", f"has {len(pool)} texts; further pretraining needs at least {HELD_OUT}: {advice}"
        )
    return held_out, [train[at % len(train)] for at in range(further.steps * further.batch_size)]


def _guess(model: PreTrainedModel, mask: Any, texts: list[Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """The scores of the vocabulary at each position, and the piece that is to be guessed there."""
    batch = mask([{"input_ids": text["input_ids"]} for text in texts]).to(model.device)
    wanted = batch.pop("labels").flatten()
    return model(**batch).logits.flatten(0, 1).float(), wanted


def _loss(scores: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, int]:
    """Summed cross-entropy over the pieces to be guessed, and how many they are.

    In short texts perhaps none.
    """
    return cross_entropy(scores, wanted, reduction="sum"), int((wanted != IGNORED).sum())


def _held_out_loss(
    model: PreTrainedModel, mask: Any, held_out: list[Any], batch_size: int, seed: int
) -> float:
    """Mean loss per guessed piece, masked alike each time."""
    model.eval()
    batches = [held_out[at : at + batch_size] for at in range(0, len(held_out), batch_size)]
    with torch.inference_mode(), torch.random.fork_rng():
        torch.manual_seed(seed)
        losses = [_loss(*_guess(model, mask, batch)) for batch in batches]
    return float(sum(total.item() for total, _ in losses) / max(1, sum(guessed for _, guessed in losses)))
