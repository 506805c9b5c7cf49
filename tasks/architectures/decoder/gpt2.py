"""GPT-2 (Radford et al., 2019): learnt positions, queries, keys and values from one module."""

from __future__ import annotations

from tasks.architectures.record import Architecture, Decoder

ARCHITECTURE = Architecture(
    model_type="gpt2",
    name="GPT-2",
    layout=Decoder(
        layers="h",
        embeddings="wte",
        last_norm="ln_f",
        attention=("attn.c_attn",),
        joined="attn.c_proj",
        ffn=("mlp.c_fc", "mlp.c_proj"),
        norms=("ln_1", "ln_2"),
        positions="wpe",
        fused="side by side",
        activation="activation_function",
        ffn_size="n_inner",
        epsilon="layer_norm_epsilon",
        centred=True,
        transposed=True,
    ),
    dropouts=("embd_pdrop", "resid_pdrop", "attn_pdrop"),
)
