"""A checkpoint as a shippable folder like another one: what its graph and format alone would have given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from tasks.export import int4_table, onnx_graph, package
from tasks.kinds.base.kind import Kind, Row
from tasks.models import checkpoint

FACTS = ("kind", "input_size", "words")
"""What stands between an input and the graph, whatever its form."""


def ship(
    student: Path,
    folder: Path,
    kind: Kind,
    rows: Sequence[Row],
    labels: Sequence[str],
    told: Mapping[str, Any],
) -> Path:
    """Writes and returns `folder`.

    Args:
        student: the checkpoint.
        rows: labelled rows, the first of which are what int8-static takes its ranges from.
        told: what preprocessing.json of the other folder says.
    """
    processor = kind.model.load_processor(student)
    package.write_preprocessing(
        folder, kind, processor, labels, {name: told[name] for name in FACTS if name in told}
    )
    model = checkpoint.load_model(student, kind, torch.device("cpu"), attn_implementation="eager")
    features = kind.model.encode(
        processor, rows[: max(2, told["calibration_rows"])], labels, told["input_size"]
    )
    form = told.get("graph", "exported")
    graph = onnx_graph.float_graph(
        model, kind, processor, features[:2], folder.with_suffix(".onnx"), form, told["input_size"]
    )
    if told.get("embeddings") == "int4":
        graph = int4_table.pack_words(graph)
    onnx_graph.convert(
        graph, folder / package.GRAPH, told["format"], onnx_graph.calibration(kind, processor, features)
    )
    return folder
