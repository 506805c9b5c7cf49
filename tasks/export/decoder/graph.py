"""The graph of a decoder, made from a checkpoint and the record of its architecture.

One graph reads a prompt and writes on. Inputs: `input_ids` (n, s); `lengths` (n,), the pieces of each row
with those before; the cache, `past.<layer>.key` and `.value` (n, heads, p, width). Rows that are shorter are
filled up behind their end. Outputs: `logits` (n, c) behind each row's last piece, and the cache that goes on,
`present.<layer>.key` and `.value` (n, heads, p + s, width).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, save
from transformers import PreTrainedModel

from tasks.architectures import catalog
from tasks.architectures.record import Decoder
from tasks.core.errors import ModelError
from tasks.export.decoder.layers import KEYS, Layers, Places, Shape, numbers
from tasks.export.decoder.nodes import LARGEST, Nodes
from tasks.export.decoder.products import BITS, Form, FormOf, product
from tasks.export.decoder.table import NAME, Table
from tasks.kinds.base.generation import LONGEST

TABLE, HEAD = NAME, "head"
"""The names of the table of pieces, and of the matrix that answers where it is another one."""


def build(model: PreTrainedModel, longest: int, form_of: FormOf, file: Path) -> list[str]:
    """Writes the graph of a model for texts of at most `longest` pieces; the names of its matrices.

    Args:
        form_of: their forms. Of the table of pieces, which the answers share where the model's do, only what
            has blocks or is float.

    Raises:
        ModelError: it is no decoder, or too large for one file.
    """
    layout = catalog.of(model.config).layout
    if not isinstance(layout, Decoder):
        raise ModelError("model.onnx", f"{model.config.model_type} is no decoder")
    asked: list[str] = []

    def noted(name: str) -> Form:
        asked.append(name)
        return form_of(name)

    made = _Graph(model, layout, longest, noted)
    whole = made.whole()
    helper.set_model_props(whole, {LONGEST: str(longest)})
    if made.nodes.bytes > LARGEST:
        raise ModelError("model.onnx", f"its weights have {made.nodes.bytes:,} bytes; take fewer bits")
    save(whole, file)
    return [*dict.fromkeys(asked)]


class _Graph:
    def __init__(self, model: Any, layout: Decoder, longest: int, form_of: FormOf) -> None:
        self.nodes = Nodes()
        self._model, self._base, self._layout, self._config = model, model.base_model, layout, model.config
        self._longest, self._form_of = longest, form_of
        rows = numbers(self._base.get_submodule(layout.embeddings).weight)
        self._table = Table(rows, form_of(TABLE))
        self._steps = self.nodes.add("Shape", ["input_ids"], start=1, end=2)
        # the place of the first new piece of each row (n,)
        self._first = self.nodes.add(
            "Max", [self.nodes.add("Sub", ["lengths", self._steps]), self.nodes.numbers(0)]
        )

    def whole(self) -> ModelProto:
        layers = Layers(self.nodes, self._base, self._layout, self._places(), self._longest, self._form_of)
        modules = self._base.get_submodule(self._layout.layers)
        states = self._embedded()
        for at, module in enumerate(modules):
            states = layers.add(states, at, module)
        last_norm = self._base.get_submodule(self._layout.last_norm)
        self._answer(layers.normed(self._last(states), last_norm, "last_norm"))
        return self.nodes.model(*_ports(len(modules), layers.shape))

    def _places(self) -> Places:
        nodes = self.nodes
        before = nodes.add("Sub", ["lengths", nodes.numbers(1)])
        past = nodes.add("Shape", ["past.0.key"], start=2, end=3)
        total = nodes.add("Squeeze", [nodes.add("Add", [past, self._steps])])
        in_32_bits = [nodes.add("Cast", [name], to=TensorProto.INT32) for name in (before, total)]
        return Places(*in_32_bits)

    def _embedded(self) -> str:
        nodes, table = self.nodes, self._base.get_submodule(self._layout.embeddings)
        states = self._table.looked_up(nodes, "input_ids")
        if (factor := float(getattr(table, "embed_scale", 1.0))) != 1.0:
            states = nodes.add("Mul", [states, nodes.weight("table.factor", np.array(factor, np.float32))])
        return states if not self._layout.positions else nodes.add("Add", [states, self._positions()])

    def _positions(self) -> str:
        nodes = self.nodes
        table = numbers(self._base.get_submodule(self._layout.positions).weight)[: self._longest]
        steps = nodes.add("Squeeze", [self._steps])
        zero, one = (nodes.weight(f"scalar_{at}", np.array(at, np.int64)) for at in (0, 1))
        new = nodes.add("Unsqueeze", [nodes.add("Range", [zero, steps, one]), nodes.numbers(0)])
        places = nodes.add("Add", [nodes.add("Unsqueeze", [self._first, nodes.numbers(1)]), new])
        return nodes.add("Gather", [nodes.weight("positions", table), places])

    def _answer(self, states: str) -> None:
        """Logits of the last states (n, h)."""
        nodes, head = self.nodes, self._model.get_output_embeddings()
        weight = numbers(head.weight)
        shared = head.weight.data_ptr() == self._base.get_submodule(self._layout.embeddings).weight.data_ptr()
        if shared and self._table.form in BITS:
            found = self._table.product(nodes, states, self._table.in_blocks(nodes))
            nodes.add("Identity", [found], "logits")
        elif shared:
            turned = nodes.add("Transpose", [self._table.whole(nodes)], perm=[1, 0])
            nodes.add("MatMul", [states, turned], "logits")
        else:
            bias = None if head.bias is None else numbers(head.bias)
            nodes.add("Identity", [product(nodes, states, HEAD, weight, bias, self._form_of(HEAD))], "logits")

    def _last(self, states: str) -> str:
        """The states (n, h) of each row's last piece."""
        nodes = self.nodes
        place = nodes.add("Sub", [nodes.add("Sub", ["lengths", nodes.numbers(1)]), self._first])
        return nodes.add(
            "GatherND", [states, nodes.add("Unsqueeze", [place, nodes.numbers(1)])], batch_dims=1
        )


def _ports(layers: int, shape: Shape) -> tuple[list[ValueInfoProto], list[ValueInfoProto]]:
    """Inputs and outputs."""
    told = helper.make_tensor_value_info

    def cache(name: str, length: str) -> list[ValueInfoProto]:
        sizes = ["rows", shape.groups, length, shape.width]
        names = [f"{name}.{at}.{which}" for at in range(layers) for which in KEYS]
        return [told(one, TensorProto.FLOAT, sizes) for one in names]

    ids = told("input_ids", TensorProto.INT64, ["rows", "steps"])
    lengths = told("lengths", TensorProto.INT64, ["rows"])
    logits = told("logits", TensorProto.FLOAT, ["rows", None])
    return [ids, lengths, *cache("past", "before")], [logits, *cache("present", "total")]
