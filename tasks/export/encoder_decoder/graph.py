"""The graph of an encoder-decoder model, made from a checkpoint and the record of its architecture.

One graph has two halves, which share its weights. Asked with an empty `cross.<layer>.key`, it reads: of
`input_ids` (n, s) and `lengths` (n,), the pieces of each row, it gives `encoded.<layer>.key` and `.value`
(n, heads, s, width), what each layer of the decoder looks at. These go in as `cross.<layer>.key` and `.value`
from then on. Then it writes: of `decoder_input_ids` (n, 1) and the cache, `past.<layer>.key` and `.value`
(n, heads, p, width), it gives `logits` (n, c) of the next piece, and the cache that goes on,
`present.<layer>.key` and `.value` (n, heads, p + 1, width). Rows that are shorter are filled up behind their
end. What a half does not give is empty.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, save
from transformers import PreTrainedModel

from tasks.architectures import catalog
from tasks.architectures.record import EncoderDecoder
from tasks.core.errors import ModelError
from tasks.export.decoder.graph import HEAD, TABLE
from tasks.export.decoder.layers import KEYS, numbers
from tasks.export.decoder.nodes import LARGEST, Nodes
from tasks.export.decoder.products import BITS, Form, FormOf, product
from tasks.export.decoder.table import Table
from tasks.export.encoder_decoder.halves import Reading, Whole, Writing
from tasks.kinds.base.generation import LONGEST


def build(model: PreTrainedModel, longest: int, form_of: FormOf, file: Path) -> list[str]:
    """Writes the graph of a model for what is read of at most `longest` pieces; the names of its matrices.

    Args:
        form_of: their forms. Of the table of pieces, which the answers share where the model's do, only what
            has blocks or is float.

    Raises:
        ModelError: it is no encoder-decoder model, or too large for one file.
    """
    layout = catalog.of(model.config).layout
    if not isinstance(layout, EncoderDecoder):
        raise ModelError("model.onnx", f"{model.config.model_type} is no encoder-decoder model")
    asked: list[str] = []

    def noted(name: str) -> Form:
        asked.append(name)
        return form_of(name)

    made = _Graph(model, layout, noted)
    whole = made.whole()
    helper.set_model_props(whole, {LONGEST: str(longest)})
    if made.nodes.bytes > LARGEST:
        raise ModelError("model.onnx", f"its weights have {made.nodes.bytes:,} bytes; take fewer bits")
    save(whole, file)
    return [*dict.fromkeys(asked)]


class _Graph:
    def __init__(self, model: Any, layout: EncoderDecoder, form_of: FormOf) -> None:
        self.nodes, self._model, self._layout, self._form_of = Nodes(), model, layout, form_of
        self._words = model.get_input_embeddings().weight
        self._table = Table(numbers(self._words), form_of(TABLE))
        self._whole = Whole(model, layout, self._table, form_of)
        config, decoder = model.config, layout.decoder
        self._layers, self._heads = int(getattr(config, decoder.depth)), int(getattr(config, decoder.heads))
        queries = model.base_model.get_submodule(decoder.layers)[0].get_submodule(decoder.attention[0][0])
        self._width = queries.get_submodule(layout.projections[0]).out_features // self._heads

    def whole(self) -> ModelProto:
        nodes = self.nodes
        looked_at = nodes.add("Shape", ["cross.0.key"], start=2, end=3)
        unread = nodes.add("Squeeze", [nodes.add("Equal", [looked_at, nodes.numbers(0)])])
        packed = self._packed()
        reading, writing = nodes.branch("read"), nodes.branch("write")
        encoded, present = self._names("encoded"), self._names("present")
        outputs = ["logits", *present, *encoded]
        _give(reading, encoded, Reading(reading, self._whole, self._layout.encoder).outputs())
        _give(reading, present, self._names("past"))
        _give(reading, ["logits"], [nodes.weight("nothing_told", np.zeros((1, 0), np.float32))])
        states, cache = Writing(writing, self._whole, self._layout.decoder).outputs()
        _give(writing, ["logits"], [self._answered(writing, states, packed)])
        _give(writing, present, cache)
        nothing = nodes.weight("nothing_read", np.zeros((1, self._heads, 0, self._width), np.float32))
        _give(writing, encoded, [nothing] * len(encoded))
        nodes.choice(unread, reading, writing, outputs, outputs)
        return nodes.model(*self._ports())

    def _packed(self) -> tuple[str, str] | None:
        """The table as a product takes it, where answers share it in blocks. Outside of the halves, so that
        it is laid out once.
        """
        shared = self._model.get_output_embeddings().weight.data_ptr() == self._words.data_ptr()
        return self._table.in_blocks(self.nodes) if shared and self._table.form in BITS else None

    def _answered(self, nodes: Nodes, states: str, packed: tuple[str, str] | None) -> str:
        """Logits (n, c) of the last states (n, h)."""
        head, factor = self._model.get_output_embeddings(), self._layout.answer_factor
        if factor and (value := factor(self._model.config)) != 1.0:
            given = [states, nodes.weight("answers.factor", np.array(value, np.float32))]
            states = nodes.add("Mul", given)
        if packed:
            found = self._table.product(nodes, states, packed)
        elif head.weight.data_ptr() == self._words.data_ptr():
            found = nodes.add("Gemm", [states, self._table.whole(nodes)], transB=1)
        else:
            found = product(nodes, states, HEAD, numbers(head.weight), None, self._form_of(HEAD))
        bias = getattr(self._model, "final_logits_bias", None)
        if bias is None or not bool(bias.any()):
            return found
        return nodes.add("Add", [found, nodes.weight("answers.bias", numbers(bias))])

    def _names(self, which: str) -> list[str]:
        return [f"{which}.{at}.{name}" for at in range(self._layers) for name in KEYS]

    def _ports(self) -> tuple[list[ValueInfoProto], list[ValueInfoProto]]:
        """Inputs and outputs."""
        told = helper.make_tensor_value_info

        def cache(which: str, length: str) -> list[ValueInfoProto]:
            sizes = ["rows", self._heads, length, self._width]
            return [told(one, TensorProto.FLOAT, sizes) for one in self._names(which)]

        numbers = {"input_ids": ["rows", "source"], "lengths": ["rows"], "decoder_input_ids": ["rows", 1]}
        ids = [told(name, TensorProto.INT64, sizes) for name, sizes in numbers.items()]
        logits = told("logits", TensorProto.FLOAT, None)
        given = [
            told(one, TensorProto.FLOAT, None) for one in (*self._names("present"), *self._names("encoded"))
        ]
        return [*ids, *cache("cross", "source_or_none"), *cache("past", "before")], [logits, *given]


def _give(nodes: Nodes, names: list[str], values: list[str]) -> None:
    """Has a half give these values by these names."""
    for name, value in zip(names, values, strict=True):
        nodes.add("Identity", [value], nodes.within(name))
