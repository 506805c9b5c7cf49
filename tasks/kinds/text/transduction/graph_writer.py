"""Writes texts with the graph of an encoder-decoder model: numpy and onnxruntime are all that it takes.

A text is read once; then the graph is asked for one piece after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.core.errors import ModelError
from tasks.kinds.text.common.writing.graph_writer import Choose, GraphWriter, likeliest


class Writer(GraphWriter):
    """Writes what it makes of a text."""

    def __init__(self, file: Path, threads: int, start: int) -> None:
        super().__init__(file, threads)
        self._start = start
        names = [one.name for one in self._session.get_outputs()]
        self._encoded = [name for name in names if name.startswith("encoded.")]
        self._present = [name for name in names if name.startswith("present.")]

    def side_by_side(self, prompts: Sequence[Sequence[int]], count: int) -> list[list[int]]:
        """So many likeliest pieces for each text, whatever they are."""
        read, cache = self._read(prompts), dict[str, Any](self._empty("past.", len(prompts)))
        new = np.full((len(prompts), 1), self._start, np.int64)
        found: list[list[int]] = [[] for _ in prompts]
        for _ in range(count):
            logits, cache = self._next(read, cache, new)
            best = logits.argmax(-1)
            for row, piece in zip(found, best.tolist(), strict=True):
                row.append(piece)
            new = best[:, None]
        return found

    def pieces(
        self, prompt: Sequence[int], most: int, stops: Sequence[int] = (), choose: Choose = likeliest
    ) -> Iterator[int]:
        """At most so many pieces of what is made of a text, as they come, up to one that stops; it is not
        given.

        Raises:
            ModelError: the graph was not made for so long a text.
        """
        if len(prompt) > self._longest:
            raise ModelError("model.onnx", f"reads {self._longest} pieces, not {len(prompt)}")
        read, cache, piece = self._read([prompt]), dict[str, Any](self._empty("past.", 1)), self._start
        for _ in range(most):
            logits, cache = self._next(read, cache, np.array([[piece]], np.int64))
            if (piece := choose(logits[0])) in stops:
                return
            yield piece

    def _read(self, prompts: Sequence[Sequence[int]]) -> dict[str, Any]:
        """What the decoder looks at of each text."""
        rows, lengths = len(prompts), np.array([len(one) for one in prompts], np.int64)
        ids = np.zeros((rows, int(lengths.max())), np.int64)
        for place, prompt in enumerate(prompts):
            ids[place, : len(prompt)] = prompt
        given = {"input_ids": ids, "lengths": lengths, "decoder_input_ids": np.zeros((rows, 1), np.int64)}
        empty = {**self._empty("cross.", rows), **self._empty("past.", rows)}
        found = self._session.run(self._encoded, {**given, **empty})
        names = [name.replace("encoded.", "cross.") for name in self._encoded]
        # What was read need not be given again.
        return {**dict(zip(names, found, strict=True)), "input_ids": ids[:, :0], "lengths": lengths}

    def _next(
        self, read: dict[str, Any], cache: dict[str, Any], new: np.ndarray
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Logits (n, c) behind new pieces (n, 1), and the cache that goes on."""
        given = {**read, **cache, "decoder_input_ids": new}
        logits, *kept = self._session.run(["logits", *self._present], given)
        return logits, dict(zip(cache, kept, strict=True))
