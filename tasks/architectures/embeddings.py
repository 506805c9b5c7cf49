"""Embeddings that may be narrower than the layers, with a projection between."""

from __future__ import annotations

from typing import Any


def no_projection(config: Any, hidden: int) -> list[str]:
    """Why the hidden width cannot be that of the embeddings: the classes of transformers leave the projection
    out where both are equal.
    """
    if (
        getattr(config, "embedding_size", config.hidden_size) == config.hidden_size
        or hidden != config.embedding_size
    ):
        return []
    return [
        f"prune.hidden = {hidden}: is the width of the embeddings, and then the architecture has no "
        "projection; take another"
    ]


def projected(model: Any) -> list[Any]:
    """The modules of embeddings that a projection widens: they keep their width."""
    config = model.config
    return [] if config.embedding_size == config.hidden_size else list(model.base_model.embeddings.children())
