"""The seam between the stages and a kind of task. A kind is a value: a record of functions, no inheritance, loaded by the name in params.

A *row* is one example as a mapping of columns, as it stands in the Parquet files of ingest. *Features* are one row as the model sees it:
lists of numbers by input name, and `labels` where the row has one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import numpy as np
    import torch
    from transformers import PreTrainedTokenizerBase

Row = Mapping[str, Any]
Features = Mapping[str, Any]


@dataclass(frozen=True)
class Baseline:
    """A fitted linear model."""

    predict: Callable[[Sequence[Row]], np.ndarray]
    """Rows -> probabilities (n, c)."""
    parameters: int
    bytes: int
    """Of its weights, and of the names of its features."""


@dataclass(frozen=True)
class Kind:
    """What differs between one kind of task and another. `n` rows, `c` labels, `k` statistics."""

    # -- ingest --
    roles: Mapping[str, str]
    """Role of a column -> what it holds. Params map each role to a column of the raw data; those ending in `?` may be left out."""
    fingerprint: Callable[[Row], str]
    """The whole record as one text: near duplicates are looked for in it."""
    content: Callable[[Row], str]
    """What the model gets to see: two rows equal in it with different labels contradict each other."""
    pool: Callable[[Row, int], Sequence[str]]
    """(row, longest) -> unlabelled texts that come with it, in pieces of at most so many words."""

    # -- the model --
    auto_model: Callable[[], Any]
    """The transformers auto class that builds the model with its head."""
    encode: Callable[[PreTrainedTokenizerBase, Sequence[Row], Sequence[str], int], list[Features]]
    """(tokenizer, rows, label names, input size) -> features of each row."""
    collate: Callable[[PreTrainedTokenizerBase, Sequence[Features]], dict[str, torch.Tensor]]
    """Features -> a padded batch."""
    loss: Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]
    """(logits, labels, label smoothing) -> mean loss."""
    distillation_loss: Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]
    """(student logits, teacher logits, temperature) -> mean loss."""

    # -- quality --
    headline: str
    """The figure by which checkpoints and recipes are chosen; a key of `figures`."""
    statistics: Callable[[np.ndarray, np.ndarray, int], np.ndarray]
    """(predicted (n,), labels (n,), number of labels c) -> (n, k) numbers per row whose sum over rows decides every figure: what is
    bootstrapped."""
    figures: Callable[[np.ndarray], dict[str, np.ndarray]]
    """(..., k) summed statistics -> each figure, of shape (...)."""
    baseline: Callable[[Sequence[Row], Sequence[str], int], Baseline]
    """(training rows, label names, seed) -> a linear model fitted to them."""

    # -- the shippable folder --
    request: Callable[[Path], Callable[[Any], dict[str, np.ndarray]]]
    """Folder -> a function from the input as a user has it to the graph's inputs, batch 1, without torch or transformers."""
    raw_input: Callable[[Row], Any]
    """The input of a row as a user has it."""


def load(name: str) -> Kind:
    """The kind of `tasks/kinds/<name>.py`. The name has been checked against the files there."""
    return cast(Kind, importlib.import_module(f"tasks.kinds.{name}").KIND)
