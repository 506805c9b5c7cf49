"""Cutting layers, hidden width with heads, and feed-forward channels out of encoders: those built like BERT,
DeBERTa, ModernBERT and ViT.

torch-pruning finds what belongs together in most of them; those it cannot trace are cut by tables
(slicing.py).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
import torch_pruning as tp
from transformers import PreTrainedModel

from tasks.prune import slicing
from tasks.prune.architecture import (
    FINEST,
    IMPORTANCE,
    Architecture,
    Choose,
    Sizes,
    plain,
    too_great,
    unknown,
)

# torch-pruning keeps int(width * (1 - ratio)) channels: a little more than the target survives its rounding.
ROUNDING = 0.01
Cut = Callable[[PreTrainedModel, int, int, str], Mapping[str, torch.Tensor]]
"""(model, hidden, ffn, importance) -> the weights of a model of these widths."""


@dataclass(frozen=True)
class Encoder:
    """Where its layers are, how its config tells its sizes, and how its widths are cut."""

    layers: Callable[[Any], tuple[torch.nn.Module, str]]
    """Base model -> the module that holds the list of layers, and its name there."""
    cut: Cut
    vocabulary: bool = True
    ffn: str = "intermediate_size"
    """What its config calls the feed-forward width."""
    along: Sequence[str] = ()
    """What else in its config is the hidden width, if it is as large."""
    per_layer: Sequence[str] = ()
    """What in its config is a list with an entry for each layer."""
    first_stays: bool = False
    """Whether the first layer is built otherwise than the others."""
    unsayable: Callable[[Any, int], list[str]] | None = None
    """(config, hidden width other than its own) -> why the config could not say it."""


def _head_width(config: Any) -> int:
    return int(config.hidden_size // config.num_attention_heads)


def _sizes(encoder: Encoder, config: Any) -> dict[str, Any]:
    shape = {
        "layers": config.num_hidden_layers,
        "hidden": config.hidden_size,
        "ffn": getattr(config, encoder.ffn),
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
    holder, name = encoder.layers(model.base_model)
    layers: Any = getattr(holder, name)
    (chosen,) = choose([layers], [wanted.get("layers", len(layers))], encoder.first_stays)
    setattr(holder, name, torch.nn.ModuleList(layers[at] for at in chosen))
    for each in encoder.per_layer:
        values = getattr(model.config, each)
        setattr(model.config, each, [values[at] for at in chosen])
    model.config.num_hidden_layers = len(chosen)
    return chosen


def _narrow(encoder: Encoder, model: PreTrainedModel, wanted: Sizes, importance: str) -> PreTrainedModel:
    config: Any = copy.deepcopy(model.config)
    width, had = _head_width(config), getattr(config, encoder.ffn)
    hidden, ffn = wanted.get("hidden", config.hidden_size), wanted.get("ffn", had)
    unchanged = (hidden, ffn) == (config.hidden_size, had)
    weights = None if unchanged else encoder.cut(model, hidden, ffn, importance)
    for name in encoder.along:
        if getattr(config, name, None) == config.hidden_size:
            setattr(config, name, hidden)
    config.hidden_size, config.num_attention_heads = hidden, hidden // width
    setattr(config, encoder.ffn, ffn)
    return plain(model, config, weights)


# -- those that torch-pruning traces --


@dataclass(frozen=True)
class Traced:
    """What torch-pruning has to be told."""

    attention: Callable[[Any], Sequence[torch.nn.Module]]
    """Layer -> queries, keys, values."""
    ffn: Callable[[Any], torch.nn.Linear]
    """Layer -> its first feed-forward part."""
    inputs: Callable[[Any], dict[str, torch.Tensor]]
    """Model -> something small that it can read."""
    loose: Sequence[str] = ()
    """Names of parameters (1, l, hidden) that belong to no usual module."""
    whole: Callable[[Any], Sequence[torch.nn.Module]] | None = None
    """Model -> modules whose width is not the hidden width."""


def _trace(
    traced: Traced,
    layers: Callable[[Any], tuple[torch.nn.Module, str]],
    model: PreTrainedModel,
    hidden: int,
    ffn: int,
    importance: str,
) -> Mapping[str, torch.Tensor]:
    config: Any = model.config
    blocks: Any = getattr(*layers(model.base_model))
    heads = {}
    for block in blocks:
        heads.update(dict.fromkeys(traced.attention(block), config.num_attention_heads))
    pruner = tp.pruner.BasePruner(
        model,
        traced.inputs(model),
        importance=IMPORTANCE[importance](),
        pruning_ratio=_ratio(hidden, config.hidden_size),
        pruning_ratio_dict={
            traced.ffn(block): _ratio(ffn, traced.ffn(block).out_features) for block in blocks
        },
        num_heads=heads,
        prune_num_heads=True,
        prune_head_dims=False,
        head_pruning_ratio=_ratio(hidden, config.hidden_size),
        output_transform=lambda output: output.logits,
        ignored_layers=[_head(model), *(traced.whole(model) if traced.whole else [])],
        root_module_types=[torch.nn.Linear, torch.nn.LayerNorm, torch.nn.Embedding, torch.nn.Conv2d],
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


def _text(model: Any) -> dict[str, torch.Tensor]:
    ids = torch.arange(8, device=model.device).repeat(2, 1)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def _picture(model: Any) -> dict[str, torch.Tensor]:
    return {
        "pixel_values": torch.zeros(
            2, model.config.num_channels, *model.vit.embeddings.image_size, device=model.device
        )
    }


# -- where the parts are --


def _encoder_layer(base: Any) -> tuple[torch.nn.Module, str]:
    return base.encoder, "layer"


def _transformer_layer(base: Any) -> tuple[torch.nn.Module, str]:
    return base.transformer, "layer"


def _own_layers(base: Any) -> tuple[torch.nn.Module, str]:
    return base, "layers"


def _factorised(model: Any) -> list[torch.nn.Module]:
    """Embeddings that a projection widens keep their width."""
    config = model.config
    return [] if config.embedding_size == config.hidden_size else list(model.base_model.embeddings.children())


def _no_projection(config: Any, hidden: int) -> list[str]:
    """The classes of the field leave the projection out where both widths are equal."""
    if (
        getattr(config, "embedding_size", config.hidden_size) == config.hidden_size
        or hidden != config.embedding_size
    ):
        return []
    return [
        f"prune.hidden = {hidden}: is the width of the embeddings, and then the architecture has no "
        "projection; take another"
    ]


def _deberta_unsayable(config: Any, hidden: int) -> list[str]:
    grouped = getattr(config, "conv_kernel_size", 0) > 0 and getattr(config, "conv_groups", 1) != 1
    return _no_projection(config, hidden) + (
        ["prune.hidden: its convolution has groups, which tie the channels; leave it out"] * grouped
    )


LIKE_BERT = Traced(
    attention=lambda layer: (
        layer.attention.self.query,
        layer.attention.self.key,
        layer.attention.self.value,
    ),
    ffn=lambda layer: layer.intermediate.dense,
    inputs=_text,
)
DISTILBERT = Traced(
    attention=lambda layer: (layer.attention.q_lin, layer.attention.k_lin, layer.attention.v_lin),
    ffn=lambda layer: layer.ffn.lin1,
    inputs=_text,
)
ELECTRA = Traced(attention=LIKE_BERT.attention, ffn=LIKE_BERT.ffn, inputs=_text, whole=_factorised)
VIT = Traced(
    attention=lambda layer: (layer.attention.q_proj, layer.attention.k_proj, layer.attention.v_proj),
    ffn=lambda layer: layer.mlp.fc1,
    inputs=_picture,
    loose=("embeddings.cls_token", "embeddings.position_embeddings"),
)
BERT = Encoder(_encoder_layer, partial(_trace, LIKE_BERT, _encoder_layer))
ENCODERS = {
    "bert": BERT,
    "roberta": BERT,
    "xlm-roberta": BERT,
    "distilbert": Encoder(
        _transformer_layer, partial(_trace, DISTILBERT, _transformer_layer), ffn="hidden_dim"
    ),
    "electra": Encoder(
        _encoder_layer,
        partial(_trace, ELECTRA, _encoder_layer),
        along=("embedding_size",),
        unsayable=_no_projection,
    ),
    "deberta-v2": Encoder(
        _encoder_layer,
        partial(slicing.cut, slicing.deberta_v2),
        along=("embedding_size", "pooler_hidden_size"),
        unsayable=_deberta_unsayable,
    ),
    "modernbert": Encoder(
        _own_layers, partial(slicing.cut, slicing.modernbert), per_layer=("layer_types",), first_stays=True
    ),
    "vit": Encoder(
        _own_layers, partial(_trace, VIT, _own_layers), vocabulary=False, along=("pooler_output_size",)
    ),
}


def _architecture(encoder: Encoder) -> Architecture:
    sizes, faults = partial(_sizes, encoder), partial(_faults, encoder)
    return Architecture(sizes, faults, _grain, partial(_keep_layers, encoder), partial(_narrow, encoder))


ARCHITECTURES = {name: _architecture(encoder) for name, encoder in ENCODERS.items()}
