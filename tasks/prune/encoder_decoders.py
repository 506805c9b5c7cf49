"""Cutting layers of the encoder, layers of the decoder, and feed-forward channels out of encoder-decoder
models.

Both halves keep their width and their heads, as each looks at what the other gives. Channels are chosen in
each layer for itself.
"""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import torch
from transformers import PreTrainedModel

from tasks.architectures.record import EncoderDecoder, Half
from tasks.prune.pruner import FINEST, Choose, Pruner, Sizes, plain, too_great, unknown
from tasks.prune.slicing import SCORES

DEPTHS = ("layers", "decoder_layers")
"""What params call the layers of each half."""
STAYS = (
    "the states of an encoder-decoder model keep their width; what can be cut are layers, decoder_layers and "
    "ffn, and pieces by pretrain.vocabulary"
)


def pruner(layout: EncoderDecoder) -> Pruner:
    """How models of this layout are cut."""
    return Pruner(
        partial(_sizes, layout),
        partial(_faults, layout),
        _grain,
        partial(_keep_layers, layout),
        partial(_narrow, layout),
    )


def _sizes(layout: EncoderDecoder, config: Any) -> dict[str, Any]:
    depths = {name: getattr(config, half.depth) for name, half in zip(DEPTHS, layout.halves, strict=True)}
    widest = max(getattr(config, half.ffn_size) for half in layout.halves)
    return {**depths, "ffn": widest, "vocabulary": config.vocab_size}


def _grain(config: Any, size: str) -> int:
    return 1 if size in DEPTHS else FINEST


def _faults(layout: EncoderDecoder, config: Any, wanted: Sizes) -> list[str]:
    found = _sizes(layout, config)
    faults = [f"prune.hidden = {wanted['hidden']}: {STAYS}"] if "hidden" in wanted else []
    faults += unknown(found, {name: size for name, size in wanted.items() if name != "hidden"})
    for name, size in found.items():
        limit = -(-size // FINEST) * FINEST if name == "vocabulary" else size
        faults += too_great(f"prune.{name}", wanted.get(name, limit), limit)
    return faults


def _keep_layers(
    layout: EncoderDecoder, model: PreTrainedModel, wanted: Sizes, choose: Choose
) -> list[list[int]]:
    base: Any = model.base_model
    halves = [base.get_submodule(half.layers) for half in layout.halves]
    counts = [wanted.get(name, len(layers)) for name, layers in zip(DEPTHS, halves, strict=True)]
    # The first layer of a half holds what all of them add for distances.
    kept = choose(halves, counts, bool(layout.relative))
    for half, layers, chosen in zip(layout.halves, halves, kept, strict=True):
        name = half.layers.rpartition(".")[2]
        setattr(base.get_submodule(half.path), name, torch.nn.ModuleList(layers[at] for at in chosen))
        setattr(model.config, half.depth, len(chosen))
    return kept


def _narrow(
    layout: EncoderDecoder, model: PreTrainedModel, wanted: Sizes, importance: str
) -> PreTrainedModel:
    config: Any = copy.deepcopy(model.config)
    for half in layout.halves:
        had = getattr(model.config, half.ffn_size)
        if (count := min(had, wanted.get("ffn", had))) < had:
            _cut(layout, half, model, count, importance)
            setattr(config, half.ffn_size, count)
    return plain(model, config)


def _cut(layout: EncoderDecoder, half: Half, model: Any, count: int, importance: str) -> None:
    """Leaves each layer of a half so many feed-forward channels, the most important."""
    for layer in model.base_model.get_submodule(half.layers):
        part = layer.get_submodule(half.ffn) if half.ffn else layer
        *wide, narrow = (part.get_submodule(name) for name in layout.ffn(model.config))
        found = [SCORES[importance](module, module.weight, 0) for module in wide]
        found.append(SCORES[importance](narrow, narrow.weight, 1))
        score = torch.stack([each.float() for each in found if each is not None]).sum(0)
        kept = torch.argsort(score, descending=True, stable=True)[:count].sort().values
        for module in wide:
            _take(module, 0, kept)
        _take(narrow, 1, kept)


def _take(module: Any, dim: int, kept: torch.Tensor) -> None:
    module.weight = torch.nn.Parameter(module.weight.detach().index_select(dim, kept))
    if dim == 0 and module.bias is not None:
        module.bias = torch.nn.Parameter(module.bias.detach()[kept])
