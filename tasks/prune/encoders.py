"""Cutting layers, hidden width with heads, and feed-forward channels out of encoders.

The record of an architecture (tasks/architectures) says where its parts are. torch-pruning finds what belongs
together in most of them; those it cannot trace are cut by tables (slicing.py).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
import torch_pruning as tp
from transformers import PreTrainedModel

from tasks.architectures.record import Encoder, Sliced, Traced
from tasks.prune import slicing
from tasks.prune.pruner import (
    FINEST,
    IMPORTANCE,
    Choose,
    Pruner,
    Sizes,
    keep_layers,
    plain,
    too_great,
    unknown,
)

# torch-pruning keeps int(width * (1 - ratio)) channels: a little more than the target survives its rounding.
ROUNDING = 0.01


def pruner(encoder: Encoder) -> Pruner:
    """How models of this layout are cut."""
    sizes, faults = partial(_sizes, encoder), partial(_faults, encoder)
    return Pruner(sizes, faults, _grain, partial(_keep_layers, encoder), partial(_narrow, encoder))


def _head_width(config: Any) -> int:
    return int(config.hidden_size // config.num_attention_heads)


def _sizes(encoder: Encoder, config: Any) -> dict[str, Any]:
    shape = {
        "layers": config.num_hidden_layers,
        "hidden": config.hidden_size,
        "ffn": getattr(config, encoder.ffn_size),
    }
    return {**shape, "vocabulary": config.vocab_size} if encoder.vocabulary else shape


def _grain(config: Any, size: str) -> int:
    return {"layers": 1, "hidden": math.lcm(FINEST, _head_width(config))}.get(size, FINEST)


def _faults(encoder: Encoder, config: Any, wanted: Sizes) -> list[str]:
    found, width = _sizes(encoder, config), _head_width(config)
    # Params ask for multiples of 8, which few vocabularies are.
    greatest = {
        name: -(-size // FINEST) * FINEST if name == "vocabulary" else size for name, size in found.items()
    }
    faults = unknown(found, wanted)
    for name, limit in greatest.items():
        faults += too_great(f"prune.{name}", wanted.get(name, limit), limit)
    hidden = wanted.get("hidden", config.hidden_size)
    if hidden % width:
        faults.append(
            f"prune.hidden = {hidden}: must be a multiple of {width}, the width of the teacher's heads"
        )
    return faults + (
        encoder.unsayable(config, hidden) if encoder.unsayable and hidden != config.hidden_size else []
    )


def _keep_layers(encoder: Encoder, model: PreTrainedModel, wanted: Sizes, choose: Choose) -> list[int]:
    return keep_layers(encoder.layers, encoder.per_layer, model, wanted, choose, encoder.first_stays)


def _narrow(encoder: Encoder, model: PreTrainedModel, wanted: Sizes, importance: str) -> PreTrainedModel:
    config: Any = copy.deepcopy(model.config)
    width, had = _head_width(config), getattr(config, encoder.ffn_size)
    hidden, ffn = wanted.get("hidden", config.hidden_size), wanted.get("ffn", had)
    weights = None
    if (hidden, ffn) != (config.hidden_size, had):
        weights = _cut(encoder, model, hidden, ffn, importance)
    for name in encoder.also_hidden:
        if getattr(config, name, None) == config.hidden_size:
            setattr(config, name, hidden)
    # e.g. hidden 768 -> 384 with heads of 64: 12 -> 6 heads
    config.hidden_size, config.num_attention_heads = hidden, hidden // width
    setattr(config, encoder.ffn_size, ffn)
    return plain(model, config, weights)


def _cut(
    encoder: Encoder, model: PreTrainedModel, hidden: int, ffn: int, importance: str
) -> Mapping[str, torch.Tensor]:
    """The weights of a model of these widths."""
    if isinstance(encoder.narrowing, Sliced):
        return slicing.cut(encoder.narrowing.table, model, hidden, ffn, importance)
    return _trace(encoder, encoder.narrowing, model, hidden, ffn, importance)


# -- those that torch-pruning traces --


def _trace(
    encoder: Encoder, traced: Traced, model: PreTrainedModel, hidden: int, ffn: int, importance: str
) -> Mapping[str, torch.Tensor]:
    config: Any = model.config
    layers: Any = model.base_model.get_submodule(encoder.layers)
    products: list[Any] = [layer.get_submodule(traced.ffn) for layer in layers]
    attention = [layer.get_submodule(path) for layer in layers for path in encoder.attention]
    pruner = tp.pruner.BasePruner(
        model,
        _pieces(model) if encoder.vocabulary else _picture(model),
        importance=IMPORTANCE[importance](),
        # e.g. 0.49999 of 768 for 384: what goes
        pruning_ratio=_ratio(hidden, config.hidden_size),
        pruning_ratio_dict={product: _ratio(ffn, product.out_features) for product in products},
        num_heads=dict.fromkeys(attention, config.num_attention_heads),
        prune_num_heads=True,
        prune_head_dims=False,
        head_pruning_ratio=_ratio(hidden, config.hidden_size),
        output_transform=lambda output: output.logits,
        ignored_layers=[_head(model), *(traced.other_widths(model) if traced.other_widths else [])],
        root_module_types=[torch.nn.Linear, torch.nn.LayerNorm, torch.nn.Embedding, torch.nn.Conv2d],
        # e.g. ViT's position_embeddings (1, 197, 768), whose channels lie along 2
        unwrapped_parameters=[(model.base_model.get_parameter(name), 2) for name in traced.loose],
    )
    pruner.step()
    weights: Mapping[str, torch.Tensor] = model.state_dict()
    return weights


def _ratio(kept: int, of: int) -> float:
    return max(0.0, 1 - (kept + ROUNDING) / of)


def _head(model: PreTrainedModel) -> torch.nn.Module:
    """The last linear layer behind the encoder, whose outputs are the labels."""
    encoder = set(model.base_model.modules())
    return [
        module for module in model.modules() if isinstance(module, torch.nn.Linear) and module not in encoder
    ][-1]


def _pieces(model: Any) -> dict[str, torch.Tensor]:
    """Two rows of eight pieces: something small that the model can read."""
    ids = torch.arange(8, device=model.device).repeat(2, 1)  # e.g. (8,) -> (2, 8)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def _picture(model: Any) -> dict[str, torch.Tensor]:
    """Two pictures of the size that the model reads."""
    sides = model.base_model.embeddings.image_size
    pixels = torch.zeros(2, model.config.num_channels, *sides, device=model.device)
    return {"pixel_values": pixels}  # e.g. (2, 3, 224, 224)
