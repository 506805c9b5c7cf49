"""Writes with a checkpoint in torch, by what transformers has for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from tasks.kinds.base.generation import Written
from tasks.kinds.text.generation import encoding
from tasks.kinds.text.generation.prompts import Prompts

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class TorchWriter:
    """A `Writer`."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, input_size: int) -> None:
        self._model: Any = model.eval()
        self._tokenizer, self._backend = tokenizer, encoding.plain_backend(tokenizer)
        self._prompts, self._end = Prompts.of(tokenizer), int(tokenizer.eos_token_id)
        self._most = input_size - self._prompts.longest

    def write(self, asked: Sequence[Any]) -> list[Written]:
        found = self._generate(asked, self._prompts.longest, 0)
        return [self._written(ids) for ids in found]

    def just(self, asked: Sequence[Any], pieces: Sequence[int]) -> list[str]:
        found = self._generate(asked, max(pieces), max(pieces))
        return [self._text(ids[:count]) for ids, count in zip(found, pieces, strict=True)]

    def count(self, answer: str) -> int:
        return len(encoding.completion(self._backend, answer, self._end, self._prompts.longest))

    def forced(self, asked: Any, answer: str) -> np.ndarray:
        prompt = self._prompts.pieces(self._backend, asked, self._most)
        given = encoding.completion(self._backend, answer, self._end, self._prompts.longest)
        ids = torch.tensor([[*prompt, *given[:-1]]], device=self._model.device)
        with torch.inference_mode():
            logits = self._model(input_ids=ids, logits_to_keep=len(given)).logits
        found: np.ndarray = logits[0, -len(given) :].float().cpu().numpy()
        return found

    def use(self, threads: int) -> None:
        torch.set_num_threads(threads)

    def _generate(self, asked: Sequence[Any], most: int, least: int) -> list[list[int]]:
        """New pieces of each, prompts filled up before their begin."""
        prompts = [self._prompts.pieces(self._backend, one, self._most) for one in asked]
        longest, padding = max(map(len, prompts)), self._tokenizer.pad_token_id
        ids = torch.tensor([[padding] * (longest - len(one)) + one for one in prompts])
        mask = torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in prompts])
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
        new: list[list[int]] = found[:, longest:].tolist()
        return new

    def _written(self, ids: Sequence[int]) -> Written:
        ended = self._end in ids
        return Written(self._text(ids[: list(ids).index(self._end)] if ended else ids), ended)

    def _text(self, ids: Sequence[int]) -> str:
        text: str = self._backend.decode(list(ids), skip_special_tokens=True)
        return text.strip()
