"""The shippable folder of a language model: what is in it beside the graph, and how it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.kinds.base import fast_tokenizer
from tasks.kinds.text.common import texts
from tasks.kinds.text.common.writing import folder
from tasks.kinds.text.common.writing.encoding import plain_backend
from tasks.kinds.text.generation import encoding
from tasks.kinds.text.generation.prompts import Prompts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from tasks.kinds.text.common.writing.graph_writer import GraphWriter


def ship(place: Path, tokenizer: PreTrainedTokenizerBase, input_size: int) -> dict[str, Any]:
    """Writes tokenizer.json; what preprocessing.json says: how a prompt is put, and what ends an answer."""
    backend: Any = plain_backend(tokenizer)
    texts.compose(backend)
    backend.save(str(place / fast_tokenizer.FILE), pretty=False)
    return {"prompts": Prompts.of(tokenizer).facts(), "stops": [int(tokenizer.eos_token_id)]}


class FolderWriter(folder.FolderWriter):
    """A `Writer`."""

    def __init__(self, place: Path, graph: Path, threads: int = 1) -> None:
        super().__init__(place, graph, threads)
        self._prompts = Prompts(**self._told["prompts"])
        self._most = self._told["input_size"] - self._prompts.longest

    def _open(self, graph: Path, threads: int) -> GraphWriter:
        from tasks.kinds.text.generation.graph_writer import Writer

        return Writer(graph, threads)

    def _prompt(self, asked: str) -> list[int]:
        return self._prompts.pieces(self._tokenizer, asked, self._most)

    def _completion(self, answer: str) -> list[int]:
        return encoding.completion(self._tokenizer, answer, self._stops[0], self._prompts.longest)
