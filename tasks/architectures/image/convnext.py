"""ConvNeXt (Liu et al., 2022)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tasks.architectures.record import Architecture, ConvNet, Wish


def _wishes(base: Any, config: Any) -> Iterator[Wish]:
    stages = base.encoder.stages
    outer = [base.embeddings.patch_embeddings, *(stage.downsampling_layer[1] for stage in stages[1:])]
    yield from zip(outer, config.hidden_sizes, strict=True)
    for stage, width in zip(stages, config.hidden_sizes, strict=True):
        for layer in stage.layers:
            yield layer.pwconv1, 4 * width


def _resize(config: Any, widths: list[int]) -> None:
    config.hidden_sizes = widths


ARCHITECTURE = Architecture(
    model_type="convnext",
    name="ConvNeXt",
    layout=ConvNet(
        stages=lambda base: [stage.layers for stage in base.encoder.stages],
        widths=lambda config: list(config.hidden_sizes),
        describe="one for each stage",
        resize=_resize,
        wishes=_wishes,
    ),
    dropouts=("drop_path_rate",),
)
