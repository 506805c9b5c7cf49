"""Narrowing encoders whose modules torch-pruning cannot trace: ModernBERT, which fuses queries, keys and
values and gates its feed-forward part, and DeBERTa-v2, which reads its relative positions as a bare tensor.

A table says which *axis* the outputs and the inputs of each module run along. What lies on one axis is scored
together, as torch-pruning does it for the others, and cut at the same places: `hidden` and `pooled`
everywhere alike, `heads` and `ffn` in each layer for itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import Embedding, Module
from transformers import PreTrainedModel

from tasks.prune import activations

LAYER = re.compile(r"\blayers?\.(\d+)\.")


@dataclass(frozen=True)
class Axis:
    """A width of the model. A module may hold it several times, side by side."""

    name: str
    times: int = 1
    in_each_layer: bool = False

    def of(self, module: str) -> str:
        """Its name in the module of this name; of an axis that each layer has for itself, with the layer."""
        return f"{self.name} {LAYER.findall(module)[0]}" if self.in_each_layer else self.name


HIDDEN, POOLED = Axis("hidden"), Axis("pooled")
HEADS, FFN = Axis("heads", in_each_layer=True), Axis("ffn", in_each_layer=True)
Table = Mapping[str, tuple[Axis | None, Axis | None]]
"""Pattern of the end of a module's name -> the axes of its outputs and of its inputs; None: a width that
stays."""


def modernbert(model: PreTrainedModel) -> Table:
    return {
        r"tok_embeddings": (HIDDEN, None),
        r"head\.norm": (POOLED, None),
        r"norm": (HIDDEN, None),
        r"attn\.Wqkv": (Axis("heads", 3, in_each_layer=True), HIDDEN),
        r"attn\.Wo": (HIDDEN, HEADS),
        r"mlp\.Wi": (Axis("ffn", 2, in_each_layer=True), HIDDEN),
        r"mlp\.Wo": (HIDDEN, FFN),
        r"head\.dense": (POOLED, HIDDEN),
        r"classifier": (None, POOLED),
    }


def deberta_v2(model: PreTrainedModel) -> Table:
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


def cut(
    table: Callable[[PreTrainedModel], Table], model: PreTrainedModel, hidden: int, ffn: int, importance: str
) -> dict[str, torch.Tensor]:
    """The weights of a model of these widths.

    The most important channels and heads of `model`, in their old order.
    """
    config: Any = model.config
    width, laid = config.hidden_size // config.num_attention_heads, list(_laid(model, table(model)))
    scores: dict[str, torch.Tensor] = {}
    for name, module, tensor, axes in laid:
        for dim, axis in enumerate(axes):
            if axis is not None and (score := SCORES[importance](module, tensor, dim)) is not None:
                scores[axis.of(name)] = scores.get(axis.of(name), 0) + score.view(axis.times, -1).sum(0)
    counts = {
        "hidden": (hidden, 1),
        "pooled": (hidden, 1),
        "heads": (hidden // width, width),
        "ffn": (ffn, 1),
    }
    kept = {axis: _best(score, *counts[axis.split()[0]]) for axis, score in scores.items()}
    weights: dict[str, torch.Tensor] = {}
    for name, _, tensor, axes in laid:
        weights[name] = tensor.detach()
        for dim, axis in enumerate(axes):
            if axis is not None:
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
            axes = (
                [None, outputs] if isinstance(module, Embedding) else [outputs, inputs, None][: tensor.ndim]
            )
            yield f"{path}.{name}", module, tensor, axes


def _best(scores: torch.Tensor, count: int, width: int) -> torch.Tensor:
    """The channels of the `count` units of this width that score best, ascending."""
    units = torch.argsort(scores.view(-1, width).sum(1), descending=True, stable=True)[:count].sort().values
    return (units[:, None] * width + torch.arange(width, device=units.device)).flatten()


def _several(kept: torch.Tensor, times: int, length: int) -> torch.Tensor:
    """The same places in each of several equal parts of a dimension of this length."""
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
    return values.detach().movedim(dim, 0).flatten(1).sum(1) if values.ndim > 1 else values.detach()


SCORES = {"taylor": _taylor, "magnitude": _magnitude, "activation": _activation}
