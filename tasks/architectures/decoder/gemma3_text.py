"""Gemma 3 (Gemma Team, 2025), its text model: normalizations before and behind, local attention mostly."""

from __future__ import annotations

from dataclasses import replace

from tasks.architectures.decoder.llama import LAYOUT as LLAMA
from tasks.architectures.record import Architecture

ARCHITECTURE = Architecture(
    model_type="gemma3_text",
    name="Gemma 3 (text)",
    layout=replace(
        LLAMA,
        norms=("input_layernorm", "pre_feedforward_layernorm"),
        norms_behind=("post_attention_layernorm", "post_feedforward_layernorm"),
        head_norms=("self_attn.q_norm", "self_attn.k_norm"),
        activation="hidden_activation",
        counts_from_one=True,
        per_layer=("layer_types",),
    ),
    dropouts=("attention_dropout",),
)
