"""Llama (Touvron et al., 2023), and what is built as it is, such as SmolLM2."""

from __future__ import annotations

from tasks.architectures.record import Architecture, Decoder

LAYOUT = Decoder(
    layers="layers",
    embeddings="embed_tokens",
    last_norm="norm",
    attention=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    joined="self_attn.o_proj",
    ffn=("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj"),
    norms=("input_layernorm", "post_attention_layernorm"),
)
ARCHITECTURE = Architecture(
    model_type="llama",
    name="Llama (and SmolLM2)",
    layout=LAYOUT,
    dropouts=("attention_dropout",),
)
