"""What a torch model answers to many rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from transformers import PreTrainedModel

from tasks.core.progress import track
from tasks.kinds.base.kind import UNDECIDED, Features, Kind, Processor, Truth, decisions
from tasks.kinds.base.quality import decided
from tasks.models.compute import autocast

BATCH = 64


def logits(
    model: PreTrainedModel,
    kind: Kind,
    processor: Processor,
    features: Sequence[Features],
    batch_size: int,
    precision: str = "fp32",
    label: str = "",
) -> np.ndarray:
    """Logits (m, c) of all decisions as float32, in the order of the features.

    Rows of like size share a batch.
    """
    order = sorted(range(len(features)), key=lambda row: kind.model.size(features[row]))
    batches = [order[at : at + batch_size] for at in range(0, len(order), batch_size)]
    place = places(features)
    result = np.zeros((sum(len(one) for one in place), model.config.num_labels), dtype=np.float32)
    model.eval()
    with torch.inference_mode(), autocast(model.device, precision):
        for batch in track(batches, label=label) if label else batches:
            found, _ = forward(model, kind, processor, [features[row] for row in batch])
            result[np.concatenate([place[row] for row in batch])] = found.float().cpu().numpy()
    return result


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
    return figures_of(logits(model, kind, processor, features, BATCH, precision), kind, features, labels)


def figures_of(
    answers: np.ndarray, kind: Kind, features: Sequence[Features], labels: Sequence[str]
) -> dict[str, float]:
    """The kind's figures of logits (m, c)."""
    return kind.quality.measure(decided(answers), truth_of(features, labels))


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
    labels, where = inputs.pop("labels"), inputs.pop("where", None)
    logits = model(**inputs).logits
    return logits if where is None else _decided(logits, where), labels


def _decided(logits: torch.Tensor, where: torch.Tensor) -> torch.Tensor:
    """Logits (m, c) of the decisions; at position 0 nothing is decided."""
    undecided = UNDECIDED * (torch.arange(logits.shape[-1], device=logits.device) == 0).to(logits.dtype)
    return torch.where((where[1] == 0)[:, None], undecided, logits[where[0], where[1]])
