"""What a kind says of its models: which it takes, how they read rows, what training minimises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tasks.kinds.base.rows import Features, Processor, Row

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class Converter:
    """Makes a checkpoint of weights that are none of transformers' own."""

    file: str
    """The name of the file that holds them."""
    convert: Callable[[Path, Path], None]
    """(file, folder) -> writes the checkpoint into the folder."""


def untold(processor: Processor, options: Any) -> None:
    """`Model.prepare` of kinds whose processors need to know nothing of the options."""


def unchanged(features: Sequence[Features], options: Any) -> list[Features]:
    """`Model.augment` of kinds that vary nothing."""
    return list(features)


@dataclass(frozen=True)
class Model:
    """Models of a kind. `m` decisions, `c` labels."""

    architectures: str
    """The folder of tasks/architectures whose checkpoints it takes."""
    auto_model: Callable[[], Any]
    """The transformers auto class that builds the model with its head."""
    load_processor: Callable[[Path], Processor]
    """The processor of a checkpoint. Raises ModelError."""
    fit: Callable[[PreTrainedModel, Processor, int, Any], tuple[Processor, list[str]]]
    """(pretrained model, its processor, input size, options) -> the processor for inputs of that size, and
    what speaks against it."""
    encode: Callable[[Processor, Sequence[Row], Sequence[str], int], list[Features]]
    """(processor, rows, label names, input size) -> features of each row."""
    size: Callable[[Features], int]
    """What a row costs: rows of like size share a batch."""
    collate: Callable[[Processor, Sequence[Features]], dict[str, torch.Tensor]]
    """Features -> a batch; `labels` (m,) holds IGNORED for decisions that nothing is known of, `where` (2, m)
    row and position, `parts` (n,) how many rows of the batch each input has, if some have several."""
    loss: Callable[[torch.Tensor, torch.Tensor, float, Any, Sequence[float] | None], torch.Tensor]
    """(logits (m, c), labels (m,), label smoothing, options, weights (c,) of the labels or None) -> mean
    loss."""
    distillation_loss: Callable[[torch.Tensor, Any, float], torch.Tensor]
    """(student logits (m, c), the teacher's answers as `answers.tensors` gives them, temperature) -> mean
    loss."""
    prepare: Callable[[Processor, Any], None] = untold
    """(processor of a pretrained model, options) -> it knows how rows are put, as after `fit`."""
    augment: Callable[[Sequence[Features], Any], list[Features]] = unchanged
    """(features of labelled rows, options) -> as the teacher shall see them in this step; chance is
    torch's."""
    keeps_head: bool = False
    """Whether what answers is pretrained, too: pieces of texts, not labels of the run."""
    pieces: bool = False
    """Whether inputs are pieces of a vocabulary, which can be trimmed."""
    likeliest: int | None = None
    """How many labels of an answer are kept, the likeliest; None: the logits of all."""
    forms: frozenset[str] = frozenset()
    """Forms that a student can have beside the teacher's, such as `static`, a sum over pieces: none where
    what is decided depends on the place."""
    further_pretraining: Literal["masked_pieces"] | None = None
    """How stage pretrain can train the encoder on unlabelled rows; None: it cannot."""
    converters: Mapping[str, Converter] = field(default_factory=dict)
    """Package -> how the weights that it carries become a checkpoint."""
