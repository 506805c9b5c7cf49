"""The graph of a model that writes in the form that ships, and what of it may stay in a finer one.

The finer form of 4-bit blocks are 8-bit blocks, that of 8 bits 32-bit floats.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedModel

from tasks.architectures import catalog
from tasks.architectures.record import Decoder, EncoderDecoder
from tasks.export import package
from tasks.export.decoder import graph
from tasks.export.decoder.products import BITS, Form, FormOf
from tasks.export.encoder_decoder import graph as encoder_decoder_graph
from tasks.kinds.base.kind import Processor

FINER: dict[Form, Form] = {"int4": "int8", "int8": "fp32", "int8-dynamic": "fp32", "fp32": "fp32"}
AS_FORMAT = "as_format"
BUILDERS: dict[type, Callable[[PreTrainedModel, int, FormOf, Path], list[str]]] = {
    Decoder: graph.build,
    EncoderDecoder: encoder_decoder_graph.build,
}
"""Layout -> what writes the graph of a model, and names its matrices."""


@dataclass(frozen=True)
class DecoderDraft:
    """A `Draft` of a model that writes."""

    folder: Path
    model: PreTrainedModel
    processor: Processor
    longest: int
    """Pieces of a text that is read; where the answer goes on behind it, with those of the answer."""
    form: Form
    table: Form
    float_graph: Path
    names: Collection[str]
    """Of its matrices."""

    def operators(self) -> list[str]:
        """The matrices that the format changes, and that may be finer."""
        return [] if self.form == "fp32" else sorted({*self.names} - {graph.TABLE})

    def write(self, file: Path, spared: Collection[str] = (), only: Collection[str] = ()) -> None:
        """Writes the graph with `spared` matrices finer, or with `only` these not in 32-bit floats."""

        def form_of(name: str) -> Form:
            if only:
                return self.form if name in only else "fp32"
            if name == graph.TABLE:
                return self.table
            return FINER[self.form] if name in spared else self.form

        build(self.model, self.longest, form_of, file)

    def finish(self) -> Path:
        """Writes the graph into the folder, unchecked, and returns the folder."""
        self.write(self.folder / package.GRAPH)
        return self.folder


def begin(
    folder: Path,
    model: PreTrainedModel,
    processor: Processor,
    longest: int,
    form: Form,
    table: str,
    float_graph: Path,
) -> DecoderDraft:
    """Writes the float graph; `table` is the form of the table of pieces, or `as_format`."""
    names = build(model, longest, lambda _: "fp32", float_graph)
    return DecoderDraft(folder, model, processor, longest, form, _table(form, table), float_graph, names)


def writes(model: PreTrainedModel) -> bool:
    """Whether there is such a graph of the model."""
    return type(catalog.of(model.config).layout) in BUILDERS


def build(model: PreTrainedModel, longest: int, form_of: FormOf, file: Path) -> list[str]:
    """Writes the graph of a model, its matrices in these forms; their names."""
    return BUILDERS[type(catalog.of(model.config).layout)](model, longest, form_of, file)


def _table(form: Form, asked: str) -> Form:
    """Of whole numbers only blocks can be looked up."""
    if asked != AS_FORMAT:
        return "int4" if asked == "int4" else "int8"
    return form if form in BITS or form == "fp32" else "int8"
