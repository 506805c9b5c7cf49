"""Graphs of encoder-decoder models answer as torch does: a text is read once, and rows of different length
together.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import transformers

from tasks.core.errors import ModelError
from tasks.export.decoder.products import Form
from tasks.export.encoder_decoder import graph
from tests.encoder_decoders import CONFIGS, made

LENGTHS, STEPS = (17, 6), 15
"""Pieces of two texts; longer than distances are told apart."""


def difference(model: Any, file: Path) -> float:
    """The greatest of a logit before each piece that is written, with the rows in one batch."""
    chance = torch.Generator().manual_seed(0)
    read = torch.randint(5, 320, (2, max(LENGTHS)), generator=chance)
    given = torch.randint(5, 320, (2, STEPS), generator=chance)
    with torch.inference_mode():
        wanted = [
            model(input_ids=read[row : row + 1, :count], decoder_input_ids=given[row : row + 1]).logits[0]
            for row, count in enumerate(LENGTHS)
        ]
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    ids = read.numpy().copy()
    ids[1, LENGTHS[1] :] = 0
    shapes = {one.name: one.shape for one in session.get_inputs()}
    feed: dict[str, Any] = {
        name: np.zeros((2, shape[1], 0, shape[3]), np.float32)
        for name, shape in shapes.items()
        if "." in name
    }
    feed |= {"input_ids": ids, "lengths": np.array(LENGTHS), "decoder_input_ids": ids[:, :1]}
    names = [one.name for one in session.get_outputs()]
    encoded = [name for name in names if name.startswith("encoded")]
    found = session.run(encoded, feed)
    feed |= {name.replace("encoded", "cross"): one for name, one in zip(encoded, found, strict=True)}
    feed["input_ids"] = ids[:, :0]
    present, greatest = [name for name in names if name.startswith("present")], 0.0
    for step in range(STEPS):
        feed["decoder_input_ids"] = given[:, step : step + 1].numpy()
        logits, *cache = session.run(["logits", *present], feed)
        for row in range(2):
            greatest = max(greatest, float(np.abs(logits[row] - wanted[row][step].numpy()).max()))
        feed |= {name.replace("present", "past"): one for name, one in zip(present, cache, strict=True)}
    return greatest


@pytest.mark.parametrize("name", CONFIGS)
def test_the_graph_answers_as_torch_does(name: str, tmp_path: Path) -> None:
    model = made(name)
    graph.build(model, 64, lambda _: "fp32", tmp_path / "model.onnx")
    assert difference(model, tmp_path / "model.onnx") < 2e-5


@pytest.mark.parametrize(("form", "most"), [("int8", 0.2), ("int8-dynamic", 0.6), ("int4", 1.5)])
@pytest.mark.parametrize("name", ["t5", "bart"])
def test_fewer_bits_are_near_and_smaller(name: str, form: Form, most: float, tmp_path: Path) -> None:
    model = made(name)
    graph.build(model, 64, lambda _: "fp32", tmp_path / "float.onnx")
    graph.build(model, 64, lambda name: "int8" if name == "table" else form, tmp_path / "model.onnx")
    assert 1e-4 < difference(model, tmp_path / "model.onnx") < most
    assert (tmp_path / "model.onnx").stat().st_size < 0.4 * (tmp_path / "float.onnx").stat().st_size


@pytest.mark.parametrize("name", CONFIGS)
def test_both_halves_share_their_weights(name: str, tmp_path: Path) -> None:
    model = made(name)
    graph.build(model, 64, lambda _: "fp32", tmp_path / "model.onnx")
    whole = onnx.load(tmp_path / "model.onnx")
    assert (
        max(Counter(one.raw_data for one in whole.graph.initializer if len(one.raw_data) > 512).values()) == 1
    )
    (choice,) = (node for node in whole.graph.node if node.op_type == "If")
    assert not any(attribute.g.initializer for attribute in choice.attribute)
    size = 4 * sum(tensor.numel() for tensor in model.parameters())
    assert (tmp_path / "model.onnx").stat().st_size < 1.1 * size + 60_000


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    for number in range(2):
        graph.build(made("t5"), 64, lambda _: "int4", tmp_path / f"{number}.onnx")
    assert (tmp_path / "0.onnx").read_bytes() == (tmp_path / "1.onnx").read_bytes()


def test_another_model_is_refused(tmp_path: Path) -> None:
    model = transformers.BertModel(transformers.BertConfig(hidden_size=48, num_hidden_layers=1))
    with pytest.raises(ModelError, match="bert is no encoder-decoder model"):
        graph.build(model, 64, lambda _: "fp32", tmp_path / "model.onnx")
