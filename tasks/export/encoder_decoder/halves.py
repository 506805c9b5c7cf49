"""The two halves of the graph: what reads a text, and what writes the next piece of another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from onnx import TensorProto

from tasks.architectures.record import EncoderDecoder, Half
from tasks.export.decoder.layers import KEYS, numbers
from tasks.export.decoder.nodes import Nodes
from tasks.export.decoder.products import FormOf
from tasks.export.decoder.table import Table
from tasks.export.encoder_decoder.layers import Layers


@dataclass(frozen=True)
class Whole:
    """What both halves are made from."""

    model: Any
    layout: EncoderDecoder
    table: Table
    form_of: FormOf

    def layers(self, nodes: Nodes, half: Half) -> Layers:
        return Layers(nodes, self.model, self.layout, half, self.form_of)

    def positions(self, half: Half) -> np.ndarray:
        """The table of positions of a half, from the first on."""
        module: Any = self.model.base_model.get_submodule(half.path).get_submodule(self.layout.positions)
        return numbers(module.weight)[self.layout.positions_from :]


class _Half:
    """What both have in common."""

    def __init__(self, nodes: Nodes, whole: Whole, half: Half) -> None:
        self.nodes, self._whole, self._layout, self._table = nodes, whole, whole.layout, whole.table
        self.layers = whole.layers(nodes, half)
        self._half: Any = whole.model.base_model.get_submodule(half.path)
        self._name = half.path

    def _embedded(self, ids: str, rows: str) -> str:
        """What the first layer reads: pieces, at the positions in these rows of their table."""
        nodes, layout = self.nodes, self._layout
        states = self._table.looked_up(nodes, ids)
        words = self._half.embed_tokens
        factor = float(getattr(words, "embed_scale", getattr(self._half, "embed_scale", 1.0)))
        if factor != 1.0:
            states = nodes.add("Mul", [states, nodes.weight("table.factor", np.array(factor, np.float32))])
        if layout.positions:
            states = nodes.add("Add", [states, nodes.add("Gather", [self._positions(), rows])])
        if layout.first_norm:
            norm = self._half.get_submodule(layout.first_norm)
            states = self.layers.normed(states, norm, f"{self._name}.first_norm")
        return states

    def _positions(self) -> str:
        """Sines are the same in both halves, learnt positions are not."""
        encoder, decoder = map(self._whole.positions, self._layout.halves)
        if np.array_equal(encoder, decoder):
            return self.nodes.weight("positions", encoder)
        name = f"{self._name}.positions"
        return self.nodes.weight(name, encoder if self._name == self._layout.encoder.path else decoder)

    def _last(self, states: str) -> str:
        if not self._layout.last_norm:
            return states
        norm = self._half.get_submodule(self._layout.last_norm)
        return self.layers.normed(states, norm, f"{self._name}.last_norm")

    def _relative(self, first: int, count: int) -> tuple[str, int]:
        """What is added for each distance from -far on (count, heads), and how far that is.

        Args:
            first: the place of what looks, among so many that are looked at from 0 on, in units of `far`.
        """
        attention = self.layers.modules[0].get_submodule(self.layers.half.attention[0][0])
        far = int(attention.relative_attention_max_distance)
        with torch.inference_mode():
            bias = attention.compute_bias(1, count * far + 1, past_seen_tokens=first * far)
        values = numbers(bias[0, :, 0].T)
        return self.nodes.weight(f"{self._name}.distances", values), far

    def _scalar(self, value: int) -> str:
        return self.nodes.weight(f"scalar_{value}".replace("-", "m"), np.array(value, np.int64))

    def _numbered(self, length: str) -> str:
        """Whole numbers from 0 on, so many as (1,) says."""
        count = self.nodes.add("Squeeze", [length])
        return self.nodes.add("Range", [self._scalar(0), count, self._scalar(1)])


class Reading(_Half):
    """The encoder, and what each layer of the decoder looks at of what it gives."""

    def outputs(self) -> list[str]:
        """Keys and values (n, heads, s, width) for each layer of the decoder."""
        nodes, layers = self.nodes, self.layers
        length = nodes.add("Shape", ["input_ids"], start=1, end=2)
        there, places = which_are_there(nodes, length), self._numbered(length)
        states = self._embedded("input_ids", places)
        added = self._distances(places) if self._layout.relative else ""

        def looks(read: str, queries: str, module: Any, name: str, at: int) -> str:
            given = [queries, *layers.keys_and_values(read, module, name), "", there, added]
            return layers.attention(module, given, [nodes.named("read")])[0]

        for at in range(len(layers.modules)):
            states = layers.add(states, at, [looks])
        states = self._last(states)
        decoder, found = self._layout.decoder, list[str]()
        others = self._whole.layers(nodes, decoder)
        for at, layer in enumerate(others.modules):
            module = layer.get_submodule(decoder.attention[1][0])
            both = others.keys_and_values(states, module, f"{decoder.path}.{at}.attention_1")
            found += [self._apart(one, others.heads) for one in both]
        return found

    def _apart(self, states: str, heads: int) -> str:
        """(n, s, heads x width) -> (n, heads, s, width)."""
        apart = self.nodes.add("Reshape", [states, self.nodes.numbers(0, 0, heads, -1)])
        return self.nodes.add("Transpose", [apart], perm=[0, 2, 1, 3])

    def _distances(self, places: str) -> str:
        """(1, heads, s, s): what is added to the pairs of pieces."""
        nodes = self.nodes
        table, far = self._relative(1, 2)
        keys, queries = (nodes.add("Unsqueeze", [places, nodes.numbers(axis)]) for axis in (0, 1))
        apart = nodes.add("Sub", [keys, queries])
        within = nodes.add("Clip", [apart, self._scalar(-far), self._scalar(far)])
        looked_up = nodes.add("Gather", [table, nodes.add("Add", [within, self._scalar(far)])])
        turned = nodes.add("Transpose", [looked_up], perm=[2, 0, 1])
        return nodes.add("Unsqueeze", [turned, nodes.numbers(0)])


class Writing(_Half):
    """The decoder, for one piece."""

    def outputs(self) -> tuple[str, list[str]]:
        """The last states (n, h), and the cache that goes on."""
        nodes, layers = self.nodes, self.layers
        there = which_are_there(nodes, nodes.add("Shape", ["cross.0.key"], start=2, end=3))
        past = nodes.add("Shape", ["past.0.key"], start=2, end=3)
        states = self._embedded("decoder_input_ids", past)
        added = self._distances(past) if self._layout.relative else ""
        cache: list[str] = []

        def looks_back(read: str, queries: str, module: Any, name: str, at: int) -> str:
            before = [f"past.{at}.{which}" for which in KEYS]
            given = [queries, *layers.keys_and_values(read, module, name), "", "", added, *before]
            outputs = [nodes.named(name) for name in ("read", *KEYS)]
            found, *kept = layers.attention(module, given, outputs)
            cache.extend(kept)
            return found

        def looks_over(read: str, queries: str, module: Any, name: str, at: int) -> str:
            given = [queries, *(f"cross.{at}.{which}" for which in KEYS), "", there]
            return layers.attention(module, given, [nodes.named("read")])[0]

        for at in range(len(layers.modules)):
            states = layers.add(states, at, [looks_back, looks_over])
        return nodes.add("Squeeze", [self._last(states), nodes.numbers(1)]), cache

    def _distances(self, past: str) -> str:
        """(1, heads, 1, p + 1): what is added to the pieces before and to the new one."""
        nodes = self.nodes
        table, far = self._relative(1, 1)
        total = nodes.add("Add", [past, nodes.numbers(1)])
        apart = nodes.add("Sub", [self._numbered(total), past])
        within = nodes.add("Max", [apart, self._scalar(-far)])
        looked_up = nodes.add("Gather", [table, nodes.add("Add", [within, self._scalar(far)])])
        turned = nodes.add("Transpose", [looked_up], perm=[1, 0])
        return nodes.add("Unsqueeze", [turned, nodes.numbers(0, 2)])


def which_are_there(nodes: Nodes, length: str) -> str:
    """(n, s) as 32 bits: 1 where a piece stands. `length` (1,) is s."""
    zero, one = (nodes.weight(f"scalar_{at}", np.array(at, np.int64)) for at in (0, 1))
    places = nodes.add("Range", [zero, nodes.add("Squeeze", [length]), one])
    before = nodes.add("Less", [places, nodes.add("Unsqueeze", ["lengths", nodes.numbers(1)])])
    return nodes.add("Cast", [before], to=TensorProto.INT32)
