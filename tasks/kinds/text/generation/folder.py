"""The shippable folder of a model that writes: what is in it beside the graph, and how it is asked, with
numpy, onnxruntime and tokenizers alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.core.errors import DataError
from tasks.kinds.base import fast_tokenizer
from tasks.kinds.base.generation import Written
from tasks.kinds.base.rows import Row
from tasks.kinds.text.common import texts
from tasks.kinds.text.generation import encoding
from tasks.kinds.text.generation.prompts import Prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from tasks.kinds.text.generation.graph_writer import Choose

SHOWN = 240
"""Characters of a prompt that a table shows."""


def ship(folder: Path, tokenizer: PreTrainedTokenizerBase, input_size: int) -> dict[str, Any]:
    """Writes tokenizer.json; what preprocessing.json says: how a prompt is put, and what ends an answer."""
    backend: Any = encoding.plain_backend(tokenizer)
    texts.compose(backend)
    backend.save(str(folder / fast_tokenizer.FILE), pretty=False)
    return {"prompts": Prompts.of(tokenizer).facts(), "stops": [int(tokenizer.eos_token_id)]}


class FolderWriter:
    """A `Writer`."""

    def __init__(self, folder: Path, graph: Path, threads: int = 1) -> None:
        told = texts.told(folder)
        self._tokenizer = texts.shipped_tokenizer(folder)
        self._prompts = Prompts(**told["prompts"])
        self._stops: list[int] = told["stops"]
        self._most = told["input_size"] - self._prompts.longest
        self._graph, self._opened = graph, dict[int, Any]()
        self.use(threads)

    def write(self, asked: Sequence[Any]) -> list[Written]:
        return [self._written([*self._pieces(one, None)]) for one in asked]

    def just(self, asked: Sequence[Any], pieces: Sequence[int]) -> list[str]:
        found = self._writer.side_by_side([self._prompt(one) for one in asked], max(pieces))
        return [self._text(ids[:count]) for ids, count in zip(found, pieces, strict=True)]

    def count(self, answer: str) -> int:
        return len(self._completion(answer))

    def forced(self, asked: Any, answer: str) -> np.ndarray:
        found: np.ndarray = self._writer.forced(self._prompt(asked), self._completion(answer))
        return found

    def use(self, threads: int) -> None:
        from tasks.kinds.text.generation.graph_writer import Writer

        if threads not in self._opened:
            self._opened[threads] = Writer(self._graph, threads)
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
        from tasks.kinds.text.generation.graph_writer import likeliest

        prompt = self._prompt(asked)
        pieces: Iterator[int] = self._writer.pieces(
            prompt, self._prompts.longest, self._stops, choose or likeliest
        )
        return pieces

    def _written(self, ids: Sequence[int]) -> Written:
        return Written(self._text(ids), len(ids) < self._prompts.longest)

    def _prompt(self, asked: Any) -> list[int]:
        return self._prompts.pieces(self._tokenizer, texts.whole(asked), self._most)

    def _completion(self, answer: str) -> list[int]:
        return encoding.completion(self._tokenizer, answer, self._stops[0], self._prompts.longest)

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
