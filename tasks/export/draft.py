"""A checkpoint as a shippable folder, built in two steps: all but the graph, then the graph in its format.

Quantize builds the folder that ships so, and the benchmark the variants that it is compared with.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

from tasks.export import decoder_draft, int4_table, int8_table, onnx_graph, package
from tasks.export.decoder_draft import DecoderDraft
from tasks.kinds.base.kind import Kind, Processor, Row
from tasks.models import checkpoint

PACKED = {"int4": int4_table.pack_words, "int8": int8_table.pack_words}
"""Form of the table of words -> writes a float graph's copy with the table in it."""


@dataclass(frozen=True)
class Form:
    """The values of params.yaml (`quantize`) that decide how the folder of a checkpoint looks."""

    input_size: int
    graph: str
    format: str
    embeddings: str
    calibration_rows: int


@dataclass(frozen=True)
class Draft:
    """A folder that lacks its graph only, and the float graph that it is made of."""

    folder: Path
    form: Form
    model: PreTrainedModel
    """The checkpoint in torch, on the CPU."""
    processor: Processor
    float_graph: Path
    """Computes as the model does: its table of words is not packed."""
    calibration: Sequence[dict[str, np.ndarray]]
    """What the graph reads of each row that int8-static takes its ranges from."""

    @cached_property
    def source(self) -> Path:
        """The float graph as it is converted: its table of words packed, where the form says so."""
        pack = PACKED.get(self.form.embeddings)
        return pack(self.float_graph) if pack else self.float_graph

    def operators(self) -> list[str]:
        """The names of the operators that the format changes."""
        return onnx_graph.operators(self.source, self.form.format)

    def write(self, file: Path, spared: Collection[str] = (), only: Collection[str] = ()) -> None:
        """Writes the graph in its format, with `spared` operators in float, or with `only` these changed."""
        onnx_graph.convert(self.source, file, self.form.format, self.calibration, spared, only)

    def finish(self) -> Path:
        """Writes the graph into the folder, unchecked, and returns the folder."""
        self.write(self.folder / package.GRAPH)
        return self.folder


def begin(
    student: Path,
    folder: Path,
    kind: Kind,
    labels: Sequence[str],
    form: Form,
    facts: Mapping[str, Any],
    traced: Sequence[Row],
    seen: Sequence[Row],
    float_graph: Path,
) -> Draft | DecoderDraft:
    """Writes labels, preprocessing and processor into `folder`, and the float graph into its file.

    Args:
        student: the checkpoint.
        facts: what preprocessing.json says beside what the kind adds; `input_size` is among it.
        traced: two rows, which are traced.
        seen: training rows; int8-static takes its ranges from the first `form.calibration_rows` of them.
    """
    processor = kind.model.load_processor(student)
    model = checkpoint.load_model(student, kind, torch.device("cpu"), attn_implementation="eager")
    package.write_preprocessing(folder, kind, processor, labels, facts)
    if decoder_draft.writes(model):
        size, format_, table = form.input_size, form.format, form.embeddings
        return decoder_draft.begin(folder, model, processor, size, format_, table, float_graph)  # type: ignore[arg-type]
    encoded = [
        kind.model.encode(processor, rows, labels, form.input_size)
        for rows in (traced, seen[: form.calibration_rows])
    ]
    made = onnx_graph.float_graph(
        model, kind, processor, encoded[0], float_graph, form.graph, form.input_size
    )
    ranges = onnx_graph.calibration(kind, processor, encoded[1])
    return Draft(folder, form, model, processor, made, ranges)
