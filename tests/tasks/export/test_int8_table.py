"""Words in eight bits, a scale for each row.

What comes back is near whatever the length of a row, and a graph answers as before, whether it reads rows or
sums them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tasks.core.errors import ParamsError
from tasks.export import int8_table, onnx_graph, package


def table() -> np.ndarray:
    """Rows of lengths that are thousands of times apart, and one of zeros."""
    chance = np.random.default_rng(0)
    rows = chance.normal(size=(300, 24)) * 10 ** chance.uniform(-2, 2, size=(300, 1))
    rows[7] = 0
    return rows.astype(np.float32)


def graph_in(folder: Path, nodes: list[onnx.NodeProto]) -> Path:
    """A graph that looks up `rows` of `words`, and what `nodes` make of them."""
    names = ("batch", "length")
    given = [
        helper.make_tensor_value_info("input_ids", TensorProto.INT64, names),
        helper.make_tensor_value_info("shares", TensorProto.FLOAT, ("batch", "sums", "length")),
    ]
    gives = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ("batch", "some", 24))]
    look_up = helper.make_node("Gather", ["words", "input_ids"], ["rows"], name="words")
    graph = helper.make_graph(
        [look_up, *nodes], "graph", given, gives, [numpy_helper.from_array(table(), "words")]
    )
    file = folder / "float.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return file


SUMMED = [helper.make_node("MatMul", ["shares", "rows"], ["logits"], name="sums")]
READ = [
    helper.make_node("Neg", ["rows"], ["negative"], name="negative"),
    helper.make_node("MatMul", ["shares", "negative"], ["logits"], name="sums"),
]
BOTH = [
    helper.make_node("MatMul", ["shares", "rows"], ["summed"], name="sums"),
    helper.make_node("ReduceMax", ["rows"], ["greatest"], axes=[1], keepdims=1, name="greatest"),
    helper.make_node("Add", ["summed", "greatest"], ["logits"], name="added"),
]


def answers(file: Path) -> np.ndarray:
    chance = np.random.default_rng(1)
    asked = {
        "input_ids": chance.integers(0, 300, (3, 5)),
        "shares": chance.normal(size=(3, 2, 5)).astype(np.float32),
    }
    found: np.ndarray = package.session(file, threads=1).run(["logits"], asked)[0]
    return found


def test_each_row_is_near_whatever_its_length() -> None:
    words = table()
    values, scales = int8_table.quantized(words)
    assert values.dtype.name == "int8"
    assert scales.dtype.name == "float32"
    assert scales.shape == (300,)
    apart = np.abs(values * scales[:, None] - words).max(1)
    assert (apart <= np.abs(words).max(1) / 254 + 1e-9).all()
    assert not values[7].any()
    assert np.abs(np.delete(values, 7, axis=0)).max(1).min() == 127


@pytest.mark.parametrize("nodes", [SUMMED, READ, BOTH], ids=["summed", "read", "both"])
@pytest.mark.parametrize("number_format", ["fp32", "fp16", "int8-dynamic"])
def test_a_graph_answers_as_before(tmp_path: Path, nodes: list[onnx.NodeProto], number_format: str) -> None:
    file = graph_in(tmp_path, nodes)
    wanted, packed = answers(file), int8_table.pack_words(file)
    assert onnx_graph.operators(packed, number_format) == []
    onnx_graph.convert(packed, shipped := tmp_path / "shipped.onnx", number_format, [])
    assert np.abs(answers(shipped) - wanted).max() < 0.005 * np.abs(wanted).max()
    assert shipped.stat().st_size < 0.5 * file.stat().st_size


def test_scales_go_to_the_side_of_the_shares_where_rows_are_summed(tmp_path: Path) -> None:
    packed = onnx.load(int8_table.pack_words(graph_in(tmp_path, SUMMED))).graph
    (product,) = (node for node in packed.node if node.op_type == "MatMul")
    makers = {node.output[0]: node for node in packed.node}
    assert [makers[name].op_type for name in product.input] == ["Mul", "Cast"]
    onnx.checker.check_model(onnx.load(tmp_path / "float.packed.onnx"))


def test_a_graph_without_words_is_refused(tmp_path: Path) -> None:
    file = graph_in(tmp_path, SUMMED)
    model = onnx.load(file)
    model.graph.node[0].input[1] = "moved"
    model.graph.node.insert(0, helper.make_node("Abs", ["input_ids"], ["moved"]))
    onnx.save(model, file)
    with pytest.raises(ParamsError, match="embeddings = int8: the graph looks up no words"):
        int8_table.pack_words(file)
