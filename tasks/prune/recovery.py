"""A short distillation between two steps of pruning, so that the next one measures a model that works and not
a broken one.

Pruning and training in turns: Han et al., Learning both Weights and Connections for Efficient Neural Networks
(2015); with the uncut model as the teacher: Kurtic et al., ZipLM (2023).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from tasks.kinds.base import answers
from tasks.kinds.base.answers import Answers
from tasks.kinds.base.kind import Features, Kind, Processor
from tasks.models import inference
from tasks.prune import choices
from tasks.training import loop

TEMPERATURE = 2.0
FIXED: dict[str, Any] = {
    "warmup": 0.1,
    "weight_decay": 0.01,
    "clip": 1.0,
    "precision": "fp32",
    "processes": 1,
}


@dataclass(frozen=True)
class Recovery:
    """What a cut model learns again from.

    The teacher's answers to the training rows, and to the validation rows to choose an epoch by.
    """

    kind: Kind
    processor: Processor
    features: Mapping[str, Sequence[Features]]
    """Of the rows of `train` and `validation`."""
    wanted: Mapping[str, Answers]
    """The teacher's answers to each."""
    plan: loop.Plan

    def learn(self, model: PreTrainedModel, scratch: Path, label: str) -> None:
        """Trains `model` in place, as its config says with dropout or without.

        What is in `scratch` is gone on with.
        """
        train, place = self.features["train"], inference.places(self.features["train"])

        def forward(rows: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
            return inference.forward(model, self.kind, self.processor, [train[row] for row in rows])

        def loss(answer: torch.Tensor, truth: torch.Tensor, rows: list[int]) -> torch.Tensor:
            wanted = self.wanted["train"][np.concatenate([place[row] for row in rows])]
            return self.kind.model.distillation_loss(
                answer, answers.tensors(wanted, answer.device), TEMPERATURE
            )

        def evaluate() -> dict[str, float]:
            _, divergence = inference.compared(
                model, self.kind, self.processor, self.features["validation"], self.wanted["validation"]
            )
            return {"divergence": divergence}

        sizes = [self.kind.model.size(one) for one in train]
        objective = loop.Objective(sizes, forward, loss, evaluate, lambda figures: -figures["divergence"])
        loop.fit(model, self.plan, objective, scratch, label)
        model.eval()


def plan(how: choices.Recovery, seed: int) -> loop.Plan:
    """How is learnt between two steps, by what params say."""
    return loop.Plan(
        epochs=how.epochs,
        patience=how.epochs,
        batch_size=how.batch_size,
        learning_rate=how.learning_rate,
        seed=seed,
        **FIXED,
    )
