"""A table of words of low rank: the product of one with fewer numbers for each piece and of a matrix that all pieces share.

Two such factors take fewer bytes than what they make, so that more pieces fit into as many; after ALBERT (Lan et al., A Lite BERT for
Self-supervised Learning of Language Representations, 2020). A checkpoint holds the product, plain as any other, and its config tells the
rank; while a student learns, and in the folder that ships (tasks/shared/low_rank_graph.py), the factors are apart.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel

from tasks.shared.errors import ModelError

RANK = "word_rank"
"""What a config calls it; one that does not tell has a table of full rank."""


class Factors(torch.nn.Module):
    """In place of a table of `v` pieces and width `h`: (n, l) numbers of pieces -> (n, l, h)."""

    def __init__(self, table: Any, rank: int) -> None:
        super().__init__()
        left, right = _nearest(table.weight.data, rank)
        self.rows = torch.nn.Embedding.from_pretrained(left, freeze=False, padding_idx=table.padding_idx)
        self.widen = torch.nn.Linear(rank, right.shape[1], bias=False, device=right.device)
        self.widen.weight.data.copy_(right.T)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        widened: torch.Tensor = self.widen(self.rows(ids))
        return widened

    @torch.no_grad()
    def table(self) -> torch.nn.Embedding:
        """The product."""
        product = self.rows.weight @ self.widen.weight.T
        whole: torch.nn.Embedding = torch.nn.Embedding.from_pretrained(product, freeze=False, padding_idx=self.rows.padding_idx)
        return whole


def lower(model: PreTrainedModel, rank: int | None) -> None:
    """Gives the words of a model the nearest table of this rank; one that is no wider, or where none is asked for, stays as it is."""
    if hasattr(model.config, RANK):  # of a checkpoint that was such a student once, and has been trained since
        delattr(model.config, RANK)
    if rank and rank < words(model).embedding_dim:
        model.set_input_embeddings(Factors(words(model), rank).table())
        setattr(model.config, RANK, rank)


def check(model: PreTrainedModel) -> None:
    """Raises:
    ModelError: the model reads no words.
    """
    try:
        known = isinstance(words(model), torch.nn.Embedding)
    except NotImplementedError:
        known = False
    if not known:
        raise ModelError("prune.word_rank", f"the teacher ({model.config.model_type}) reads no words; leave it out")


def words(model: PreTrainedModel) -> Any:
    return model.get_input_embeddings()


def part(model: PreTrainedModel) -> None:
    """Puts the factors in place of a table of low rank; `join` ends it."""
    if rank := getattr(model.config, RANK, None):
        model.set_input_embeddings(Factors(words(model), rank))


def join(model: PreTrainedModel) -> None:
    """Puts the product in place of factors."""
    if isinstance(found := words(model), Factors):
        model.set_input_embeddings(found.table())


def _nearest(table: torch.Tensor, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(v, h) -> (v, rank) and (rank, h), whose product is as near as can be, both with half of each singular value."""
    left, values, right = torch.linalg.svd(table, full_matrices=False)
    halves = values[:rank].sqrt()
    return (left[:, :rank] * halves).contiguous(), (right[:rank] * halves[:, None]).contiguous()
