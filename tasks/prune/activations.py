"""How strongly each channel is active on real rows, as those see it that read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn import Conv1d, Conv2d, Linear, Module
from transformers.pytorch_utils import Conv1D

READERS = (Linear, Conv1d, Conv2d, Conv1D)
"""The last is a matrix of GPT-2, inputs by outputs."""
NAME = "_importance"
"""Of the attribute that torch-pruning's ActivationImportance reads."""


@contextmanager
def measured(model: Any) -> Iterator[None]:
    """At the end each linear or convolutional module has the mean absolute value of each of its inputs,
    (channels,), over all batches that the model saw meanwhile. Padding does not count.
    """
    sums: dict[Module, torch.Tensor] = {}
    counts: Counter[Module] = Counter()
    masks: Mapping[str, Any] = {}
    both = getattr(getattr(model, "config", None), "is_encoder_decoder", False)
    writing = {*model.get_decoder().modules()} if both else set()

    def begin(_: Module, args: Any, given: Mapping[str, Any]) -> None:
        nonlocal masks
        masks = given

    def see(reader: Module, inputs: tuple[torch.Tensor, ...]) -> None:
        mask = masks.get("decoder_attention_mask" if reader in writing else "attention_mask")
        values = _of_pieces(reader, inputs[0].detach().abs(), mask)
        if values is not None:
            sums[reader] = sums.get(reader, 0.0) + values.double().sum(0)
            counts[reader] += len(values)

    hooks = [model.register_forward_pre_hook(begin, with_kwargs=True)]
    hooks += [
        module.register_forward_pre_hook(see) for module in model.modules() if isinstance(module, READERS)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
    for reader, total in sums.items():
        setattr(reader, NAME, (total / counts[reader]).float())


def _of_pieces(reader: Module, values: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor | None:
    """(m, channels) of what the batch holds.

    None if it is something else, such as embeddings of positions.
    """
    seen = values if isinstance(reader, Linear | Conv1D) else values.movedim(1, -1)
    if mask is None or seen.ndim != mask.ndim + 1:
        return seen.flatten(0, -2)
    return seen[mask.bool()] if seen.shape[:-1] == mask.shape else None
