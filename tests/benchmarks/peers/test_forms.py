"""A peer's graph is asked with the inputs it wants, whatever it calls its answer, and its memory can be
measured.
"""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, save

from benchmarks.peers import forms
from tasks.benchmark import memory
from tasks.benchmark.forms.variants import Setting, Source, open_variant
from tasks.export import package
from tasks.kinds.base.kind import load_kind
from tests import tiny

KIND = "text/classification"
LABELS = ["one", "two"]
SETTING = Setting(KIND, LABELS, 16, 4, 0, "cpu")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A graph that answers the share of asked pieces and the sum of token types, beside a tokenizer."""
    folder = tmp_path_factory.mktemp("peer")
    names = ("input_ids", "attention_mask", "token_type_ids")
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in names]
    nodes = [helper.make_node("Cast", [name], [f"{name}_float"], to=TensorProto.FLOAT) for name in names]
    nodes += [
        helper.make_node("ReduceMean", ["attention_mask_float"], ["mean"], axes=[1]),
        helper.make_node("ReduceMean", ["token_type_ids_float"], ["types"], axes=[1]),
        helper.make_node("Concat", ["mean", "types"], ["scores"], axis=1),
    ]
    scores = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["batch", 2])
    graph = helper.make_graph(nodes, "peer", inputs, [scores])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    save(model, folder / "model.onnx")
    tokenizer = tiny.wordpiece([row["text"] for row in tiny.rows(50)], 300)
    package.write_preprocessing(folder, load_kind(KIND), tokenizer, LABELS, {"kind": KIND, "input_size": 16})
    return Source("peer", "peer_onnx", folder)


def test_inputs_that_a_request_lacks_are_zeros_and_the_answer_may_have_any_name(source: Source) -> None:
    variant = open_variant(source, SETTING)
    rows = tiny.rows(3)
    sure = np.exp(1) / (np.exp(1) + 1)
    assert variant.predict(rows) == pytest.approx(np.array([[sure, 1 - sure]] * 3), abs=1e-6)
    variant.use(2)
    assert variant.answer(rows[0]) == pytest.approx(np.array([[sure, 1 - sure]]), abs=1e-6)


def test_a_batch_is_padded_to_the_length_asked_for(source: Source) -> None:
    variant, rows = open_variant(source, SETTING), tiny.rows(3)
    batch = variant.prepare(rows, 20)
    assert {values.shape for values in batch.values()} == {(3, 20)}
    assert variant.forward(batch)[:, 0] == pytest.approx(batch["attention_mask"].mean(1))
    longest = max(variant.prepare([row], None)["input_ids"].shape[1] for row in rows)
    assert variant.prepare(rows, None)["input_ids"].shape == (3, longest)


def test_memory_is_measured_in_a_process_that_knows_the_form(source: Source) -> None:
    (peak,) = memory.peaks([source], SETTING, tiny.rows(2), 1, module=forms.MODULE).values()
    assert 10 < peak < 1000
