"""Qwen2 (Yang et al., 2024): Llama with biases of queries, keys and values."""

from __future__ import annotations

from dataclasses import replace

from tasks.architectures.decoder.llama import LAYOUT as LLAMA
from tasks.architectures.record import Architecture

ARCHITECTURE = Architecture(
    model_type="qwen2",
    name="Qwen2",
    layout=replace(LLAMA, per_layer=("layer_types",)),
    dropouts=("attention_dropout",),
)
