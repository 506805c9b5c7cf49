"""The axes along which the weights of an encoder run, for those that tasks/prune/slicing.py cuts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

LAYER = re.compile(r"\blayers?\.(\d+)\.")


@dataclass(frozen=True)
class Axis:
    """A width of the model. A module may hold it several times, side by side."""

    name: str
    times: int = 1
    in_each_layer: bool = False

    def of(self, module: str) -> str:
        """Its name in the module of this name; of an axis that each layer has for itself, with the layer."""
        # e.g. heads in "model.layers.3.attn.Wo" -> "heads 3"
        return f"{self.name} {LAYER.findall(module)[0]}" if self.in_each_layer else self.name


HIDDEN, POOLED = Axis("hidden"), Axis("pooled")
HEADS, FFN = Axis("heads", in_each_layer=True), Axis("ffn", in_each_layer=True)
Table = Mapping[str, tuple[Axis | None, Axis | None]]
"""Pattern of the end of a module's name -> the axes of its outputs and of its inputs; None: a width that
stays."""
