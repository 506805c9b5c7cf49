"""The layers of a half of the graph of an encoder-decoder model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tasks.architectures.record import EncoderDecoder, Half
from tasks.export.decoder.layers import activated, numbers
from tasks.export.decoder.nodes import CONTRIB, Nodes
from tasks.export.decoder.products import FormOf, product

Attend = Callable[[str, str, Any, str, int], str]
"""(states (n, s, h), queries (n, s, heads x width), attention module, its name, number of the layer) -> what
is read, heads side by side."""
HIDDEN = -1e9
"""What is added where nothing stands."""


class Layers:
    """Puts the layers of a half into a graph."""

    def __init__(self, nodes: Nodes, model: Any, layout: EncoderDecoder, half: Half, form_of: FormOf) -> None:
        self.nodes, self.layout, self.half = nodes, layout, half
        self._config, self._form_of = model.config, form_of
        self.modules: Any = model.base_model.get_submodule(half.layers)
        self.heads = int(getattr(self._config, half.heads))

    def add(self, states: str, at: int, attends: Sequence[Attend]) -> str:
        """States behind a layer, whose attentions are made so."""
        layer, name = self.modules[at], f"{self.half.path}.{at}"
        for number, ((path, norm), attend) in enumerate(zip(self.half.attention, attends, strict=True)):
            own, module = f"{name}.attention_{number}", layer.get_submodule(path)

            def looked(read: str, own: str = own, module: Any = module, attend: Attend = attend) -> str:
                queries, *_, joined = (module.get_submodule(one) for one in self.layout.projections)
                asked = self.linear(read, f"{own}.0", queries)
                return self.linear(attend(read, asked, module, own, at), f"{own}.joined", joined)

            states = self._added(states, layer.get_submodule(norm), f"{own}.norm", looked)
        part = layer.get_submodule(self.half.ffn) if self.half.ffn else layer
        norm = layer.get_submodule(self.half.ffn_norm)
        return self._added(
            states, norm, f"{name}.ffn.norm", lambda read: self._ffn(read, part, f"{name}.ffn")
        )

    def keys_and_values(self, states: str, module: Any, name: str) -> list[str]:
        """Of an attention: (n, s, heads x width) each."""
        projections = [module.get_submodule(one) for one in self.layout.projections[1:3]]
        return [self.linear(states, f"{name}.{at}", one) for at, one in enumerate(projections, 1)]

    def attention(self, module: Any, given: Sequence[str], outputs: Sequence[str]) -> Sequence[str]:
        """What is read and, where there are such outputs, the cache that goes on.

        Args:
            given: queries, keys, values; nothing; which keys are there (n, k); what is added to each; and the
                cache so far.
        """
        return self.nodes.several(
            "MultiHeadAttention",
            given,
            outputs,
            domain=CONTRIB,
            num_heads=self.heads,
            scale=float(module.scaling),
            mask_filter_value=HIDDEN,
        )

    def normed(self, states: str, norm: Any, name: str) -> str:
        weight = self.nodes.weight(f"{name}.weight", numbers(norm.weight))
        if self.layout.centred:
            given = [states, weight, self.nodes.weight(f"{name}.bias", numbers(norm.bias))]
            return self.nodes.add("LayerNormalization", given, axis=-1, epsilon=float(norm.eps))
        epsilon = float(norm.variance_epsilon)
        return self.nodes.add("SimplifiedLayerNormalization", [states, weight], axis=-1, epsilon=epsilon)

    def linear(self, states: str, name: str, module: Any) -> str:
        bias = None if module.bias is None else numbers(module.bias)
        return product(self.nodes, states, name, numbers(module.weight), bias, self._form_of(name))

    def _added(self, states: str, norm: Any, name: str, part: Callable[[str], str]) -> str:
        """States, and what a part of a layer makes of them."""
        if self.layout.normed_first:
            return self.nodes.add("Add", [states, part(self.normed(states, norm, name))])
        return self.normed(self.nodes.add("Add", [states, part(states)]), norm, name)

    def _ffn(self, states: str, part: Any, name: str) -> str:
        modules = [part.get_submodule(one) for one in self.layout.ffn(self._config)]
        first = self.linear(states, f"{name}.0", modules[0])
        first = activated(self.nodes, first, str(getattr(self._config, self.layout.activation)))
        if len(modules) == 3:
            first = self.nodes.add("Mul", [first, self.linear(states, f"{name}.1", modules[1])])
        return self.linear(first, f"{name}.2", modules[-1])
