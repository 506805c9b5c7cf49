"""Cutting layers, hidden width with heads, and feed-forward channels out of decoders.

Heads go in groups, those that share keys and values together, and as many of them as the hidden width loses,
so that plain configs can say what is left. Which channels and groups stay is decided as for the encoders
that are cut by tables (slicing.py): hidden channels alike everywhere, groups and feed-forward channels in
each layer for itself.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from transformers import PreTrainedModel

from tasks.architectures.record import Decoder
from tasks.prune.pruner import FINEST, Choose, Pruner, Sizes, keep_layers, plain, too_great, unknown
from tasks.prune.slicing import SCORES

HIDDEN = "hidden"


def pruner(decoder: Decoder) -> Pruner:
    """How models of this layout are cut."""
    return Pruner(
        partial(_sizes, decoder),
        partial(_faults, decoder),
        _grain,
        partial(_keep_layers, decoder),
        partial(_narrow, decoder),
    )


def _ffn(decoder: Decoder, config: Any) -> int:
    return int(getattr(config, decoder.ffn_size) or 4 * config.hidden_size)


def _groups(config: Any) -> int:
    return int(getattr(config, "num_key_value_heads", None) or config.num_attention_heads)


def _sizes(decoder: Decoder, config: Any) -> dict[str, Any]:
    return {
        "layers": config.num_hidden_layers,
        "hidden": config.hidden_size,
        "ffn": _ffn(decoder, config),
        "vocabulary": config.vocab_size,
    }


def _of_a_group(config: Any) -> int:
    """Hidden channels for each group of heads."""
    return int(config.hidden_size // _groups(config))


def _grain(config: Any, size: str) -> int:
    return {"layers": 1, "hidden": math.lcm(FINEST, _of_a_group(config))}.get(size, FINEST)


def _faults(decoder: Decoder, config: Any, wanted: Sizes) -> list[str]:
    found, unit = _sizes(decoder, config), _of_a_group(config)
    faults = unknown(found, wanted)
    for name, size in found.items():
        limit = -(-size // FINEST) * FINEST if name == "vocabulary" else size
        faults += too_great(f"prune.{name}", wanted.get(name, limit), limit)
    if (hidden := wanted.get("hidden", config.hidden_size)) % unit:
        faults.append(
            f"prune.hidden = {hidden}: must be a multiple of {unit}, the share of it that each of the "
            f"teacher's {_groups(config)} groups of heads has"
        )
    return faults


def _keep_layers(decoder: Decoder, model: PreTrainedModel, wanted: Sizes, choose: Choose) -> list[int]:
    kept = keep_layers(decoder.layers, decoder.per_layer, model, wanted, choose)
    layers: Any = model.base_model.get_submodule(decoder.layers)
    for at, layer in enumerate(layers):
        for module in layer.modules():
            if hasattr(module, "layer_idx"):
                module.layer_idx = at  # its place in the cache
    return kept


def _narrow(decoder: Decoder, model: PreTrainedModel, wanted: Sizes, importance: str) -> PreTrainedModel:
    config: Any = copy.deepcopy(model.config)
    before, groups = config.hidden_size, _groups(config)
    hidden, ffn = wanted.get("hidden", before), wanted.get("ffn", _ffn(decoder, config))
    weights = None
    if (hidden, ffn) != (before, _ffn(decoder, config)):
        kept = groups * hidden // before
        weights = _cut(decoder, model, {"hidden": hidden, "groups": kept, "ffn": ffn}, importance)
        config.num_attention_heads = config.num_attention_heads // groups * kept
        if getattr(config, "num_key_value_heads", None):
            config.num_key_value_heads = kept
    config.hidden_size = hidden
    setattr(config, decoder.ffn_size, ffn)
    return plain(model, config, weights)


@dataclass(frozen=True)
class _Axis:
    """A width, as one dimension of a tensor has it."""

    name: str
    """`hidden`, or `groups 3` and `ffn 3` of layer 3."""
    units: torch.Tensor
    """For each place (l,), the number of the channel or group that it belongs to."""


def _cut(decoder: Decoder, model: Any, counts: Mapping[str, int], importance: str) -> dict[str, torch.Tensor]:
    """The weights of a model that has so many channels and groups, the most important."""
    laid = [*_laid(decoder, model)]
    scores: dict[str, torch.Tensor] = {}
    for _, module, tensor, axes in laid:
        for dim, axis in enumerate(axes):
            if axis is None:
                continue
            # Activations are those of inputs, which lie along 1 unless the matrix is turned.
            place = 1 - dim if importance == "activation" and _turned(decoder, module) else dim
            if (found := SCORES[importance](module, tensor, place)) is not None:
                own = scores.setdefault(axis.name, torch.zeros(int(axis.units.max()) + 1))
                own.index_add_(0, axis.units, found.float().cpu())
    kept = {name: _best(score, counts[name.split()[0]]) for name, score in scores.items()}
    weights: dict[str, torch.Tensor] = {}
    for name, _, tensor, axes in laid:
        weights[name] = tensor.detach()
        for dim, axis in enumerate(axes):
            if axis is not None:
                places = torch.isin(axis.units, kept[axis.name]).nonzero().flatten()
                weights[name] = weights[name].index_select(dim, places.to(tensor.device))
    return weights


def _best(scores: torch.Tensor, count: int) -> torch.Tensor:
    """The numbers of the units that score best."""
    return torch.argsort(scores, descending=True, stable=True)[:count]


Laid = tuple[str, Any, torch.nn.Parameter, Sequence[_Axis | None]]


def _laid(decoder: Decoder, model: Any) -> Iterator[Laid]:
    """Every parameter: its name, its module, itself, and the axis of each of its dimensions."""
    config, base = model.config, model.base_model
    hidden = _Axis(HIDDEN, torch.arange(config.hidden_size))
    axes_of: dict[int, tuple[_Axis | None, _Axis | None]] = {}
    for at, layer in enumerate(base.get_submodule(decoder.layers)):
        axes_of |= _of_layer(decoder, config, layer, at, hidden)
    axes_of[id(base.get_submodule(decoder.last_norm))] = (hidden, None)
    names = {id(module): name for name, module in model.named_modules()}
    for module in model.modules():
        for own, tensor in module.named_parameters(recurse=False):
            outputs, inputs = axes_of.get(id(module), (None, hidden))  # tables and the head
            matrix = [inputs, outputs] if _turned(decoder, module) else [outputs, inputs]
            path = names[id(module)]
            yield f"{path}.{own}", module, tensor, matrix if tensor.ndim == 2 else [outputs]


def _turned(decoder: Decoder, module: Any) -> bool:
    """Whether its matrix lies inputs by outputs."""
    return decoder.transposed and not isinstance(module, torch.nn.Embedding | torch.nn.Linear)


def _of_layer(
    decoder: Decoder, config: Any, layer: Any, at: int, hidden: _Axis
) -> dict[int, tuple[_Axis | None, _Axis | None]]:
    """Outputs and inputs of each module of a layer."""
    groups, heads = _groups(config), config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads

    def module(path: str) -> int:
        return id(layer.get_submodule(path))

    def grouped(count: int) -> torch.Tensor:
        """The group of each of so many heads' channels."""
        units: torch.Tensor = torch.arange(count * width) // (count // groups * width)
        return units

    if decoder.fused == "side by side":
        units = [grouped(heads).repeat(3)]
    elif decoder.fused:
        units = [torch.arange(3 * heads * width) // (3 * width)]
    else:
        units = [grouped(heads), grouped(groups), grouped(groups)]
    channels = _Axis(f"ffn {at}", torch.arange(_ffn(decoder, config)))
    axes: dict[int, tuple[_Axis | None, _Axis | None]] = {}
    for path, own in zip(decoder.attention, units, strict=True):
        axes[module(path)] = (_Axis(f"groups {at}", own), hidden)
    axes[module(decoder.joined)] = (hidden, _Axis(f"groups {at}", grouped(heads)))
    for path in decoder.ffn[:-1]:
        axes[module(path)] = (channels, hidden)
    axes[module(decoder.ffn[-1])] = (hidden, channels)
    for path in (*decoder.norms, *(decoder.norms_behind or ())):
        axes[module(path)] = (hidden, None)
    for path in decoder.head_norms or ():
        axes[module(path)] = (None, None)
    return axes
