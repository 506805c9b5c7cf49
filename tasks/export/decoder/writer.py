"""Writes texts with the graph of a decoder: numpy and onnxruntime are all that it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from tasks.core.errors import ModelError
from tasks.export.decoder.nodes import LONGEST

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
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self._longest = int(self._session.get_modelmeta().custom_metadata_map[LONGEST])
        ports = [one for one in self._session.get_inputs() if one.name.startswith("past.")]
        self._nothing = {one.name: np.zeros((1, one.shape[1], 0, one.shape[3]), np.float32) for one in ports}
        self._kept = [one.name.replace("present.", "past.") for one in self._session.get_outputs()[1:]]

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
