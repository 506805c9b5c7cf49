"""The table of pieces in a graph: looked up, and where answers share it, multiplied with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tasks.core.errors import ModelError
from tasks.export.decoder.nodes import Nodes
from tasks.export.decoder.products import BITS, BLOCK, Form, blocks, in_blocks

NAME = "table"


@dataclass(frozen=True)
class Table:
    """Rows (c, h) of pieces: as they are, or in blocks."""

    weight: np.ndarray
    form: Form

    def looked_up(self, nodes: Nodes, ids: str) -> str:
        """The rows (n, s, h) of pieces (n, s)."""
        if bits := BITS.get(self.form):
            packed, scales = self._packed(nodes)
            given = [packed, ids, scales]
            return nodes.contrib(
                "GatherBlockQuantized", given, bits=bits, block_size=BLOCK, gather_axis=0, quantize_axis=1
            )
        return nodes.add("Gather", [self.whole(nodes), ids])

    def whole(self, nodes: Nodes) -> str:
        """The rows as floats."""
        return nodes.weight(NAME, self.weight)

    def in_blocks(self, nodes: Nodes) -> tuple[str, str]:
        """The packed rows and their scales, as a product takes them."""
        bits = BITS[self.form]
        packed, scales = self._packed(nodes)
        count = self.weight.shape[1] // BLOCK
        blocked = nodes.add("Reshape", [packed, nodes.numbers(len(self.weight), count, BLOCK * bits // 8)])
        return blocked, nodes.add("Reshape", [scales, nodes.numbers(-1)])

    def product(self, nodes: Nodes, states: str, packed: tuple[str, str]) -> str:
        """States (n, h) times the packed rows: (n, c)."""
        pieces, width = self.weight.shape
        return blocks(nodes, [states, *packed], pieces, width, BITS[self.form])

    def _packed(self, nodes: Nodes) -> tuple[str, str]:
        rows, scales = self._blocks
        return nodes.weight(f"{NAME}.packed", rows), nodes.weight(f"{NAME}.scales", scales)

    @cached_property
    def _blocks(self) -> tuple[np.ndarray, np.ndarray]:
        if self.weight.shape[1] % BLOCK:
            raise ModelError("model.onnx", f"a table in blocks needs a width that {BLOCK} divides; take fp32")
        packed, scales = in_blocks(self.weight, BITS[self.form])
        return packed.reshape(len(self.weight), -1), scales
