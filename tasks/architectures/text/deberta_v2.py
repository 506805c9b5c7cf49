"""DeBERTa-v2 and v3 (He et al., 2021), which read their relative positions as a bare tensor."""

from __future__ import annotations

from typing import Any

from tasks.architectures.axes import FFN, HEADS, HIDDEN, POOLED, Table
from tasks.architectures.embeddings import no_projection
from tasks.architectures.record import Architecture, Encoder, Sliced


def _table(model: Any) -> Table:
    """Embeddings that are projected keep their width.

    Only a classifier of whole texts has a pooler before it.
    """
    projected, pooled = hasattr(model.base_model.embeddings.embed_proj, "weight"), hasattr(model, "pooler")
    return {
        r"(word|position|token_type)_embeddings": (None if projected else HIDDEN, None),
        r"embed_proj": (HIDDEN, None),
        r"rel_embeddings|LayerNorm": (HIDDEN, None),
        r"(query|key|value)_proj": (HEADS, HIDDEN),
        r"attention\.output\.dense": (HIDDEN, HEADS),
        r"intermediate\.dense": (FFN, HIDDEN),
        r"output\.dense": (HIDDEN, FFN),
        r"conv\.conv": (HIDDEN, HIDDEN),
        r"pooler\.dense": (POOLED, HIDDEN),
        r"classifier": (None, POOLED if pooled else HIDDEN),
    }


def _unsayable(config: Any, hidden: int) -> list[str]:
    grouped = getattr(config, "conv_kernel_size", 0) > 0 and getattr(config, "conv_groups", 1) != 1
    return no_projection(config, hidden) + (
        ["prune.hidden: its convolution has groups, which tie the channels; leave it out"] * grouped
    )


ARCHITECTURE = Architecture(
    model_type="deberta-v2",
    name="DeBERTa-v2 and v3",
    layout=Encoder(
        layers="encoder.layer",
        attention=("attention.self.query_proj", "attention.self.key_proj", "attention.self.value_proj"),
        narrowing=Sliced(_table),
        also_hidden=("embedding_size", "pooler_hidden_size"),
        unsayable=_unsayable,
    ),
    # cls_dropout stands in a config.json, or nowhere: the class of the config has no such field.
    dropouts=("hidden_dropout_prob", "attention_probs_dropout_prob", "cls_dropout"),
)
