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

    def __init__(self, name: str = "", weights: dict[str, TensorProto] | None = None) -> None:
        self._name, self._nodes = name, list[NodeProto]()
        self._weights: dict[str, TensorProto] = {} if weights is None else weights

    @property
    def bytes(self) -> int:
        """Of its weights."""
        return sum(len(one.raw_data) for one in self._weights.values())

    def within(self, name: str) -> str:
        """A name as it is in this graph alone."""
        return f"{self._name}{name}"

    def branch(self, name: str) -> Nodes:
        """A graph within this one, which shares its weights and sees its values."""
        return Nodes(f"{name}.", self._weights)

    def weight(self, name: str, values: np.ndarray) -> str:
        """A tensor of the graph, by its name; put in once."""
        if name not in self._weights:
            self._weights[name] = numpy_helper.from_array(np.ascontiguousarray(values), name)
        return name

    def numbers(self, *values: int) -> str:
        """Whole numbers (n,)."""
        return self.weight(
            "numbers_" + "_".join(map(str, values)).replace("-", "m"), np.array(values, np.int64)
        )

    def add(self, operator: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """The name of a node's output."""
        (name,) = self.several(operator, inputs, [output or self.named(operator)], **attributes)
        return name

    def contrib(self, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """The same of an operator that onnxruntime alone has."""
        return self.add(operator, inputs, domain=CONTRIB, **attributes)

    def several(
        self, operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any
    ) -> Sequence[str]:
        """The names of a node's outputs."""
        made = helper.make_node(operator, inputs, outputs, f"{self.named(operator)}.node", **attributes)
        self._nodes.append(made)
        return outputs

    def named(self, operator: str) -> str:
        """A name that the next node's output can have."""
        return f"{self._name}{operator}.{len(self._nodes)}"

    def choice(
        self, condition: str, if_true: Nodes, if_false: Nodes, names: Sequence[str], outputs: Sequence[str]
    ) -> None:
        """One of two branches, whose floats of these names are the outputs."""
        told = helper.make_tensor_value_info
        graphs = [
            helper.make_graph(
                one._nodes,
                one.within(PREFIX),
                [],
                [told(one.within(name), TensorProto.FLOAT, None) for name in names],
            )
            for one in (if_true, if_false)
        ]
        self.several("If", [condition], outputs, then_branch=graphs[0], else_branch=graphs[1])

    def model(self, inputs: Sequence[ValueInfoProto], outputs: Sequence[ValueInfoProto]) -> ModelProto:
        graph = helper.make_graph(self._nodes, PREFIX, inputs, outputs, [*self._weights.values()])
        domains = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
        return helper.make_model(graph, opset_imports=domains, ir_version=IR)
