"""Writes with a checkpoint in torch, by what transformers has for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from tasks.kinds.base.generation import Written
from tasks.kinds.text.common.writing.encoding import plain_backend

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class TorchWriter(ABC):
    """A `Writer`. What is asked and answered becomes pieces as the kind has it."""

    goes_on: ClassVar[bool]
    """Whether an answer goes on behind what is asked; behind one piece of its own otherwise."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, longest: int) -> None:
        self._model: Any = model.eval()
        self._tokenizer, self._backend = tokenizer, plain_backend(tokenizer)
        self._longest, self._end = longest, int(tokenizer.eos_token_id)

    @abstractmethod
    def _prompt(self, asked: str) -> list[int]:
        """The pieces of what is asked."""

    @abstractmethod
    def _completion(self, answer: str) -> list[int]:
        """The pieces of an answer, its end among them."""

    @abstractmethod
    def _logits(self, prompt: Sequence[int], answer: Sequence[int]) -> torch.Tensor:
        """Logits (m, c) before each piece of an answer."""

    def write(self, asked: Sequence[Any]) -> list[Written]:
        found = self._generate(asked, self._longest, 0)
        return [self._written(ids) for ids in found]

    def just(self, asked: Sequence[Any], pieces: Sequence[int]) -> list[str]:
        found = self._generate(asked, max(pieces), max(pieces))
        return [self._text(ids[:count]) for ids, count in zip(found, pieces, strict=True)]

    def pieces_of(self, answer: str) -> list[int]:
        return self._completion(answer)

    def count(self, answer: str) -> int:
        return len(self._completion(answer))

    def forced(self, asked: Any, answer: str) -> np.ndarray:
        with torch.inference_mode():
            logits = self._logits(self._prompt(asked), self._completion(answer))
        found: np.ndarray = logits.float().cpu().numpy()
        return found

    def use(self, threads: int) -> None:
        torch.set_num_threads(threads)

    def _generate(self, asked: Sequence[Any], most: int, least: int) -> list[list[int]]:
        """New pieces of each."""
        prompts = [self._prompt(one) for one in asked]
        longest, padding = max(map(len, prompts)), self._tokenizer.pad_token_id
        ids = torch.tensor([self._padded(one, longest, padding) for one in prompts])
        mask = torch.tensor([self._padded([1] * len(one), longest, 0) for one in prompts])
        device = self._model.device
        with torch.inference_mode():
            found = self._model.generate(
                input_ids=ids.to(device),
                attention_mask=mask.to(device),
                max_new_tokens=most,
                min_new_tokens=least,
                do_sample=False,
                num_beams=1,
                eos_token_id=self._end,
                pad_token_id=padding,
            )
        new: list[list[int]] = found[:, longest if self.goes_on else 1 :].tolist()
        return new

    def _padded(self, ids: Sequence[int], length: int, filling: int) -> list[int]:
        """So many pieces, filled up where nothing goes on."""
        filled = [filling] * (length - len(ids))
        return [*filled, *ids] if self.goes_on else [*ids, *filled]

    def _written(self, ids: Sequence[int]) -> Written:
        ended = self._end in ids
        return Written(self._text(ids[: list(ids).index(self._end)] if ended else ids), ended)

    def _text(self, ids: Sequence[int]) -> str:
        text: str = self._backend.decode(list(ids), skip_special_tokens=True)
        return text.strip()
