"""What a torch model answers to many rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load_file, save_file
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.kinds.base import Features, Kind
from tasks.shared.compute import autocast
from tasks.shared.progress import track

BATCH = 64


def logits(
    model: PreTrainedModel,
    kind: Kind,
    tokenizer: PreTrainedTokenizerBase,
    features: Sequence[Features],
    batch_size: int,
    precision: str = "fp32",
    label: str = "",
) -> np.ndarray:
    """Logits (n, c) as float32, in the order of the features. Rows of like length share a batch."""
    order = sorted(range(len(features)), key=lambda row: len(features[row]["input_ids"]))
    batches = [order[at : at + batch_size] for at in range(0, len(order), batch_size)]
    result = np.zeros((len(features), model.config.num_labels), dtype=np.float32)
    model.eval()
    with torch.inference_mode(), autocast(model.device, precision):
        for batch in track(batches, label=label) if label else batches:
            inputs = kind.collate(tokenizer, [features[row] for row in batch])
            inputs.pop("labels", None)
            answer = model(**{name: tensor.to(model.device) for name, tensor in inputs.items()})
            result[batch] = answer.logits.float().cpu().numpy()
    return result


def figures(
    model: PreTrainedModel, kind: Kind, tokenizer: PreTrainedTokenizerBase, features: Sequence[Features], precision: str
) -> dict[str, float]:
    """The kind's figures of a model on labelled rows."""
    return figures_of(logits(model, kind, tokenizer, features, BATCH, precision), kind, features)


def figures_of(answers: np.ndarray, kind: Kind, features: Sequence[Features]) -> dict[str, float]:
    """The kind's figures of logits (n, c)."""
    truth = np.array([one["labels"] for one in features])
    sums = kind.statistics(answers.argmax(-1), truth, answers.shape[-1]).sum(axis=0)
    return {name: float(value) for name, value in kind.figures(sums).items()}


def forward(
    model: PreTrainedModel, kind: Kind, tokenizer: PreTrainedTokenizerBase, features: Sequence[Features]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and labels of a batch, to train on. The labels are empty where not every row has one."""
    batch = {name: tensor.to(model.device) for name, tensor in kind.collate(tokenizer, features).items()}
    labels = batch.pop("labels", torch.empty(0, dtype=torch.long))
    return model(**batch).logits, labels


def write_outputs(answers: np.ndarray, file: Path) -> None:
    """Keeps logits (n, c) beside the rows they answer."""
    file.parent.mkdir(exist_ok=True)
    save_file({"logits": answers}, file)


def read_outputs(file: Path) -> np.ndarray:
    """Logits (n, c) in the order of the rows."""
    logits: np.ndarray = load_file(file)["logits"]
    return logits
