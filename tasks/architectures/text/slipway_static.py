"""Static embeddings, whose classes are in tasks/models/static_embeddings.py."""

from __future__ import annotations

from tasks.architectures.record import Architecture

ARCHITECTURE = Architecture(
    model_type="slipway_static",
    name="static embeddings",
    not_pruned="is a table and a sum already",
    dropouts=("dropout",),
    pretrained=False,
    takes_lora=False,
)
