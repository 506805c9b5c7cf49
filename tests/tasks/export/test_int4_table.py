"""Words in four bits.

What comes back is near, what is looked up is what was stored, and a graph without words is refused.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tasks.core.errors import ParamsError
from tasks.export import int4_table, package

WIDTHS = [8, 24, 64, 192, 256, 384]


def table(width: int) -> np.ndarray:
    chance = np.random.default_rng(0)
    return (chance.normal(size=(300, width)) * chance.uniform(0.001, 10, size=(300, 1))).astype(np.float32)


def restored(values: np.ndarray, scales: np.ndarray) -> np.ndarray:
    each: np.ndarray = np.repeat(scales, int4_table.BLOCK, axis=1)[:, : values.shape[1]] * values
    return each


def look_up(folder: Path, words: np.ndarray, indices: str = "input_ids") -> Path:
    """A graph that looks up words, and adds a number to their numbers first unless `indices` is what it is
    given.
    """
    given = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "length"])]
    gives = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "length", words.shape[1]])]
    nodes = [
        helper.make_node("Add", ["input_ids", "zero"], ["moved"]),
        helper.make_node("Gather", ["words", indices], ["logits"], name="words"),
    ]
    constants = [
        numpy_helper.from_array(words, "words"),
        numpy_helper.from_array(np.zeros(1, dtype=np.int64), "zero"),
    ]
    file = folder / "float.onnx"
    graph = helper.make_graph(nodes, "look_up", given, gives, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    return file


@pytest.mark.parametrize("width", WIDTHS)
def test_error_is_a_tenth_and_no_more_than_with_the_widest_scale(width: int) -> None:
    words = table(width)
    values, scales = int4_table.quantized(words)
    assert (values.min(), values.max()) == (-8, 7)
    apart = np.square(restored(values, scales) - words).sum()
    assert apart < 0.13**2 * np.square(words).sum()
    widest = np.repeat(np.abs(words).max(1, keepdims=True) / 7, width, axis=1)
    assert apart < np.square(np.rint(words / widest) * widest - words).sum()


def test_row_of_zeros_comes_back_as_zeros() -> None:
    values, scales = int4_table.quantized(np.zeros((2, 64), dtype=np.float32))
    assert not restored(values, scales).any()


@pytest.mark.parametrize("width", WIDTHS)
def test_session_looks_up_what_was_stored(width: int, tmp_path: Path) -> None:
    words = table(width)
    packed = int4_table.pack_words(look_up(tmp_path, words))
    ids = np.random.default_rng(1).integers(0, len(words), (3, 11))
    got = package.session(packed, threads=1).run(None, {"input_ids": ids})[0]
    np.testing.assert_allclose(got, restored(*int4_table.quantized(words))[ids], rtol=1e-6)
    # Half a byte a number and a scale a block, where there were four bytes a number.
    stored = len(words) * (width / 2 + 4 * -(-width // int4_table.BLOCK))
    assert packed.stat().st_size < stored + 1000


def test_table_that_is_not_looked_up_by_the_input_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(
        ParamsError, match=r"quantize\.embeddings = int4: the graph looks up no words; take `as_format`"
    ):
        int4_table.pack_words(look_up(tmp_path, table(64), indices="moved"))


def test_positions_of_a_fused_graph_are_cut_from_eight_bits(tmp_path: Path) -> None:
    words, places = table(64), table(64)[:40]
    file = look_up(tmp_path, words)
    model = onnx.load(file)
    model.graph.node.extend(
        [
            helper.make_node("Shape", ["input_ids"], ["count"], name="count", start=1, end=2),
            helper.make_node("Slice", ["places", "zero", "count", "zero"], ["cut"], name="cut"),
            helper.make_node("Add", ["looked_up", "cut"], ["logits"], name="sum"),
        ]
    )
    model.graph.node[1].output[0] = "looked_up"
    model.graph.initializer.append(numpy_helper.from_array(places, "places"))
    onnx.save(model, file)
    ids = np.random.default_rng(1).integers(0, len(words), (2, 7))
    got = package.session(int4_table.pack_words(file), threads=1).run(None, {"input_ids": ids})[0]
    wanted = restored(*int4_table.quantized(words))[ids] + places[:7]
    np.testing.assert_allclose(got, wanted, atol=np.abs(places).max() / 127 * 0.51)
