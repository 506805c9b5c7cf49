"""Cutting blocks and channels out of convolutional networks built in stages: ConvNeXt, ResNet and
EfficientNet-Lite.

Exactly so many channels of a stage go as are too many, the least important of those that its residual stream
ties together. Widths within a block follow from the widths of the stages, as the config says them.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from transformers import PreTrainedModel

from tasks.prune.architecture import FINEST, Architecture, Choose, Sizes, cut, plain, too_great, unknown

SIDE = 64
"""Pixels of the picture that shows torch-pruning how the modules hang together."""
Wish = tuple[torch.nn.Module, int]
"""A module, and how many outputs it shall have."""


@dataclass(frozen=True)
class Network:
    """Where its parts are, and how its config says their sizes."""

    stages: Callable[[Any], Sequence[Any]]
    """Base model -> the blocks of each stage."""
    widths: Callable[[Any], list[int]]
    """Config -> what `widths` of params names."""
    describe: str
    """Which widths these are."""
    resize: Callable[[Any, list[int]], None]
    """(config, widths) -> they are set in the config."""
    wishes: Callable[[Any, Any], Iterator[Wish]]
    """(base model, config) -> the outputs of every module that decides a width, if the model had this config;
    outer widths first."""
    unsayable: Callable[[Any, list[int]], list[str]]
    """(config, widths) -> why the config could not say them."""


def _sizes(network: Network, config: Any) -> dict[str, list[int]]:
    return {"depths": list(config.depths), "widths": network.widths(config)}


def _faults(network: Network, config: Any, wanted: Sizes) -> list[str]:
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
    return faults or network.unsayable(config, wanted.get("widths", found["widths"]))


def _grain(config: Any, size: str) -> int:
    return FINEST if size == "widths" else 1


def _keep_layers(network: Network, model: PreTrainedModel, wanted: Sizes, choose: Choose) -> list[list[int]]:
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


def _narrow(network: Network, model: PreTrainedModel, wanted: Sizes, importance: str) -> PreTrainedModel:
    config: Any = copy.deepcopy(model.config)
    have = network.widths(config)
    if (want := list(wanted.get("widths", have))) != have:
        network.resize(config, want)
        picture = torch.zeros(2, config.num_channels, SIDE, SIDE, device=model.device)
        cut(model, {"pixel_values": picture}, network.wishes(model.base_model, config), importance)
    return plain(model, config)


def _all_sayable(config: Any, widths: list[int]) -> list[str]:
    return []


def _architecture(network: Network) -> Architecture:
    sizes, faults = partial(_sizes, network), partial(_faults, network)
    return Architecture(sizes, faults, _grain, partial(_keep_layers, network), partial(_narrow, network))


# -- ConvNeXt --


def _convnext_wishes(base: Any, config: Any) -> Iterator[Wish]:
    stages = base.encoder.stages
    outer = [base.embeddings.patch_embeddings, *(stage.downsampling_layer[1] for stage in stages[1:])]
    yield from zip(outer, config.hidden_sizes, strict=True)
    for stage, width in zip(stages, config.hidden_sizes, strict=True):
        for layer in stage.layers:
            yield layer.pwconv1, 4 * width


def _set_hidden_sizes(config: Any, widths: list[int]) -> None:
    config.hidden_sizes = widths


CONVNEXT = Network(
    stages=lambda base: [stage.layers for stage in base.encoder.stages],
    widths=lambda config: list(config.hidden_sizes),
    describe="one for each stage",
    resize=_set_hidden_sizes,
    wishes=_convnext_wishes,
    unsayable=_all_sayable,
)


# -- ResNet --


def _stem_flows_on(config: Any) -> bool:
    """Whether the first stage adds to what the stem makes.

    Elsewhere a shortcut of its own begins the stream.
    """
    return config.embedding_size == config.hidden_sizes[0] and not config.downsample_in_first_stage


def _resnet_resize(config: Any, widths: list[int]) -> None:
    if _stem_flows_on(config):
        config.embedding_size = widths[0]
    config.hidden_sizes = widths


def _resnet_wishes(base: Any, config: Any) -> Iterator[Wish]:
    share = 4 if config.layer_type == "bottleneck" else 1
    stages = [stage.layers for stage in base.encoder.stages]
    for layers, width in zip(stages, config.hidden_sizes, strict=True):
        yield layers[0].layer[-1].convolution, width
    for layers, width in zip(stages, config.hidden_sizes, strict=True):
        for layer in layers:
            for inner in layer.layer[:-1]:
                yield inner.convolution, width // share


def _resnet_unsayable(config: Any, widths: list[int]) -> list[str]:
    if _stem_flows_on(config) or config.downsample_in_first_stage or widths[0] != config.embedding_size:
        return []
    return [
        f"prune.widths[0] = {widths[0]}: is the width of the stem, and a ResNet has no shortcut between "
        "equal widths; take another"
    ]


RESNET = Network(
    stages=lambda base: [stage.layers for stage in base.encoder.stages],
    widths=lambda config: list(config.hidden_sizes),
    describe="one for each stage",
    resize=_resnet_resize,
    wishes=_resnet_wishes,
    unsayable=_resnet_unsayable,
)


# -- EfficientNet-Lite --


def _lite_resize(config: Any, widths: list[int]) -> None:
    config.stem_width, *config.widths, config.head_width = widths


def _lite_wishes(base: Any, config: Any) -> Iterator[Wish]:
    yield base.stem.convolution, config.stem_width
    for stage, width in zip(base.stages, config.widths, strict=True):
        yield stage[0].project.convolution, width
    yield base.head.convolution, config.head_width
    before = [config.stem_width, *config.widths]
    for stage, blocks in enumerate(base.stages):
        for at, block in enumerate(blocks):
            if config.expansions[stage] > 1:
                yield (
                    block.expand.convolution,
                    config.expansions[stage] * (config.widths[stage] if at else before[stage]),
                )


EFFICIENTNET_LITE = Network(
    stages=lambda base: base.stages,
    widths=lambda config: [config.stem_width, *config.widths, config.head_width],
    describe="the stem, each stage, the head",
    resize=_lite_resize,
    wishes=_lite_wishes,
    unsayable=_all_sayable,
)


ARCHITECTURES = {
    "convnext": _architecture(CONVNEXT),
    "resnet": _architecture(RESNET),
    "efficientnet_lite": _architecture(EFFICIENTNET_LITE),
}
