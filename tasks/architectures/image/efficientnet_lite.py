"""EfficientNet-Lite (Liu, 2020), whose classes are in tasks/kinds/image/common/efficientnet_lite.py."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.architectures.record import Architecture, ConvNet, Wish


def _resize(config: Any, widths: list[int]) -> None:
    config.stem_width, *config.widths, config.head_width = widths


def _wishes(base: Any, config: Any) -> Iterator[Wish]:
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


ARCHITECTURE = Architecture(
    model_type="efficientnet_lite",
    name="EfficientNet-Lite",
    layout=ConvNet(
        stages=lambda base: base.stages,
        widths=lambda config: [config.stem_width, *config.widths, config.head_width],
        describe="the stem, each stage, the head",
        resize=_resize,
        wishes=_wishes,
    ),
    dropouts=("dropout_rate",),
)
