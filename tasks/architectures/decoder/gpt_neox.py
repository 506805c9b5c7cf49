"""GPT-NeoX (Black et al., 2022), such as Pythia: attention and feed-forward part side by side."""

from __future__ import annotations

from tasks.architectures.record import Architecture, Decoder

ARCHITECTURE = Architecture(
    model_type="gpt_neox",
    name="GPT-NeoX (and Pythia)",
    layout=Decoder(
        layers="layers",
        embeddings="embed_in",
        last_norm="final_layer_norm",
        attention=("attention.query_key_value",),
        joined="attention.dense",
        ffn=("mlp.dense_h_to_4h", "mlp.dense_4h_to_h"),
        norms=("input_layernorm", "post_attention_layernorm"),
        fused="head by head",
        epsilon="layer_norm_eps",
        centred=True,
    ),
    dropouts=("hidden_dropout", "attention_dropout"),
)
