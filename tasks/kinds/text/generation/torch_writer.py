"""Writes with a language model in torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from tasks.kinds.text.common.writing import torch_writer
from tasks.kinds.text.generation import encoding
from tasks.kinds.text.generation.prompts import Prompts

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class TorchWriter(torch_writer.TorchWriter):
    """A `Writer`."""

    goes_on = True

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, input_size: int) -> None:
        self._prompts = Prompts.of(tokenizer)
        super().__init__(model, tokenizer, self._prompts.longest)
        self._most = input_size - self._prompts.longest

    def _prompt(self, asked: str) -> list[int]:
        return self._prompts.pieces(self._backend, asked, self._most)

    def _completion(self, answer: str) -> list[int]:
        return encoding.completion(self._backend, answer, self._end, self._longest)

    def _logits(self, prompt: Sequence[int], answer: Sequence[int]) -> torch.Tensor:
        ids = torch.tensor([[*prompt, *answer[:-1]]], device=self._model.device)
        logits: torch.Tensor = self._model(input_ids=ids, logits_to_keep=len(answer)).logits
        return logits[0, -len(answer) :]
