"""Matrices of a decoder's graph, in the form that ships.

- `fp32`: as they are.
- `int8`, `int4`: blocks of 32 weights of a row share a scale; activations become whole numbers in blocks,
  too (MatMulNBits of onnxruntime).
- `int8-dynamic`: a scale for each output, activations with one scale for all.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from tasks.export.decoder.nodes import Nodes

Form = Literal["fp32", "int8", "int4", "int8-dynamic"]
FormOf = Callable[[str], Form]
"""The name of a matrix -> its form."""
BLOCK = 32
BITS: dict[str, int] = {"int8": 8, "int4": 4}


def product(
    nodes: Nodes, states: str, name: str, matrix: np.ndarray, bias: np.ndarray | None, form: Form
) -> str:
    """states (..., k) times a matrix (n, k), plus its bias (n,)."""
    outputs, inputs = matrix.shape
    if form in BITS:
        packed, scales = in_blocks(matrix, BITS[form])
        given = [
            states,
            nodes.weight(f"{name}.packed", packed),
            nodes.weight(f"{name}.scales", scales.reshape(-1)),
        ]
        found = blocks(nodes, given, outputs, inputs, BITS[form])
    elif form == "int8-dynamic":
        whole, scales = in_rows(matrix)
        given = [states, nodes.weight(f"{name}.packed", whole.T), nodes.weight(f"{name}.scales", scales)]
        found = nodes.contrib("DynamicQuantizeMatMul", given)
    else:
        found = nodes.add("MatMul", [states, nodes.weight(f"{name}.weight", matrix.T)])
    return found if bias is None else nodes.add("Add", [found, nodes.weight(f"{name}.bias", bias)])


def blocks(nodes: Nodes, given: list[str], outputs: int, inputs: int, bits: int) -> str:
    """The product with a matrix in blocks: states, packed weights, scales."""
    return nodes.contrib(
        "MatMulNBits", given, K=inputs, N=outputs, bits=bits, block_size=BLOCK, accuracy_level=4
    )


def in_blocks(matrix: np.ndarray, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights (n, k) as whole numbers, packed (n, blocks, bytes), and the scale of each block (n, blocks).

    The middle of the range is zero. The greatest weight of a block keeps its sign at the full range's end.
    """
    outputs, inputs = matrix.shape
    count = -(-inputs // BLOCK)
    padded = np.zeros((outputs, count * BLOCK), np.float32)
    padded[:, :inputs] = matrix
    parts = padded.reshape(outputs, count, BLOCK)
    half = 1 << (bits - 1)
    greatest = np.take_along_axis(parts, np.abs(parts).argmax(-1)[..., None], -1)[..., 0]
    scales = (greatest / -half).astype(np.float32)
    whole = np.rint(
        np.divide(parts, scales[..., None], out=np.zeros_like(parts), where=scales[..., None] != 0)
    )
    values = (np.clip(whole, -half, half - 1) + half).astype(np.uint8)
    return values if bits == 8 else (values[..., 0::2] | values[..., 1::2] << 4).astype(np.uint8), scales


def in_rows(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (n, k) as int8, and the scale of each row (n,)."""
    scales = np.maximum(np.abs(matrix).max(1), 1e-12).astype(np.float32) / 127
    return np.rint(matrix / scales[:, None]).astype(np.int8), scales
