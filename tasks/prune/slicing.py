"""Narrowing encoders whose modules torch-pruning cannot trace, such as those that fuse queries, keys and
values or read a bare tensor.

A table of the architecture's record says which *axis* the outputs and the inputs of each module run along.
What lies on one axis is scored together, as torch-pruning does it for the others, and cut at the same places:
`hidden` and `pooled` everywhere alike, `heads` and `ffn` in each layer for itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.nn import Embedding, Module
from transformers import PreTrainedModel

from tasks.architectures.axes import Axis, Table
from tasks.prune import activations


def cut(
    table: Callable[[Any], Table], model: PreTrainedModel, hidden: int, ffn: int, importance: str
) -> dict[str, torch.Tensor]:
    """The weights of a model of these widths.

    The most important channels and heads of `model`, in their old order.

    Args:
        table: model -> the axes of its modules.
        hidden: channels of the stream, a multiple of the width of a head.
        ffn: feed-forward channels of each layer.
        importance: a key of `SCORES`.
    """
    config: Any = model.config
    # e.g. 64: a head of BERT base, 768 // 12
    width, laid = config.hidden_size // config.num_attention_heads, list(_laid(model, table(model)))
    scores: dict[str, torch.Tensor] = {}
    for name, module, tensor, axes in laid:
        for dim, axis in enumerate(axes):
            if axis is not None and (score := SCORES[importance](module, tensor, dim)) is not None:
                # e.g. Wqkv's rows (2304,) -> (3, 768) -> (768,), added to "heads 3"
                scores[axis.of(name)] = scores.get(axis.of(name), 0) + score.view(axis.times, -1).sum(0)
    counts = {
        "hidden": (hidden, 1),
        "pooled": (hidden, 1),
        "heads": (hidden // width, width),
        "ffn": (ffn, 1),
    }
    # e.g. {"hidden": (384,), "heads 0": (384,), "ffn 0": (1024,), ...}, places in the axis before
    kept = {axis: _best(score, *counts[axis.split()[0]]) for axis, score in scores.items()}
    weights: dict[str, torch.Tensor] = {}
    for name, _, tensor, axes in laid:
        weights[name] = tensor.detach()
        for dim, axis in enumerate(axes):
            if axis is not None:
                # e.g. Wqkv (2304, 768) -> (1152, 768) -> (1152, 384)
                weights[name] = weights[name].index_select(
                    dim, _several(kept[axis.of(name)], axis.times, tensor.shape[dim])
                )
    return weights


def _laid(
    model: PreTrainedModel, table: Table
) -> Iterator[tuple[str, Module, torch.nn.Parameter, list[Axis | None]]]:
    """Every parameter: its name, its module, itself, and the axis of each of its dimensions."""
    for path, module in model.named_modules():
        for name, tensor in module.named_parameters(recurse=False):
            outputs, inputs = next(
                axes for pattern, axes in table.items() if re.search(rf"({pattern})$", path)
            )
            # e.g. a linear layer (outputs, inputs), a convolution (outputs, inputs, 3), a norm (outputs,); an
            # embedding (pieces, outputs)
            axes = (
                [None, outputs] if isinstance(module, Embedding) else [outputs, inputs, None][: tensor.ndim]
            )
            yield f"{path}.{name}", module, tensor, axes


def _best(scores: torch.Tensor, count: int, width: int) -> torch.Tensor:
    """The channels of the `count` units of this width that score best, ascending."""
    # e.g. scores (768,) of 12 heads of 64 -> (12, 64) -> (12,) -> the numbers of the best 6, (6,)
    units = torch.argsort(scores.view(-1, width).sum(1), descending=True, stable=True)[:count].sort().values
    # e.g. (6, 1) * 64 + (64,) -> (6, 64) -> (384,)
    return (units[:, None] * width + torch.arange(width, device=units.device)).flatten()


def _several(kept: torch.Tensor, times: int, length: int) -> torch.Tensor:
    """The same places in each of several equal parts of a dimension of this length."""
    # e.g. kept (384,), 3 times, length 2304 -> (1152,): kept, kept + 768, kept + 1536
    return torch.cat([kept + part * (length // times) for part in range(times)])


# -- what counts: weights of matrices, convolutions and norms; neither embeddings nor biases, as in
# torch-pruning --


def _taylor(module: Module, tensor: torch.nn.Parameter, dim: int) -> torch.Tensor | None:
    return (
        None if _aside(module, tensor) or tensor.grad is None else _along((tensor * tensor.grad).abs(), dim)
    )


def _magnitude(module: Module, tensor: torch.nn.Parameter, dim: int) -> torch.Tensor | None:
    return None if _aside(module, tensor) else _along(tensor**2, dim)


def _activation(module: Module, tensor: torch.nn.Parameter, dim: int) -> torch.Tensor | None:
    return getattr(module, activations.NAME, None) if dim == 1 and not _aside(module, tensor) else None


def _aside(module: Module, tensor: torch.nn.Parameter) -> bool:
    return isinstance(module, Embedding) or tensor is getattr(module, "bias", None)


def _along(values: torch.Tensor, dim: int) -> torch.Tensor:
    # e.g. (2304, 768) along 1 -> (768, 2304) -> (768,)
    return values.detach().movedim(dim, 0).flatten(1).sum(1) if values.ndim > 1 else values.detach()


SCORES = {"taylor": _taylor, "magnitude": _magnitude, "activation": _activation}
