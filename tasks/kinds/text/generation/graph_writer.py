"""Writes texts with the graph of a decoder: numpy and onnxruntime are all that it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from tasks.core.errors import ModelError
from tasks.kinds.base.generation import LONGEST

Choose = Callable[[np.ndarray], int]
"""Logits (c,) -> the next piece."""


def likeliest(logits: np.ndarray) -> int:
    """Greedy decoding."""
    return int(logits.argmax())


def drawn(temperature: float, top_p: float, seed: int) -> Choose:
    """Pieces by chance: of the likeliest that together have the probability `top_p`.

    Holtzman et al., The Curious Case of Neural Text Degeneration (2020).
    """
    chance = np.random.default_rng(seed)

    def choose(logits: np.ndarray) -> int:
        shares = np.exp((logits - logits.max()) / temperature)
        shares /= shares.sum()
        order = np.argsort(-shares, kind="stable")
        kept = order[: int(np.searchsorted(np.cumsum(shares[order]), top_p)) + 1]
        return int(chance.choice(kept, p=shares[kept] / shares[kept].sum()))

    return choose


class Writer:
    """Writes on behind a prompt."""

    def __init__(self, file: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self._longest = int(self._session.get_modelmeta().custom_metadata_map[LONGEST])
        ports = [one for one in self._session.get_inputs() if one.name.startswith("past.")]
        self._nothing = {one.name: np.zeros((1, one.shape[1], 0, one.shape[3]), np.float32) for one in ports}
        self._kept = [one.name.replace("present.", "past.") for one in self._session.get_outputs()[1:]]

    def forced(self, prompt: Sequence[int], answer: Sequence[int]) -> np.ndarray:
        """Logits (m, c) before each piece of an answer that is given, one piece after the other."""
        given = iter(answer[:-1])
        found: list[np.ndarray] = []

        def next_given(logits: np.ndarray) -> int:
            found.append(logits)
            return next(given, 0)

        for _ in self.pieces(prompt, len(answer), choose=next_given):
            pass
        return np.stack(found)

    def side_by_side(self, prompts: Sequence[Sequence[int]], count: int) -> list[list[int]]:
        """So many likeliest pieces behind each prompt, whatever they are."""
        lengths = np.array([len(one) for one in prompts], np.int64)
        new = np.zeros((len(prompts), int(lengths.max())), np.int64)
        for place, prompt in enumerate(prompts):
            new[place, : len(prompt)] = prompt
        cache: dict[str, Any] = {
            name: np.zeros((len(prompts), *one.shape[1:]), np.float32) for name, one in self._nothing.items()
        }
        found: list[list[int]] = [[] for _ in prompts]
        for _ in range(count):
            logits, *states = self._session.run(None, {**cache, "input_ids": new, "lengths": lengths})
            best = logits.argmax(-1)
            for row, piece in zip(found, best.tolist(), strict=True):
                row.append(piece)
            cache = dict(zip(self._kept, states, strict=True))
            new, lengths = best[:, None], lengths + 1
        return found

    def pieces(
        self, prompt: Sequence[int], most: int, stops: Sequence[int] = (), choose: Choose = likeliest
    ) -> Iterator[int]:
        """At most so many pieces behind a prompt, as they come, up to one that stops; it is not given.

        Raises:
            ModelError: the graph was not made for so many.
        """
        if len(prompt) + most > self._longest:
            raise ModelError(
                "model.onnx", f"is for {self._longest} pieces, not for {len(prompt)} and {most} behind them"
            )
        cache: dict[str, Any] = dict(self._nothing)
        new, length = np.array([prompt], np.int64), len(prompt)
        for _ in range(most):
            given = {**cache, "input_ids": new, "lengths": np.array([length], np.int64)}
            logits, *states = self._session.run(None, given)
            if (found := choose(logits[0])) in stops:
                return
            yield found
            cache = dict(zip(self._kept, states, strict=True))
            new, length = np.array([[found]], np.int64), length + 1
