"""What writers with a graph have in common: how a piece is chosen, and the session. numpy and onnxruntime are
all that it takes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import onnxruntime

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


class GraphWriter(ABC):
    """Writes with the graph in a file."""

    def __init__(self, file: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        self._longest = int(self._session.get_modelmeta().custom_metadata_map[LONGEST])

    @abstractmethod
    def pieces(
        self, prompt: Sequence[int], most: int, stops: Sequence[int] = (), choose: Choose = likeliest
    ) -> Iterator[int]:
        """At most so many pieces of an answer, as they come, up to one that stops; it is not given.

        Raises:
            ModelError: the graph was not made for so many.
        """

    @abstractmethod
    def side_by_side(self, prompts: Sequence[Sequence[int]], count: int) -> list[list[int]]:
        """So many likeliest pieces for each prompt, whatever they are."""

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

    def _empty(self, prefix: str, rows: int) -> dict[str, np.ndarray]:
        """A cache in which nothing is yet: the inputs whose names begin so, (rows, heads, 0, width)."""
        ports = [one for one in self._session.get_inputs() if one.name.startswith(prefix)]
        return {one.name: np.zeros((rows, one.shape[1], 0, one.shape[3]), np.float32) for one in ports}
