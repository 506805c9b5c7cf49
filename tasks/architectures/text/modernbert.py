"""ModernBERT (Warner et al., 2024): fused queries, keys and values, a gated feed-forward part."""

from __future__ import annotations

from typing import Any

from tasks.architectures.axes import FFN, HEADS, HIDDEN, POOLED, Axis, Table
from tasks.architectures.record import Architecture, Encoder, Sliced


def _table(model: Any) -> Table:
    return {
        r"tok_embeddings": (HIDDEN, None),
        r"head\.norm": (POOLED, None),
        r"norm": (HIDDEN, None),
        # e.g. (2304, 768): queries, keys and values of 768 each
        r"attn\.Wqkv": (Axis("heads", 3, in_each_layer=True), HIDDEN),
        r"attn\.Wo": (HIDDEN, HEADS),
        # e.g. (2304, 768): 1152 values and as many gates
        r"mlp\.Wi": (Axis("ffn", 2, in_each_layer=True), HIDDEN),
        r"mlp\.Wo": (HIDDEN, FFN),
        r"head\.dense": (POOLED, HIDDEN),
        r"classifier": (None, POOLED),
    }


ARCHITECTURE = Architecture(
    model_type="modernbert",
    name="ModernBERT",
    layout=Encoder(
        layers="layers",
        attention=("attn.Wqkv",),  # before the rotation by which it tells positions
        narrowing=Sliced(_table),
        per_layer=("layer_types",),
        first_stays=True,
    ),
    dropouts=("classifier_dropout", "attention_dropout", "embedding_dropout", "mlp_dropout"),
)
