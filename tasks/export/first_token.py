"""A classifier reads one row of the last layer, that of the first piece: the others need not be computed.

What stands between the last attention and that row works on each row by itself (products with weights,
normalization, activation), so that taking the row and doing the work can change places. The attention asks
for the first row only, and still looks at all rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import NodeProto, helper, numpy_helper

ALONE = frozenset({"Cast", "Gelu", "Identity", "LayerNormalization", "Relu", "Tanh"})
WITH_WEIGHTS = frozenset({"Add", "MatMul", "Mul", "Sum"})
ATTRIBUTES = frozenset({"mask_filter_value", "num_heads", "scale"})
"""Of an Attention whose rows can be asked for singly; others as `past` or `unidirectional` it has not in an
encoder."""
FIRST = "first_row"


def keep_first_row(model: Any) -> None:
    """Rewrites a fused graph (an OnnxModel) where the first row of a (batch, rows, width) value is taken
    after the last attention.
    """
    model.topological_sort(is_deterministic=True)
    for pick in model.get_nodes_by_op_type("Gather"):
        attention = _last_attention(model, pick.input[0])
        if attention is not None and _takes_first(model, pick) and _can_be_asked_singly(attention):
            pick.input[0] = _FirstRow(model, attention).of(pick.input[0])


class _FirstRow:
    """Makes the nodes that compute the first row of a value, and remembers what it made."""

    def __init__(self, model: Any, attention: NodeProto) -> None:
        self._model, self._attention = model, attention
        self._makers = model.output_name_to_node()
        self._whole = _above(
            model, attention.input[0]
        )  # the attention reads these whole: their rows are there
        self._made: dict[str, str] = {}

    def of(self, value: str) -> str:
        """The name of the first row of `value`, (batch, 1, width)."""
        # e.g. "hidden" (8, 128, 384) -> "hidden_first_row" (8, 1, 384)
        if value not in self._made:
            self._made[value] = f"{value}_{FIRST}"
            self._make(value, self._made[value])
        return self._made[value]

    def _make(self, value: str, row: str) -> None:
        node = self._makers.get(value)
        if node is None or value in self._whole or not (node is self._attention or self._works_by_row(node)):
            if self._model.get_initializer(FIRST) is None:
                self._constant(FIRST, np.zeros(1, dtype=np.int64))
            self._add("Gather", [value, FIRST], row, axis=1)
        elif node is self._attention:
            self._attend(row)
        else:
            inputs = [name if self._is_constant(name) else self.of(name) for name in node.input]
            self._add(node.op_type, inputs, row, node.attribute, domain=node.domain)

    def _attend(self, row: str) -> None:
        """Queries of the first row only; keys and values of all."""
        whole, weights, bias, *mask = self._attention.input
        # e.g. (384, 1152): the weights of queries, keys and values side by side -> three of (384, 384)
        parts = np.split(self._model.get_constant_value(weights), 3, axis=1)
        for name, part in zip("qkv", parts, strict=True):
            self._constant(f"{row}_{name}_weight", part)
            self._add(
                "MatMul", [self.of(whole) if name == "q" else whole, f"{row}_{name}_weight"], f"{row}_{name}"
            )
        # e.g. queries (8, 1, 384), keys and values (8, 128, 384) -> (8, 1, 384)
        inputs = [f"{row}_{name}" for name in "qkv"]
        self._add(
            "MultiHeadAttention",
            [*inputs, bias, *mask],
            row,
            self._attention.attribute,
            domain="com.microsoft",
        )

    def _works_by_row(self, node: NodeProto) -> bool:
        if node.op_type in ALONE:
            return True
        # e.g. a product's weights (384, 1536), a bias (384,); a table (128, 384) tells rows apart
        widest = 2 if node.op_type == "MatMul" else 1
        constants = [self._model.get_constant_value(name) for name in node.input if self._is_constant(name)]
        products = node.op_type != "MatMul" or self._is_constant(node.input[1])
        return node.op_type in WITH_WEIGHTS and products and all(one.ndim <= widest for one in constants)

    def _is_constant(self, name: str) -> bool:
        return self._model.get_constant_value(name) is not None

    def _constant(self, name: str, values: np.ndarray) -> None:
        self._model.add_initializer(numpy_helper.from_array(np.ascontiguousarray(values), name))

    def _add(self, operator: str, inputs: list[str], output: str, attributes: Any = (), **more: Any) -> None:
        node = helper.make_node(operator, inputs, [output], name=output, **more)
        node.attribute.extend(attributes)
        self._model.add_node(node)


def _last_attention(model: Any, value: str) -> NodeProto | None:
    above = _above(model, value)
    return next(
        (node for node in reversed(model.nodes()) if node.op_type == "Attention" and node.output[0] in above),
        None,
    )


def _takes_first(model: Any, pick: NodeProto) -> bool:
    index = model.get_constant_value(pick.input[1])
    axis = {one.name: one.i for one in pick.attribute}.get("axis")
    return axis == 1 and index is not None and index.size == 1 and int(index.item()) == 0


def _can_be_asked_singly(attention: NodeProto) -> bool:
    return {one.name for one in attention.attribute} <= ATTRIBUTES and len(attention.input) <= 4


def _above(model: Any, value: str) -> set[str]:
    """The value and all that it is computed from."""
    makers, found, waiting = model.output_name_to_node(), set[str](), [value]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(makers[name].input if name in makers else [])
    return found
