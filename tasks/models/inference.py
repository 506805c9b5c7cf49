"""What a torch model answers to many rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from tasks.core.progress import track
from tasks.kinds.base import answers as kept
from tasks.kinds.base.answers import Answers
from tasks.kinds.base.kind import UNDECIDED, Features, Kind, Processor, Truth, decisions
from tasks.kinds.base.quality import decided
from tasks.kinds.base.rows import PARTS
from tasks.models.compute import autocast

BATCH = 64


def answers(
    model: PreTrainedModel,
    kind: Kind,
    processor: Processor,
    features: Sequence[Features],
    batch_size: int,
    precision: str = "fp32",
    label: str = "",
) -> Answers:
    """What the kind keeps of the answers to all m decisions, in the order of the features.

    Rows of like size share a batch.
    """
    count = kind.model.likeliest
    if not features:
        return kept.none(count, model.config.num_labels)
    return _asked(
        model,
        kind,
        processor,
        features,
        batch_size,
        precision,
        label,
        lambda found, truth, _: kept.of(found, truth, count),
    )


def logits(
    model: PreTrainedModel,
    kind: Kind,
    processor: Processor,
    features: Sequence[Features],
    batch_size: int,
    precision: str = "fp32",
    label: str = "",
) -> np.ndarray:
    """Logits (m, c) of all decisions as float32, whatever the kind keeps of them."""
    if not features:
        return np.zeros((0, model.config.num_labels), dtype=np.float32)
    found = _asked(
        model,
        kind,
        processor,
        features,
        batch_size,
        precision,
        label,
        lambda logits, truth, _: kept.of(logits, truth, None),
    )
    return np.asarray(found)


def compared(
    model: PreTrainedModel,
    kind: Kind,
    processor: Processor,
    features: Sequence[Features],
    wanted: Answers,
    precision: str = "fp32",
) -> tuple[Answers, float]:
    """What the kind keeps of the answers, and how far they are from a teacher's: the mean divergence."""
    loss = kind.model.distillation_loss
    if not kind.model.likeliest:
        found = answers(model, kind, processor, features, BATCH, precision)
        return found, float(loss(torch.from_numpy(found), kept.tensors(wanted), 1.0))
    apart = []

    def taken(found: torch.Tensor, truth: torch.Tensor, at: np.ndarray) -> Answers:
        apart.append(float(loss(found, kept.tensors(wanted[at], found.device), 1.0)) * len(at))
        return kept.of(found, truth, kind.model.likeliest)

    return _asked(model, kind, processor, features, BATCH, precision, "", taken), sum(apart) / max(
        1, len(wanted)
    )


def _asked(
    model: PreTrainedModel,
    kind: Kind,
    processor: Processor,
    features: Sequence[Features],
    batch_size: int,
    precision: str,
    label: str,
    taken: Callable[[torch.Tensor, torch.Tensor, np.ndarray], Answers],
) -> Answers:
    """What is taken of the logits (m, c) of each batch, given the labels (m,) and places (m,)."""
    order = sorted(range(len(features)), key=lambda row: kind.model.size(features[row]))
    batches = [order[at : at + batch_size] for at in range(0, len(order), batch_size)]
    place, parts = places(features), []
    model.eval()
    with torch.inference_mode(), autocast(model.device, precision):
        for batch in track(batches, label=label) if label else batches:
            found, truth = forward(model, kind, processor, [features[row] for row in batch])
            parts.append(taken(found, truth, np.concatenate([place[row] for row in batch])))
    return kept.in_order(parts, [place[row] for row in order])


def places(features: Sequence[Features]) -> list[np.ndarray]:
    """Of each row, the numbers of its decisions among those of all rows."""
    ends = np.cumsum([decisions(one) for one in features])
    return [np.arange(end - decisions(one), end) for end, one in zip(ends, features, strict=True)]


def figures(
    model: PreTrainedModel,
    kind: Kind,
    processor: Processor,
    features: Sequence[Features],
    labels: Sequence[str],
    precision: str,
) -> dict[str, float]:
    """The kind's figures of a model on labelled rows."""
    found = answers(model, kind, processor, features, BATCH, precision)
    return figures_of(found, kind, features, labels)


def figures_of(
    found: Answers, kind: Kind, features: Sequence[Features], labels: Sequence[str]
) -> dict[str, float]:
    """The kind's figures of answers, on which epochs are chosen."""
    return kind.progress.measure(decided(found), truth_of(features, labels))


def truth_of(features: Sequence[Features], labels: Sequence[str], ids: Sequence[str] = ()) -> Truth:
    """The right answers to labelled rows, from their features, the label names and the rows' ids."""
    right = np.concatenate([np.asarray(one["labels"]) for one in features])
    return Truth(right, [decisions(one) for one in features], labels, ids)


def forward(
    model: PreTrainedModel, kind: Kind, processor: Processor, features: Sequence[Features]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (m, c) and labels (m,) of some rows.

    The label of a decision that nothing is known of is IGNORED.
    """
    return answer(model, kind.model.collate(processor, features))


def answer(model: PreTrainedModel, batch: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (m, c) and labels (m,) of a batch as a kind collates it."""
    inputs = {name: tensor.to(model.device) for name, tensor in batch.items()}
    labels, where, parts = inputs.pop("labels"), inputs.pop("where", None), inputs.pop(PARTS, None)
    head: Any = model.get_output_embeddings()
    if where is not None and model.config.is_encoder_decoder:
        # Some change states before their head, or logits behind it.
        return model(**inputs, use_cache=False).logits[where[0], where[1]], labels
    if where is not None and head is not None:  # of the whole vocabulary, so only where something is decided
        states = model.base_model(**inputs).last_hidden_state
        return head(states[where[0], where[1]]), labels
    logits = averaged(model(**inputs).logits, parts)
    return logits if where is None else _decided(logits, where), labels


def averaged(values: torch.Tensor, parts: torch.Tensor | None) -> torch.Tensor:
    """Means (n, ...) over the parts of each input, of values of all parts; None: each has one."""
    if parts is None:
        return values
    return torch.stack([of_one.mean(0) for of_one in values.split(parts.tolist())])


def _decided(logits: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Logits (m, c) of the decisions; at position 0 nothing is decided."""
    undecided = UNDECIDED * (torch.arange(logits.shape[-1], device=logits.device) == 0).to(logits.dtype)
    return torch.where((where[1] == 0)[:, None], undecided, logits[where[0], where[1]])
