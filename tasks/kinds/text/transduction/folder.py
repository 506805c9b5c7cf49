"""The shippable folder of an encoder-decoder model: what is in it beside the graph, and how it is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.kinds.base import fast_tokenizer
from tasks.kinds.text.common import texts
from tasks.kinds.text.common.writing import folder
from tasks.kinds.text.common.writing.encoding import plain_backend
from tasks.kinds.text.transduction.sources import Sources

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from tasks.kinds.text.common.writing.graph_writer import GraphWriter


def ship(place: Path, tokenizer: PreTrainedTokenizerBase, input_size: int) -> dict[str, Any]:
    """Writes tokenizer.json, which cuts texts at `input_size` pieces; what preprocessing.json says: how a
    text is put, what an answer begins behind, and what ends it.
    """
    sources = Sources.of(tokenizer)
    backend: Any = plain_backend(tokenizer)
    texts.compose(backend)
    backend.enable_truncation(input_size)
    backend.save(str(place / fast_tokenizer.FILE), pretty=False)
    backend.no_truncation()
    told = {"prompts": sources.facts(), "start": sources.first(backend)}
    return {**told, "stops": [int(tokenizer.eos_token_id)]}


class FolderWriter(folder.FolderWriter):
    """A `Writer`."""

    def __init__(self, place: Path, graph: Path, threads: int = 1) -> None:
        super().__init__(place, graph, threads)
        self._sources = Sources(**self._told["prompts"])
        self._tokenizer.no_truncation()

    def _open(self, graph: Path, threads: int) -> GraphWriter:
        from tasks.kinds.text.transduction.graph_writer import Writer

        return Writer(graph, threads, self._told["start"])

    def _prompt(self, asked: str) -> list[int]:
        return self._sources.read(self._tokenizer, asked, self._told["input_size"])

    def _completion(self, answer: str) -> list[int]:
        return self._sources.written(self._tokenizer, answer, self._stops[0])
