"""The table of a graph's words in eight bits, each row with a scale of its own: rows are of very different
length where the length says how much a word weighs.

What is looked up is cast to float32 and multiplied by the scales of its rows; plain operators, which are
faster than the blocks of tasks/export/int4_table.py. Where a product sums the rows, as in a graph of static
embeddings, the scales go to its other side, where there is one number for each row instead of a whole row.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, load, numpy_helper, save

from tasks.core.errors import ParamsError
from tasks.export import int4_table

MOST = np.iinfo(np.int8).max
SCALES = "_scales"
"""How the look-up of scales is named, after that of the words: they stay in float32 in every format."""


def pack_words(float_file: Path) -> Path:
    """Writes, beside the float graph, its copy with the words in eight bits.

    Raises:
        ParamsError: it looks up no words.
    """
    model = load(float_file)
    tables, words = {one.name: one for one in model.graph.initializer}, int4_table.look_ups(model.graph)
    if not words:
        raise ParamsError(
            "params.yaml", "quantize.embeddings = int8: the graph looks up no words; take `as_format`"
        )
    for node in words:
        _pack(model.graph, node, tables[node.input[0]])
    file = float_file.with_suffix(".packed.onnx")
    save(model, file)
    return file


def _pack(graph: Any, node: Any, words: Any) -> None:
    values, scales = quantized(numpy_helper.to_array(words))
    table, given = f"{words.name}_int8", node.output[0]
    graph.initializer.extend(
        [numpy_helper.from_array(values, table), numpy_helper.from_array(scales, words.name + SCALES)]
    )
    graph.initializer.remove(words)
    whole, scale = f"{given}_int8", f"{given}{SCALES}"
    # e.g. ids (n, l) -> rows (n, l, 64) and their scales (n, l)
    look_up = helper.make_node("Gather", [table, node.input[1]], [whole], name=node.name)
    of_rows = helper.make_node(
        "Gather", [words.name + SCALES, node.input[1]], [scale], name=node.name + SCALES
    )
    place = list(graph.node).index(node)
    graph.node.remove(node)
    made = [look_up, of_rows]
    if (summed := _sum_of_rows(graph, given)) is not None:
        made.append(_cast(node, whole, given))
        _scale_other_side(graph, summed, scale)
    else:
        floats = f"{given}_unscaled"
        _axis(graph, axis := f"{given}_axis", 2)
        made += [
            _cast(node, whole, floats),
            helper.make_node("Unsqueeze", [scale, axis], [f"{scale}_of_rows"], name=f"{node.name}_of_rows"),
            helper.make_node("Mul", [floats, f"{scale}_of_rows"], [given], name=f"{node.name}_scaled"),
        ]
    for at, one in enumerate(made):
        graph.node.insert(place + at, one)


def _cast(node: Any, whole: str, floats: str) -> Any:
    return helper.make_node("Cast", [whole], [floats], name=f"{node.name}_cast", to=TensorProto.FLOAT)


def _sum_of_rows(graph: Any, rows: str) -> Any:
    """The one product that reads these rows, and sums them; None if other operators read them."""
    readers = [node for node in graph.node if rows in node.input]
    outputs = {one.name for one in graph.output}
    sums = len(readers) == 1 and readers[0].op_type == "MatMul" and readers[0].input[1] == rows
    return readers[0] if sums and rows not in outputs else None


def _scale_other_side(graph: Any, product: Any, scale: str) -> None:
    """A (diag(s) Q) is (A s) Q, row by row of A."""
    shares, scaled = product.input[0], f"{product.output[0]}_shares"
    _axis(graph, axis := f"{product.output[0]}_axis", 1)
    across = f"{scale}_across"
    product.input[0] = scaled
    place = list(graph.node).index(product)
    # e.g. scales (n, l) -> (n, 1, l), times shares (n, 1, l)
    for node in (
        helper.make_node("Mul", [shares, across], [scaled], name=f"{product.name}_shares"),
        helper.make_node("Unsqueeze", [scale, axis], [across], name=f"{product.name}_across"),
    ):
        graph.node.insert(place, node)


def _axis(graph: Any, name: str, axis: int) -> None:
    graph.initializer.append(numpy_helper.from_array(np.array([axis], dtype=np.int64), name))


def quantized(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A table (v, h) -> whole numbers (v, h) from -127 to 127, and the scales (v,) that give it back."""
    greatest = np.abs(table).max(-1, keepdims=True)
    scales = np.maximum(greatest, np.finfo(np.float32).tiny * MOST).astype(np.float32) / np.float32(MOST)
    values = np.clip(np.rint(table / scales), -MOST, MOST).astype(np.int8)
    return values, scales[:, 0]
