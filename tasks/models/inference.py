"""What a torch model answers to many rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from transformers import PreTrainedModel

from tasks.core.progress import track
from tasks.kinds.base.kind import UNDECIDED, Features, Kind, Processor, decisions
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
    order = sorted(range(len(features)), key=lambda row: kind.size(features[row]))
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
    sums = kind.count(
        answers.argmax(-1), truth_of(features), [decisions(one) for one in features], labels
    ).sum(axis=0)
    return {name: float(value) for name, value in kind.figures(sums).items()}


def truth_of(features: Sequence[Features]) -> np.ndarray:
    """The labels (m,) of labelled rows."""
    return np.concatenate([np.asarray(one["labels"]) for one in features])


def forward(
    model: PreTrainedModel, kind: Kind, processor: Processor, features: Sequence[Features]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (m, c) and labels (m,) of some rows.

    The label of a decision that nothing is known of is IGNORED.
    """
    return answer(model, kind.collate(processor, features))


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


def write_outputs(answers: np.ndarray, file: Path) -> None:
    """Keeps logits (m, c) beside the rows they answer."""
    file.parent.mkdir(exist_ok=True)
    save_file({"logits": answers}, file)


def read_outputs(file: Path) -> np.ndarray:
    """Logits (m, c) in the order of the rows."""
    logits: np.ndarray = load_file(file)["logits"]
    return logits
