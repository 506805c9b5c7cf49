"""What a kind says of models that write: what their answers come from, and what is told of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tasks.kinds.base.rows import Processor, Row

if TYPE_CHECKING:
    import numpy as np
    from transformers import PreTrainedModel


LONGEST = "longest"
"""The property of a graph with a cache that says how many pieces a text has at most."""


@dataclass(frozen=True)
class Written:
    """An answer."""

    text: str
    ended: bool
    """Whether the model ended it, and not the greatest length."""


class Writer(Protocol):
    """A model that writes, by greedy decoding. An input is as a user has it."""

    def write(self, asked: Sequence[Any]) -> list[Written]:
        """The answers to some inputs."""

    def just(self, asked: Sequence[Any], pieces: Sequence[int]) -> list[str]:
        """Answers of so many pieces each, whatever ends a text: what is timed."""

    def pieces_of(self, answer: str) -> list[int]:
        """The numbers of the pieces of an answer, its end among them; of a longer one the first."""

    def count(self, answer: str) -> int:
        """How many they are."""

    def forced(self, asked: Any, answer: str) -> np.ndarray:
        """Logits (m, c) before each piece of an answer that is given, its end among them."""

    def use(self, threads: int) -> None:
        """Sets how many processor threads the next calls have."""


@dataclass(frozen=True)
class Generation:
    """Of kinds whose models write their answers piece by piece. `n` rows."""

    shipped: Callable[[Path, Path], Writer]
    """(shippable folder, its graph or one like it) -> what writes with it, without torch or transformers."""
    checkpoint: Callable[[PreTrainedModel, Processor, int], Writer]
    """(model, its processor, input size) -> the same in torch."""
    answered: Callable[[PreTrainedModel, Processor, Sequence[Row], int, Any], list[Row]]
    """(model, its processor, unlabelled rows, input size, options) -> the rows with the model's answers as
    labels, for students to learn from; as they are where options do not ask for it."""
    nearest: Callable[[Sequence[Row], Sequence[Row]], list[str]]
    """(training rows, others) -> to each of the others the completion of the training row that is nearest to
    it: an answer without a model."""
    traits: Callable[[Sequence[Row], Sequence[str]], Mapping[str, np.ndarray]]
    """(rows, answers to them) -> what is told of answers beside their quality: numbers (n,) by name, whose
    means are shown."""
