"""Qwen3 (Yang et al., 2025): Llama that normalizes the queries and keys of each head."""

from __future__ import annotations

from dataclasses import replace

from tasks.architectures.decoder.llama import LAYOUT as LLAMA
from tasks.architectures.record import Architecture

ARCHITECTURE = Architecture(
    model_type="qwen3",
    name="Qwen3",
    layout=replace(LLAMA, head_norms=("self_attn.q_norm", "self_attn.k_norm"), per_layer=("layer_types",)),
    dropouts=("attention_dropout",),
)
