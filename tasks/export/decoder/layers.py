"""The layers of a decoder's graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tasks.architectures.record import Decoder
from tasks.core.errors import ModelError
from tasks.export.decoder.nodes import CONTRIB, Nodes
from tasks.export.decoder.products import FormOf, product

KEYS = ("key", "value")
ROTATED = 8
"""What half of the rotated width is a multiple of."""


@dataclass(frozen=True)
class Shape:
    """Sizes of attention."""

    heads: int
    groups: int
    """Heads of keys and values."""
    width: int
    """Of a head."""

    @classmethod
    def of(cls, config: Any) -> Shape:
        heads = int(config.num_attention_heads)
        width = getattr(config, "head_dim", None) or config.hidden_size // heads
        return cls(heads, int(getattr(config, "num_key_value_heads", None) or heads), int(width))


@dataclass(frozen=True)
class Places:
    """Names of what says where the new pieces stand."""

    before: str
    """Pieces of each row but the last (n,), 32 bits."""
    total: str
    """Pieces of the cache that goes on, 32 bits."""


class Layers:
    """Puts layers into a graph."""

    def __init__(
        self, nodes: Nodes, base: Any, layout: Decoder, places: Places, longest: int, form_of: FormOf
    ) -> None:
        self.nodes, self.shape = nodes, Shape.of(base.config)
        self._base, self._layout, self._config = base, layout, base.config
        self._places, self._longest, self._form_of = places, longest, form_of
        self._epsilon = float(getattr(base.config, layout.epsilon))

    def add(self, states: str, at: int, layer: Any) -> str:
        layout, nodes, behind = self._layout, self.nodes, self._layout.norms_behind
        before, between = (layer.get_submodule(name) for name in layout.norms)
        read = self._attention(self.normed(states, before, f"{at}.norm_1"), at, layer)
        if behind:
            read = self.normed(read, layer.get_submodule(behind[0]), f"{at}.behind_1")
        if getattr(self._config, "use_parallel_residual", False):
            thought = self._ffn(self.normed(states, between, f"{at}.norm_2"), at, layer)
            return nodes.add("Add", [nodes.add("Add", [thought, read]), states])
        states = nodes.add("Add", [states, read])
        thought = self._ffn(self.normed(states, between, f"{at}.norm_2"), at, layer)
        if behind:
            thought = self.normed(thought, layer.get_submodule(behind[1]), f"{at}.behind_2")
        return nodes.add("Add", [states, thought])

    def _attention(self, states: str, at: int, layer: Any) -> str:
        nodes, shape, layout = self.nodes, self.shape, self._layout
        queries, keys, values = self._projected(states, at, layer)
        module = layer.get_submodule(layout.joined.rpartition(".")[0])
        cos, sin = self._rotations(at)
        given = [
            queries,
            keys,
            values,
            f"past.{at}.key",
            f"past.{at}.value",
            self._places.before,
            self._places.total,
            cos,
            sin,
        ]
        window = getattr(module, "sliding_window", getattr(self._config, "sliding_window", None))
        read, _, _ = nodes.several(
            "GroupQueryAttention",
            given,
            [f"read_{at}", *(f"present.{at}.{name}" for name in KEYS)],
            domain=CONTRIB,
            num_heads=shape.heads,
            kv_num_heads=shape.groups,
            scale=float(getattr(module, "scaling", shape.width**-0.5)),
            local_window_size=int(window) if window else -1,
            do_rotary=int(bool(cos)),
            rotary_interleaved=0,
        )
        return self._linear(read, f"{at}.joined", layer.get_submodule(layout.joined))

    def _projected(self, states: str, at: int, layer: Any) -> list[str]:
        """Queries, keys and values (n, s, heads x width)."""
        layout, shape = self._layout, self.shape
        modules = [layer.get_submodule(name) for name in layout.attention]
        if not layout.fused:
            made = [self._linear(states, f"{at}.attention_{n}", one) for n, one in enumerate(modules)]
            for which, name in enumerate(layout.head_norms or ()):
                made[which] = self._normed_heads(
                    made[which], layer.get_submodule(name), f"{at}.head_norm_{which}"
                )
            return made
        matrix, bias = self._matrix(modules[0])
        parts = []
        for which in range(3):
            if layout.fused == "side by side":
                rows = np.arange(shape.heads * shape.width) + which * shape.heads * shape.width
            else:  # e.g. head 0: queries, keys, values; head 1: queries, ...
                starts = np.arange(shape.heads)[:, None] * 3 * shape.width + which * shape.width
                rows = (starts + np.arange(shape.width)).reshape(-1)
            some = None if bias is None else bias[rows]
            name = f"{at}.attention_{which}"
            parts.append(product(self.nodes, states, name, matrix[rows], some, self._form_of(name)))
        return parts

    def _rotations(self, at: int) -> tuple[str, str]:
        """Cosines and sines (longest, half the rotated width); no names where nothing is rotated."""
        rotary = getattr(self._base, "rotary_emb", None)
        if rotary is None:
            return "", ""
        kinds = getattr(rotary, "layer_types", None)
        kind = self._config.layer_types[at] if kinds else ""
        places = torch.arange(self._longest)[None]
        turned = rotary(torch.zeros(1), places, *([kind] if kind else []))
        names = []
        for name, values in zip(("cos", "sin"), turned, strict=True):
            half = numbers(values[0])[:, : values.shape[-1] // 2]
            if half.shape[1] % ROTATED:
                raise ModelError(
                    "model.onnx",
                    f"rotates {2 * half.shape[1]} numbers of a head; onnxruntime rotates multiples of "
                    f"{2 * ROTATED}",
                )
            names.append(self.nodes.weight(f"{name}{'.' if kind else ''}{kind}", half))
        return names[0], names[1]

    def _ffn(self, states: str, at: int, layer: Any) -> str:
        nodes, modules = self.nodes, [layer.get_submodule(name) for name in self._layout.ffn]
        name = str(getattr(self._config, self._layout.activation))
        first = activated(nodes, self._linear(states, f"{at}.ffn_0", modules[0]), name)
        if len(modules) == 3:
            first = nodes.add("Mul", [first, self._linear(states, f"{at}.ffn_1", modules[1])])
        return self._linear(first, f"{at}.ffn_2", modules[-1])

    def normed(self, states: str, norm: Any, name: str) -> str:
        weight = self.nodes.weight(f"{name}.weight", self._norm_weight(norm))
        if self._layout.centred:
            given = [states, weight, self.nodes.weight(f"{name}.bias", numbers(norm.bias))]
            return self.nodes.add("LayerNormalization", given, axis=-1, epsilon=self._epsilon)
        return self.nodes.add(
            "SimplifiedLayerNormalization", [states, weight], axis=-1, epsilon=self._epsilon
        )

    def _normed_heads(self, states: str, norm: Any, name: str) -> str:
        """Each head (n, s, heads x width) for itself."""
        apart = self.nodes.add("Reshape", [states, self.nodes.numbers(0, 0, -1, self.shape.width)])
        return self.nodes.add("Reshape", [self.normed(apart, norm, name), self.nodes.numbers(0, 0, -1)])

    def _norm_weight(self, norm: Any) -> np.ndarray:
        return numbers(norm.weight) + np.float32(self._layout.counts_from_one)

    def _linear(self, states: str, name: str, module: Any) -> str:
        matrix, bias = self._matrix(module)
        return product(self.nodes, states, name, matrix, bias, self._form_of(name))

    def _matrix(self, module: Any) -> tuple[np.ndarray, np.ndarray | None]:
        """Weights (n, k) and bias (n,)."""
        matrix = numbers(module.weight)
        return matrix.T if self._layout.transposed else matrix, None if module.bias is None else numbers(
            module.bias
        )


def activated(nodes: Nodes, states: str, name: str) -> str:
    """States behind the activation of this name.

    Raises:
        ModelError: there is none such here.
    """
    if name in ("silu", "swish"):
        return nodes.add("Mul", [states, nodes.add("Sigmoid", [states])])
    if name in ("gelu_new", "gelu_pytorch_tanh", "gelu_fast"):
        return nodes.add("Gelu", [states], approximate="tanh")
    if name in ("gelu", "relu"):
        return nodes.add(name.capitalize(), [states])
    raise ModelError("model.onnx", f"the activation {name} is not known here")


def numbers(tensor: torch.Tensor) -> np.ndarray:
    """The values of a tensor in 32 bits."""
    values: np.ndarray = tensor.detach().float().cpu().numpy()
    return values
