"""DistilBERT (Sanh et al., 2019)."""

from __future__ import annotations

from tasks.architectures.record import Architecture, Encoder, Traced

ARCHITECTURE = Architecture(
    model_type="distilbert",
    name="DistilBERT",
    layout=Encoder(
        layers="transformer.layer",
        attention=("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        narrowing=Traced(ffn="ffn.lin1"),
        ffn_size="hidden_dim",
    ),
    dropouts=("seq_classif_dropout", "dropout", "attention_dropout"),
)
