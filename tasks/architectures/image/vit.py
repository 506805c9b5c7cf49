"""ViT (Dosovitskiy et al., 2021)."""

from __future__ import annotations

from tasks.architectures.record import Architecture, Encoder, Traced

ARCHITECTURE = Architecture(
    model_type="vit",
    name="ViT",
    layout=Encoder(
        layers="layers",
        attention=("attention.q_proj", "attention.k_proj", "attention.v_proj"),
        narrowing=Traced(ffn="mlp.fc1", loose=("embeddings.cls_token", "embeddings.position_embeddings")),
        also_hidden=("pooler_output_size",),
        vocabulary=False,
    ),
    dropouts=("hidden_dropout_prob", "attention_probs_dropout_prob"),
)
