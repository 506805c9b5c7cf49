"""A checkpoint as a shippable folder like another one: what its graph and format alone would have given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.export import draft
from tasks.kinds.base.kind import Kind, Row

BLOCKS = "int8"
FACTS = ("kind", "input_size", "words")
"""What stands between an input and the graph, whatever its form."""


def as_int8(told: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """What preprocessing.json says, with a format of eight bits."""
    usual = BLOCKS if BLOCKS in kind.package.formats else "int8-dynamic"
    return {**told, "format": told["format"] if told["format"].startswith("int8") else usual}


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
    form = draft.Form(
        told["input_size"],
        told.get("graph", "exported"),
        told["format"],
        told.get("embeddings", "as_format"),
        told["calibration_rows"],
    )
    facts = {name: told[name] for name in FACTS if name in told}
    begun = draft.begin(
        student, folder, kind, labels, form, facts, rows[:2], rows, folder.with_suffix(".onnx")
    )
    return begun.finish()
