"""Cutting blocks and channels out of convolutional networks built in stages.

Exactly so many channels of a stage go as are too many, the least important of those that its residual stream
ties together. Widths within a block follow from the widths of the stages, as the config says them.
"""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import torch
from transformers import PreTrainedModel

from tasks.architectures.record import ConvNet
from tasks.prune.pruner import FINEST, Choose, Pruner, Sizes, cut, plain, too_great, unknown

SIDE = 64
"""Pixels of the picture that shows torch-pruning how the modules hang together."""


def pruner(network: ConvNet) -> Pruner:
    """How models of this layout are cut."""
    sizes, faults = partial(_sizes, network), partial(_faults, network)
    return Pruner(sizes, faults, _grain, partial(_keep_layers, network), partial(_narrow, network))


def _sizes(network: ConvNet, config: Any) -> dict[str, list[int]]:
    return {"depths": list(config.depths), "widths": network.widths(config)}


def _faults(network: ConvNet, config: Any, wanted: Sizes) -> list[str]:
    found = _sizes(network, config)
    faults = unknown(found, wanted)
    for name, have in found.items():
        want = wanted.get(name, have)
        if len(want) != len(have):
            which = network.describe if name == "widths" else "one for each stage"
            faults.append(
                f"prune.{name} = {want}: must be {len(have)} numbers, {which}; the teacher has {have}"
            )
            continue
        for at, (few, many) in enumerate(zip(want, have, strict=True)):
            faults += too_great(f"prune.{name}[{at}]", few, many)
            if few < 1:
                faults.append(f"prune.{name}[{at}] = {few}: keep at least 1")
    if faults or network.unsayable is None:
        return faults
    return network.unsayable(config, wanted.get("widths", found["widths"]))


def _grain(config: Any, size: str) -> int:
    return FINEST if size == "widths" else 1


def _keep_layers(network: ConvNet, model: PreTrainedModel, wanted: Sizes, choose: Choose) -> list[list[int]]:
    """The first block of a stage stays: it is the one that changes the size."""
    config: Any = model.config
    stages = network.stages(model.base_model)
    kept = choose(stages, wanted.get("depths", config.depths), True)
    for blocks, chosen in zip(stages, kept, strict=True):
        for at in reversed(range(len(blocks))):
            if at not in chosen:
                del blocks[at]
    config.depths = [len(chosen) for chosen in kept]
    return kept


def _narrow(network: ConvNet, model: PreTrainedModel, wanted: Sizes, importance: str) -> PreTrainedModel:
    config: Any = copy.deepcopy(model.config)
    have = network.widths(config)
    if (want := list(wanted.get("widths", have))) != have:
        network.resize(config, want)
        picture = torch.zeros(2, config.num_channels, SIDE, SIDE, device=model.device)
        cut(model, {"pixel_values": picture}, network.wishes(model.base_model, config), importance)
    return plain(model, config)
