"""ResNet (He et al., 2016), with basic blocks or bottlenecks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.architectures.record import Architecture, ConvNet, Wish


def _stem_flows_on(config: Any) -> bool:
    """Whether the first stage adds to what the stem makes.

    Elsewhere a shortcut of its own begins the stream.
    """
    return config.embedding_size == config.hidden_sizes[0] and not config.downsample_in_first_stage


def _resize(config: Any, widths: list[int]) -> None:
    if _stem_flows_on(config):
        config.embedding_size = widths[0]
    config.hidden_sizes = widths


def _wishes(base: Any, config: Any) -> Iterator[Wish]:
    share = 4 if config.layer_type == "bottleneck" else 1
    stages = [stage.layers for stage in base.encoder.stages]
    for layers, width in zip(stages, config.hidden_sizes, strict=True):
        yield layers[0].layer[-1].convolution, width
    for layers, width in zip(stages, config.hidden_sizes, strict=True):
        for layer in layers:
            for inner in layer.layer[:-1]:
                yield inner.convolution, width // share


def _unsayable(config: Any, widths: list[int]) -> list[str]:
    if _stem_flows_on(config) or config.downsample_in_first_stage or widths[0] != config.embedding_size:
        return []
    return [
        f"prune.widths[0] = {widths[0]}: is the width of the stem, and a ResNet has no shortcut between "
        "equal widths; take another"
    ]


ARCHITECTURE = Architecture(
    model_type="resnet",
    name="ResNet",
    layout=ConvNet(
        stages=lambda base: [stage.layers for stage in base.encoder.stages],
        widths=lambda config: list(config.hidden_sizes),
        describe="one for each stage",
        resize=_resize,
        wishes=_wishes,
        unsayable=_unsayable,
    ),
)
