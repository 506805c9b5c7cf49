"""Teaches the pooler the encoder's sentence vector, so that a classifier begins from it.

Sentence encoders are trained so that the mean of the last layer's states says what a text means (Reimers and
Gurevych: Sentence-BERT, 2019). A classifier reads the first piece alone, through a pooler that had no part in
that training. Here the pooler of the first piece learns to give the mean that the model had before, on the
run's own texts, labels not needed: a model is distilled into itself. A twentieth of the texts is held out to
measure it on.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import cosine_similarity, normalize
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.core import tables
from tasks.core.errors import DataError
from tasks.kinds.base.kind import Features, Kind, load_kind
from tasks.kinds.base.rows import PARTS
from tasks.models import checkpoint, inference
from tasks.training import loop

if TYPE_CHECKING:
    from tasks.pretrain.stage import Params, Sentence

HELD_OUT = 20
LENGTH = 6.0
"""Of the vector that is learnt: with hundreds of numbers each is far from where the pooler's tanh bends."""
HANDS_ON = 0.3
"""What the pooler multiplies the first state with before it learns."""


def faults(model: PreTrainedModel) -> list[str]:
    """Why a classifier with this encoder cannot learn it."""
    if _pooler(model.base_model) is not None:
        return []
    what = f"a classifier of {model.config.model_type} has no pooler that could learn it"
    return [f"pretrain.sentence: {what}; take the key out"]


def learn(
    encoder: PreTrainedModel,
    processor: PreTrainedTokenizerBase,
    ingest: Path,
    params: Params,
    sentence: Sentence,
    scratch: Path,
) -> dict[str, float]:
    """Changes the encoder; returns how near its vectors of held-out texts come to the former ones (cosine).

    Raises:
        DataError: there are too few texts.
    """
    kind = load_kind(params.kind)
    readings = sentence.steps * sentence.batch_size
    held_out, texts = _texts(processor, ingest, kind, params, readings)
    former = copy.deepcopy(encoder).eval()
    pooler = _pooler(encoder)
    assert pooler is not None  # noqa: S101  # faults
    with torch.no_grad():
        pooler.weight.copy_(HANDS_ON * torch.eye(*pooler.weight.shape, device=pooler.weight.device))
        pooler.bias.zero_()
    wanted = _means(former, kind, processor, texts, sentence.batch_size)
    wanted_of_held_out = _means(former, kind, processor, held_out, sentence.batch_size)
    numbers = [at % len(texts) for at in range(readings)]
    _hold_embeddings(encoder, held=True)

    def forward(rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        some = [numbers[row] for row in rows]
        return _pooled(encoder, kind, processor, [texts[one] for one in some]), wanted[some]

    def loss(found: torch.Tensor, mean: torch.Tensor, _rows: list[int]) -> torch.Tensor:
        return (found - mean).square().sum(1).mean() / LENGTH

    def evaluate() -> dict[str, float]:
        encoder.eval()
        with torch.inference_mode():
            found = _in_batches(encoder, kind, processor, held_out, sentence.batch_size, _pooled)
        return {"sentence_cosine": float(cosine_similarity(found, wanted_of_held_out).mean())}

    plan = loop.Plan.once(sentence.batch_size, sentence.learning_rate, params.seed)
    sizes = [kind.model.size(texts[one]) for one in numbers]
    objective = loop.Objective(sizes, forward, loss, evaluate, lambda figures: figures["sentence_cosine"])
    history = loop.fit(encoder, plan, objective, scratch / "sentence", "pretrain: sentence vector")
    _hold_embeddings(encoder, held=False)
    kept = loop.kept_epoch(history)
    return {"sentence_cosine": kept["sentence_cosine"], "sentence_texts": len(texts)}


def _pooler(encoder: Any) -> torch.nn.Linear | None:
    dense = getattr(getattr(encoder, "pooler", None), "dense", None)
    return dense if isinstance(dense, torch.nn.Linear) else None


def _texts(
    processor: PreTrainedTokenizerBase, ingest: Path, kind: Kind, params: Params, most: int
) -> tuple[list[Features], list[Features]]:
    """Training rows and pool, evenly chosen if the steps read fewer: a part held out, and the rest."""
    labels = checkpoint.label_names(ingest)
    rows = [row for side in ("train", "pool") for row in tables.read(ingest / f"{side}.parquet")]
    chosen = rows[:: max(1, len(rows) * (HELD_OUT - 1) // (HELD_OUT * most))]
    found = kind.model.encode(processor, chosen, labels, params.input_size)
    held_out = found[::HELD_OUT]
    rest = [one for number, one in enumerate(found) if number % HELD_OUT]
    if not rest:
        raise DataError("train.parquet", "has too few texts for pretrain.sentence; take the key out")
    return held_out, rest


def _batch(
    encoder: PreTrainedModel, kind: Kind, processor: Any, rows: Sequence[Features]
) -> tuple[dict[str, torch.Tensor], torch.Tensor | None]:
    """What the encoder reads, and how many parts each row has."""
    batch = kind.model.collate(processor, rows)
    read = {name: batch[name].to(encoder.device) for name in ("input_ids", "attention_mask")}
    return read, batch.get(PARTS)


def _pooled(encoder: PreTrainedModel, kind: Kind, processor: Any, rows: Sequence[Features]) -> torch.Tensor:
    """What the pooler gives (n, h)."""
    batch, parts = _batch(encoder, kind, processor, rows)
    return inference.averaged(encoder(**batch).pooler_output, parts)


def _mean(encoder: PreTrainedModel, kind: Kind, processor: Any, rows: Sequence[Features]) -> torch.Tensor:
    """The mean of the states (n, h), as a vector of LENGTH."""
    batch, parts = _batch(encoder, kind, processor, rows)
    mask = batch["attention_mask"][:, :, None].float()
    means = (encoder(**batch).last_hidden_state * mask).sum(1) / mask.sum(1)
    return LENGTH * normalize(inference.averaged(means, parts), dim=1)


def _means(
    encoder: PreTrainedModel, kind: Kind, processor: Any, rows: Sequence[Features], batch_size: int
) -> torch.Tensor:
    with torch.no_grad():
        return _in_batches(encoder, kind, processor, rows, batch_size, _mean)


def _in_batches(
    encoder: PreTrainedModel,
    kind: Kind,
    processor: Any,
    rows: Sequence[Features],
    batch_size: int,
    give: Any,
) -> torch.Tensor:
    """What `give` gives of all rows, in their order; rows of like size share a batch."""
    order = sorted(range(len(rows)), key=lambda row: kind.model.size(rows[row]))
    batches = [order[at : at + batch_size] for at in range(0, len(order), batch_size)]
    found = torch.cat([give(encoder, kind, processor, [rows[row] for row in batch]) for batch in batches])
    return found[torch.tensor(order, device=found.device).argsort()]


def _hold_embeddings(encoder: PreTrainedModel, held: bool) -> None:
    """Few texts touch few words: the others must stay in line with them."""
    encoder.get_input_embeddings().requires_grad_(not held)
