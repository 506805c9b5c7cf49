"""Writes texts with the graph of a decoder: numpy and onnxruntime are all that it takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.core.errors import ModelError
from tasks.kinds.text.common.writing.graph_writer import Choose, GraphWriter, likeliest


class Writer(GraphWriter):
    """Writes on behind a prompt."""

    def __init__(self, file: Path, threads: int) -> None:
        super().__init__(file, threads)
        self._kept = [one.name.replace("present.", "past.") for one in self._session.get_outputs()[1:]]

    def side_by_side(self, prompts: Sequence[Sequence[int]], count: int) -> list[list[int]]:
        """So many likeliest pieces behind each prompt, whatever they are."""
        lengths = np.array([len(one) for one in prompts], np.int64)
        new = np.zeros((len(prompts), int(lengths.max())), np.int64)
        for place, prompt in enumerate(prompts):
            new[place, : len(prompt)] = prompt
        cache: dict[str, Any] = dict(self._empty("past.", len(prompts)))
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
        cache: dict[str, Any] = dict(self._empty("past.", 1))
        new, length = np.array([prompt], np.int64), len(prompt)
        for _ in range(most):
            given = {**cache, "input_ids": new, "lengths": np.array([length], np.int64)}
            logits, *states = self._session.run(None, given)
            if (found := choose(logits[0])) in stops:
                return
            yield found
            cache = dict(zip(self._kept, states, strict=True))
            new, length = np.array([[found]], np.int64), length + 1
