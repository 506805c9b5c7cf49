"""Writes with an encoder-decoder model in torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from tasks.kinds.text.common.writing import torch_writer
from tasks.kinds.text.transduction.sources import Sources

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class TorchWriter(torch_writer.TorchWriter):
    """A `Writer`."""

    goes_on = False

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, input_size: int) -> None:
        from transformers import GenerationConfig

        self._sources = Sources.of(tokenizer)
        super().__init__(model, tokenizer, self._sources.longest)
        self._most, self._start = input_size, self._sources.first(self._backend)
        # What checkpoints say of beams, least lengths and forbidden pieces is not what is trained and ships.
        self._model.generation_config = GenerationConfig(decoder_start_token_id=self._start)

    def _prompt(self, asked: str) -> list[int]:
        return self._sources.read(self._backend, asked, self._most)

    def _completion(self, answer: str) -> list[int]:
        return self._sources.written(self._backend, answer, self._end)

    def _logits(self, prompt: Sequence[int], answer: Sequence[int]) -> torch.Tensor:
        device = self._model.device
        read = torch.tensor([[*prompt]], device=device)
        given = torch.tensor([[self._start, *answer[:-1]]], device=device)
        logits: torch.Tensor = self._model(input_ids=read, decoder_input_ids=given, use_cache=False).logits
        return logits[0]
