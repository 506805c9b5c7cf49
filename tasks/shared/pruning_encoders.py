"""Cutting layers, hidden width with heads, and feed-forward channels out of encoders: those built like BERT, and ViT."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch_pruning as tp
from transformers import PreTrainedModel

from tasks.shared.cutting import IMPORTANCE, Architecture, Sizes, plain, spread, too_great, unknown

# torch-pruning keeps int(width * (1 - ratio)) channels: a little more than the target survives its rounding.
ROUNDING = 0.01


@dataclass(frozen=True)
class Encoder:
    """Where its parts are."""

    layers: Callable[[Any], tuple[torch.nn.Module, str]]
    """Base model -> the module that holds the list of layers, and its name there."""
    attention: Callable[[Any], Sequence[torch.nn.Module]]
    """Layer -> queries, keys, values."""
    ffn: Callable[[Any], torch.nn.Module]
    """Layer -> its first feed-forward part."""
    inputs: Callable[[Any], dict[str, torch.Tensor]]
    """Model -> something small that it can read."""
    loose: Sequence[str]
    """Names of parameters (1, l, hidden) that belong to no usual module."""
    vocabulary: bool


def _sizes(encoder: Encoder, config: Any) -> dict[str, Any]:
    shape = {"layers": config.num_hidden_layers, "hidden": config.hidden_size, "ffn": config.intermediate_size}
    return {**shape, "vocabulary": config.vocab_size} if encoder.vocabulary else shape


def _faults(encoder: Encoder, config: Any, wanted: Sizes) -> list[str]:
    found, width = _sizes(encoder, config), config.hidden_size // config.num_attention_heads
    # Params ask for multiples of 8, which few vocabularies are.
    greatest = {name: -(-size // 8) * 8 if name == "vocabulary" else size for name, size in found.items()}
    faults = unknown(found, wanted)
    for name, limit in greatest.items():
        faults += too_great(f"prune.{name}", wanted.get(name, limit), limit)
    if wanted.get("hidden", 0) % width:
        faults.append(f"prune.hidden = {wanted['hidden']}: must be a multiple of {width}, the width of the teacher's heads")
    return faults


def _keep_layers(encoder: Encoder, model: PreTrainedModel, wanted: Sizes) -> list[int]:
    holder, name = encoder.layers(model.base_model)
    layers: Any = getattr(holder, name)
    chosen = spread(wanted.get("layers", len(layers)), len(layers))
    setattr(holder, name, torch.nn.ModuleList(layers[at] for at in chosen))
    model.config.num_hidden_layers = len(chosen)
    return chosen


def _narrow(encoder: Encoder, model: PreTrainedModel, wanted: Sizes, importance: str) -> PreTrainedModel:
    config: Any = copy.deepcopy(model.config)
    width = config.hidden_size // config.num_attention_heads
    hidden, ffn = wanted.get("hidden", config.hidden_size), wanted.get("ffn", config.intermediate_size)
    if (hidden, ffn) != (config.hidden_size, config.intermediate_size):
        _prune(encoder, model, hidden, ffn, importance)
    if getattr(config, "pooler_output_size", None) == config.hidden_size:
        config.pooler_output_size = hidden
    config.hidden_size, config.num_attention_heads, config.intermediate_size = hidden, hidden // width, ffn
    return plain(model, config)


def _prune(encoder: Encoder, model: PreTrainedModel, hidden: int, ffn: int, importance: str) -> None:
    config: Any = model.config
    layers: Any = getattr(*encoder.layers(model.base_model))
    heads = {}
    for layer in layers:
        heads.update(dict.fromkeys(encoder.attention(layer), config.num_attention_heads))
    pruner = tp.pruner.BasePruner(
        model,
        encoder.inputs(model),
        importance=IMPORTANCE[importance](),
        pruning_ratio=_ratio(hidden, config.hidden_size),
        pruning_ratio_dict={encoder.ffn(layer): _ratio(ffn, config.intermediate_size) for layer in layers},
        num_heads=heads,
        prune_num_heads=True,
        prune_head_dims=False,
        head_pruning_ratio=_ratio(hidden, config.hidden_size),
        output_transform=lambda output: output.logits,
        ignored_layers=[_head(model)],
        root_module_types=[torch.nn.Linear, torch.nn.LayerNorm, torch.nn.Embedding, torch.nn.Conv2d],
        unwrapped_parameters=[(model.base_model.get_parameter(name), 2) for name in encoder.loose],
    )
    pruner.step()


def _ratio(kept: int, of: int) -> float:
    return max(0.0, 1 - (kept + ROUNDING) / of)


def _head(model: PreTrainedModel) -> torch.nn.Module:
    """The last linear layer behind the encoder, whose outputs are the labels."""
    encoder = set(model.base_model.modules())
    return [module for module in model.modules() if isinstance(module, torch.nn.Linear) and module not in encoder][-1]


# -- where the parts are --


def _text(model: Any) -> dict[str, torch.Tensor]:
    ids = torch.arange(8, device=model.device).repeat(2, 1)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def _picture(model: Any) -> dict[str, torch.Tensor]:
    return {"pixel_values": torch.zeros(2, model.config.num_channels, *model.vit.embeddings.image_size, device=model.device)}


BERT = Encoder(
    layers=lambda base: (base.encoder, "layer"),
    attention=lambda layer: (layer.attention.self.query, layer.attention.self.key, layer.attention.self.value),
    ffn=lambda layer: layer.intermediate.dense,
    inputs=_text,
    loose=(),
    vocabulary=True,
)
VIT = Encoder(
    layers=lambda base: (base, "layers"),
    attention=lambda layer: (layer.attention.q_proj, layer.attention.k_proj, layer.attention.v_proj),
    ffn=lambda layer: layer.mlp.fc1,
    inputs=_picture,
    loose=("embeddings.cls_token", "embeddings.position_embeddings"),
    vocabulary=False,
)


def _architecture(encoder: Encoder) -> Architecture:
    sizes, faults = partial(_sizes, encoder), partial(_faults, encoder)
    return Architecture(sizes, faults, partial(_keep_layers, encoder), partial(_narrow, encoder))


ARCHITECTURES = {
    "bert": _architecture(BERT),
    "roberta": _architecture(BERT),
    "xlm-roberta": _architecture(BERT),
    "vit": _architecture(VIT),
}
