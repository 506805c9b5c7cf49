"""The table of a graph's words in four bits, and in a fused graph that of positions in eight: most of a small
student is tables, and a look-up needs no arithmetic.

Each row of words is divided into blocks, and each block has a scale of its own. onnxruntime looks words up in
it by GatherBlockQuantized, which gives float32, as DequantizeLinear does for the positions: what follows is
as it was.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, load, numpy_helper, save

from tasks.core.errors import ParamsError

BLOCK = 256
"""Numbers that share a scale; onnxruntime takes powers of 2 from 16 on."""
LEAST, MOST = -8, 7
OPSET = helper.make_opsetid("com.microsoft", 1)
IR_VERSION = 10
"""The first that knows four bits."""


def pack_words(float_file: Path) -> Path:
    """Writes, beside the float graph, its copy with the words in four bits.

    Raises:
        ParamsError: it looks up no words.
    """
    model = load(float_file)
    tables, words = {one.name: one for one in model.graph.initializer}, look_ups(model.graph)
    if not words:
        raise ParamsError(
            "params.yaml", "quantize.embeddings = int4: the graph looks up no words; take `as_format`"
        )
    for node in words:
        _pack(model.graph, node, tables[node.input[0]])
    for node in [node for node in model.graph.node if node.op_type == "Slice" and node.input[0] in tables]:
        _pack_slices(model.graph, node, tables[node.input[0]])
    if all(one.domain != OPSET.domain for one in model.opset_import):
        model.opset_import.append(OPSET)
    model.ir_version = max(model.ir_version, IR_VERSION)
    file = float_file.with_suffix(".packed.onnx")
    save(model, file)
    return file


def look_ups(graph: Any) -> list[Any]:
    """The operators that look up in a table of weights what the graph is given."""
    given, tables = {one.name for one in graph.input}, {one.name for one in graph.initializer}
    return [
        node
        for node in graph.node
        if node.op_type == "Gather" and node.input[0] in tables and node.input[1] in given
    ]


def _pack(graph: Any, node: Any, words: Any) -> None:
    values, scales = quantized(numpy_helper.to_array(words))
    nibbles = values.astype(np.uint8) & 0xF
    bytes_ = (nibbles[:, 0::2] | nibbles[:, 1::2] << 4).astype(np.uint8).tobytes()
    names = [f"{words.name}_{part}" for part in ("int4", "scales")]
    graph.initializer.extend(
        [
            helper.make_tensor(names[0], TensorProto.INT4, values.shape, bytes_, raw=True),
            numpy_helper.from_array(scales, names[1]),
        ]
    )
    graph.initializer.remove(words)
    inputs, attributes = (
        [names[0], node.input[1], names[1]],
        {"gather_axis": 0, "quantize_axis": 1, "block_size": BLOCK, "bits": 4},
    )
    packed = helper.make_node(
        "GatherBlockQuantized", inputs, list(node.output), name=node.name, domain=OPSET.domain, **attributes
    )
    node.CopyFrom(packed)


def _pack_slices(graph: Any, node: Any, table: Any) -> None:
    """The table that is cut by `node`, in whole numbers with one scale."""
    values = numpy_helper.to_array(table)
    if values.dtype != np.float32 or values.ndim != 2:
        return
    scale = np.float32(max(np.abs(values).max(), np.finfo(np.float32).tiny) / np.iinfo(np.int8).max)
    whole, scales = (f"{table.name}_{part}" for part in ("int8", "scale"))
    graph.initializer.extend(
        [
            numpy_helper.from_array(np.rint(values / scale).astype(np.int8), whole),
            numpy_helper.from_array(scale, scales),
        ]
    )
    graph.initializer.remove(table)
    given, cut = node.output[0], f"{node.output[0]}_int8"
    node.input[0], node.output[0] = whole, cut
    back = helper.make_node("DequantizeLinear", [cut, scales], [given], name=f"{node.name}_dequantized")
    graph.node.insert([one.name for one in graph.node].index(node.name) + 1, back)


def quantized(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A table (v, h), h even -> whole numbers (v, h) from -8 to 7, and the scales (v, blocks) that give it
    back.

    Of scales that cut off none to some of a block's largest numbers, the one with the least squared error is
    taken.
    """
    rows, width = table.shape
    blocks = -(-width // BLOCK)
    padded = np.pad(table.astype(np.float32), ((0, 0), (0, blocks * BLOCK - width))).reshape(
        rows, blocks, BLOCK
    )
    top = np.maximum(np.abs(padded).max(-1, keepdims=True), np.finfo(np.float32).tiny)
    least = np.full((rows, blocks, 1), np.inf, dtype=np.float32)
    scales = top.copy()
    for share in np.linspace(0.6, 1.0, 17, dtype=np.float32):
        tried = top * share / MOST
        error = np.square(_rounded(padded, tried) * tried - padded).sum(-1, keepdims=True)
        scales, least = np.where(error < least, tried, scales), np.minimum(error, least)
    values = _rounded(padded, scales).astype(np.int8).reshape(rows, -1)[:, :width]
    return values, scales[..., 0]


def _rounded(numbers: np.ndarray, scales: np.ndarray) -> np.ndarray:
    rounded: np.ndarray = np.clip(np.rint(numbers / scales), LEAST, MOST)
    return rounded
