"""A table of words of low rank: the product of one with fewer numbers for each piece and of a matrix that all
pieces share.

Two such factors take fewer bytes than what they make, so that more pieces fit into as many; after ALBERT (Lan
et al., A Lite BERT for Self-supervised Learning of Language Representations, 2020). The nearest table of a
rank is that of the greatest singular values (Eckart and Young, 1936). A checkpoint holds the product, plain
as any other, and its config tells the rank; while a student learns, and in the folder that ships
(tasks/export/low_rank_table.py), the factors are apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from transformers import PreTrainedModel

from tasks.core.errors import ModelError
from tasks.models import checkpoint

RANK = "word_rank"
"""What a config calls it; one that does not tell has a table of full rank."""


class Factors(torch.nn.Module):
    """In place of a table of `v` pieces and width `h`: (n, l) numbers of pieces -> (n, l, h)."""

    def __init__(self, table: torch.nn.Embedding, rank: int) -> None:
        super().__init__()
        weights = table.weight.data
        narrow, wide = (
            torch.from_numpy(half).to(weights) for half in balanced(weights.float().cpu().numpy(), rank)
        )
        self.rows = torch.nn.Embedding.from_pretrained(narrow, freeze=False, padding_idx=table.padding_idx)
        self.widen = torch.nn.Linear(
            rank, wide.shape[1], bias=False, device=weights.device, dtype=weights.dtype
        )
        self.widen.weight.data.copy_(wide.T)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        widened: torch.Tensor = self.widen(self.rows(ids))
        return widened

    @torch.no_grad()
    def table(self) -> torch.nn.Embedding:
        """The product."""
        product = self.rows.weight @ self.widen.weight.T
        whole: torch.nn.Embedding = torch.nn.Embedding.from_pretrained(
            product, freeze=False, padding_idx=self.rows.padding_idx
        )
        return whole


def lower(model: PreTrainedModel, rank: int | None) -> None:
    """Gives the words of a model the nearest table of this rank.

    One that is no wider, or where none is asked for, stays as it is.
    """
    if hasattr(
        model.config, RANK
    ):  # of a checkpoint that was such a student once, and has been trained since
        delattr(model.config, RANK)
    if rank and rank < _words(model).embedding_dim:
        model.set_input_embeddings(Factors(_words(model), rank).table())
        setattr(model.config, RANK, rank)


def check(model: PreTrainedModel) -> None:
    """Refuses models whose table of words cannot lose rank.

    Raises:
        ModelError: the model reads no words.
    """
    if model.config.is_encoder_decoder:
        raise ModelError(
            "prune.word_rank",
            f"the teacher ({model.config.model_type}) answers by its table of words; leave it out",
        )
    try:
        known = isinstance(_words(model), torch.nn.Embedding)
    except NotImplementedError:
        known = False
    if not known:
        raise ModelError(
            "prune.word_rank", f"the teacher ({model.config.model_type}) reads no words; leave it out"
        )


def take_apart(model: PreTrainedModel) -> None:
    """Puts the factors in place of a table of low rank; `join` ends it."""
    if rank := getattr(model.config, RANK, None):
        model.set_input_embeddings(Factors(_words(model), rank))


def join(model: PreTrainedModel) -> None:
    """Puts the product in place of factors."""
    if getattr(model.config, RANK, None):
        model.set_input_embeddings(_words(model).table())


def parameters(model: PreTrainedModel) -> int:
    """Of the model; a table of low rank has as many as its factors."""
    found, rank = checkpoint.parameters(model), getattr(model.config, RANK, None)
    if not rank:
        return found
    pieces, width = _words(model).weight.shape
    return int(found - pieces * width + rank * (pieces + width))


def balanced(table: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """(v, h) -> (v, rank) and (rank, h), whose product is as near as can be.

    Each has the root of every singular value.
    """
    basis, lengths = directions(table, rank)
    roots = np.sqrt(np.maximum(lengths, np.finfo(np.float32).tiny))
    with threadpool_limits(1):
        return (table @ (basis / roots)).astype(np.float32), np.ascontiguousarray(
            (basis * roots).T, dtype=np.float32
        )


def directions(table: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """Of a table (v, h) the directions (h, rank) in which it reaches furthest, as columns, and how far
    (rank,): its singular values.

    In float64 and by one thread: how many cores there are changes no byte.
    """
    wide = table.astype(np.float64)
    with threadpool_limits(1):
        squares, found = np.linalg.eigh(wide.T @ wide)
    return found[:, -rank:], np.sqrt(np.maximum(squares[-rank:], 0.0))


def _words(model: PreTrainedModel) -> Any:
    """What looks its words up. NotImplementedError if there are none."""
    return model.get_input_embeddings()
