"""Students that learn from mixtures: the word vectors of two rows, weighed, which the teacher answers too.

Liang et al., MixKD: Towards Efficient Distillation of Large-scale Language Models (2021), with the weight
drawn from a beta distribution for each batch. It has the interface of `tasks.distill.intermediate.Imitation`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.nn.functional import kl_div
from transformers import PreTrainedModel

from tasks.kinds.base.kind import Features, Kind, Processor
from tasks.models import inference

BETA = 0.4


class Mixing:
    """Beside the answers to rows, how far those to mixtures of them are from the teacher's."""

    def __init__(
        self,
        kind: Kind,
        student: PreTrainedModel,
        processor: Processor,
        teacher: PreTrainedModel,
        teachers: Processor,
        temperature: float,
    ) -> None:
        self._kind, self._student, self._processor = kind, student, processor
        self._teacher, self._temperature = teacher.eval().requires_grad_(False), temperature
        own, known = processor.get_vocab(), teachers.get_vocab()
        numbers = torch.zeros(max(own.values()) + 1, dtype=torch.long)
        for piece, number in own.items():
            numbers[number] = known[piece]
        self._numbers = numbers

    def forward(self, features: Sequence[Features]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of n rows: logits, labels, and the distance of the mixtures (n,)."""
        batch = self._kind.model.collate(self._processor, features)
        answer, truth = inference.answer(self._student, batch)
        weight = float(torch.distributions.Beta(BETA, BETA).sample())
        mask = batch["attention_mask"] | batch["attention_mask"].flip(0)
        own = self._mixture(self._student, batch["input_ids"], mask, weight)
        with torch.no_grad():
            wanted = self._mixture(self._teacher, self._numbers[batch["input_ids"]], mask, weight)
        got, right = ((one / self._temperature).log_softmax(-1) for one in (own, wanted))
        apart = kl_div(got, right, reduction="none", log_target=True).sum(-1) * self._temperature**2
        return answer, truth, apart

    def cache(self, *_: Any) -> None:
        """Mixtures are other ones each time."""

    def end(self) -> None:
        """The student has no further parts."""

    def _mixture(
        self, model: PreTrainedModel, ids: torch.Tensor, mask: torch.Tensor, weight: float
    ) -> torch.Tensor:
        table: Any = model.get_input_embeddings()
        vectors = table(ids)
        logits: torch.Tensor = model(
            inputs_embeds=weight * vectors + (1 - weight) * vectors.flip(0), attention_mask=mask
        ).logits
        return logits
