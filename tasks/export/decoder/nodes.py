"""Nodes and weights of an ONNX graph, as they are put together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper

OPSET, IR = 21, 10
CONTRIB = "com.microsoft"
PREFIX = "graph"
LARGEST = 1_900_000_000
"""Bytes of weights that one file can hold."""


class Nodes:
    """A graph that grows."""

    def __init__(self) -> None:
        self._nodes: list[NodeProto] = []
        self._weights: dict[str, TensorProto] = {}
        self.bytes = 0

    def weight(self, name: str, values: np.ndarray) -> str:
        """A tensor of the graph, by its name; put in once."""
        if name not in self._weights:
            self._weights[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
            self.bytes += values.nbytes
        return name

    def numbers(self, *values: int) -> str:
        """Whole numbers (n,)."""
        return self.weight(
            "numbers_" + "_".join(map(str, values)).replace("-", "m"), np.array(values, np.int64)
        )

    def add(self, operator: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """The name of a node's output."""
        (name,) = self.several(operator, inputs, [output or self._next(operator)], **attributes)
        return name

    def contrib(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """The same of an operator that onnxruntime alone has."""
        return self.add(operator, inputs, domain=CONTRIB, **attributes)

    def several(
        self, operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any
    ) -> Sequence[str]:
        """The names of a node's outputs."""
        made = helper.make_node(operator, inputs, outputs, f"{self._next(operator)}.node", **attributes)
        self._nodes.append(made)
        return outputs

    def _next(self, operator: str) -> str:
        return f"{operator}.{len(self._nodes)}"

    def model(self, inputs: Sequence[ValueInfoProto], outputs: Sequence[ValueInfoProto]) -> ModelProto:
        graph = helper.make_graph(self._nodes, PREFIX, inputs, outputs, [*self._weights.values()])
        domains = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
        return helper.make_model(graph, opset_imports=domains, ir_version=IR)
