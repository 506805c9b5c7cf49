"""Begins the head with a logistic regression on what the pretrained encoder gives, so that the first steps of
the training do not undo it (linear probing, then fine-tuning: Kumar et al., Fine-Tuning can Distort
Pretrained Features and Underperform Out-of-Distribution, 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tasks.kinds.base.kind import IGNORED, Features, Kind, Processor
from tasks.kinds.base.rows import PARTS
from tasks.models import inference

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MOST_ITERATIONS = 1_000


def head_of(model: PreTrainedModel) -> torch.nn.Linear | None:
    """The layer that gives the logits; None where there is no such single one."""
    inside = {id(module) for module in model.base_model.modules()}
    found = [
        module
        for module in model.modules()
        if isinstance(module, torch.nn.Linear)
        and id(module) not in inside
        and module.out_features == model.config.num_labels
    ]
    return found[-1] if found else None


def faults(model: PreTrainedModel) -> list[str]:
    """Why the head of this model cannot begin so."""
    if head_of(model) is not None:
        return []
    return [f"finetune.probe: {model.config.model_type} has no linear layer as its head; take the key out"]


def begin(
    model: PreTrainedModel,
    kind: Kind,
    processor: Processor,
    features: Sequence[Features],
    inverse_strength: float,
    balanced: bool,
    seed: int,
) -> None:
    """Sets the head of a model: the regression on these training rows.

    Args:
        inverse_strength: C of the regression, on inputs whose mean length is one.
        balanced: each label counts alike, however few decisions it has.
    """
    from sklearn.linear_model import LogisticRegression

    head = head_of(model)
    assert head is not None  # noqa: S101  # faults
    given, labels = _given(model, head, kind, processor, features)
    length = float(np.linalg.norm(given, axis=1).mean()) or 1.0
    regression = LogisticRegression(
        C=inverse_strength,
        max_iter=MOST_ITERATIONS,
        class_weight="balanced" if balanced else None,
        random_state=seed,
    ).fit(given / length, labels)
    weights, biases = _of_each_label(regression, model.config.num_labels)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(weights / length))
        if head.bias is not None:
            head.bias.copy_(torch.from_numpy(biases))


def _given(
    model: PreTrainedModel,
    head: torch.nn.Linear,
    kind: Kind,
    processor: Processor,
    features: Sequence[Features],
) -> tuple[np.ndarray, np.ndarray]:
    """What the head gets for each labelled decision (m, h), and its label (m,)."""
    caught: list[torch.Tensor] = []
    order = sorted(range(len(features)), key=lambda row: kind.model.size(features[row]))
    given, labels = [], []
    hook = head.register_forward_pre_hook(lambda _module, inputs: caught.append(inputs[0]))
    model.eval()
    with torch.inference_mode():
        for at in range(0, len(order), inference.BATCH):
            batch = kind.model.collate(processor, [features[row] for row in order[at : at + inference.BATCH]])
            inference.answer(model, batch)
            read = inference.averaged(caught.pop(), batch.get(PARTS))
            given.append(_of_decisions(read, batch.get("where")).float().cpu().numpy())
            labels.append(batch["labels"].numpy())
    hook.remove()
    known = (truth := np.concatenate(labels)) != IGNORED
    return np.concatenate(given)[known], truth[known]


def _of_decisions(given: torch.Tensor, where: torch.Tensor | None) -> torch.Tensor:
    return given if where is None else given[where[0], where[1]]


def _of_each_label(regression: Any, labels: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (c, h) and biases (c,); a label that no row has gets the least bias of all."""
    found, biases = regression.coef_, regression.intercept_
    if len(regression.classes_) == 2:
        found, biases = np.vstack([-found, found]) / 2, np.concatenate([-biases, biases]) / 2
    weights = np.zeros((labels, found.shape[1]), np.float32)
    heights = np.full(labels, biases.min(), np.float32)
    weights[regression.classes_], heights[regression.classes_] = found, biases
    return weights, heights
