"""The shippable folder of a model that writes, asked with numpy, onnxruntime and tokenizers alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.errors import DataError
from tasks.kinds.base.generation import Written
from tasks.kinds.base.rows import Row
from tasks.kinds.text.common import texts

if TYPE_CHECKING:
    from tasks.kinds.text.common.writing.graph_writer import Choose, GraphWriter

SHOWN = 240
"""Characters of a prompt that a table shows."""


class FolderWriter(ABC):
    """A `Writer`. What is asked and answered becomes pieces as the kind has it."""

    def __init__(self, folder: Path, graph: Path, threads: int = 1) -> None:
        self._told = texts.told(folder)
        self._tokenizer = texts.shipped_tokenizer(folder)
        self._stops: list[int] = self._told["stops"]
        self._longest: int = self._told["prompts"]["longest"]
        self._graph = graph
        self._opened: dict[int, GraphWriter] = {}
        self.use(threads)

    @abstractmethod
    def _open(self, graph: Path, threads: int) -> GraphWriter:
        """What writes with the graph."""

    @abstractmethod
    def _prompt(self, asked: str) -> list[int]:
        """The pieces of what is asked."""

    @abstractmethod
    def _completion(self, answer: str) -> list[int]:
        """The pieces of an answer, its end among them."""

    def write(self, asked: Sequence[Any]) -> list[Written]:
        return [self._written([*self._pieces(one, None)]) for one in asked]

    def just(self, asked: Sequence[Any], pieces: Sequence[int]) -> list[str]:
        prompts = [self._prompt(texts.whole(one)) for one in asked]
        found = self._writer.side_by_side(prompts, max(pieces))
        return [self._text(ids[:count]) for ids, count in zip(found, pieces, strict=True)]

    def pieces_of(self, answer: str) -> list[int]:
        return self._completion(answer)

    def count(self, answer: str) -> int:
        return len(self._completion(answer))

    def forced(self, asked: Any, answer: str) -> np.ndarray:
        return self._writer.forced(self._prompt(texts.whole(asked)), self._completion(answer))

    def use(self, threads: int) -> None:
        if threads not in self._opened:
            self._opened[threads] = self._open(self._graph, threads)
        self._writer = self._opened[threads]

    def stream(self, asked: Any, choose: Choose | None = None) -> Iterator[str]:
        """An answer as it is written, a part at a time."""
        ids: list[int] = []
        shown = ""
        for piece in self._pieces(asked, choose):
            ids.append(piece)
            whole = self._tokenizer.decode(ids)
            if not whole.endswith("\ufffd"):
                yield whole[len(shown) :]
                shown = whole

    def _pieces(self, asked: Any, choose: Choose | None) -> Iterator[int]:
        from tasks.kinds.text.common.writing.graph_writer import likeliest

        prompt = self._prompt(texts.whole(asked))
        return self._writer.pieces(prompt, self._longest, self._stops, choose or likeliest)

    def _written(self, ids: Sequence[int]) -> Written:
        return Written(self._text(ids), len(ids) < self._longest)

    def _text(self, ids: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(ids))).strip()


def request(folder: Path) -> Callable[[Any], tuple[dict[str, np.ndarray], None]]:
    """None: an answer takes the graph many times."""
    raise DataError(folder.as_posix(), "writes its answers; ask `Generation.shipped` of the kind")


def answer_line(asked: str, answer: Any, labels: Sequence[str], facts: Mapping[str, Any]) -> str:
    """The answer as it is."""
    return str(answer)


def answer(asked: str, answer: Any, labels: Sequence[str], facts: Mapping[str, Any]) -> dict[str, Any]:
    """The same for programs."""
    return {"answer": answer}


def mistake(row: Row, answers: np.ndarray, truth: np.ndarray, labels: Sequence[str]) -> dict[str, str]:
    """The prompt's begin, the right answer and the one that was written."""
    text = str(row["text"])
    begin = f"{text[:SHOWN]}…" if len(text) > SHOWN else text
    return {"text": begin, "label": str(truth[0]), "answer": str(answers[0])}
