"""Graphs of decoders answer as torch does: at once, piece by piece, and rows of different length together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
import transformers

from tasks.core.errors import ModelError
from tasks.export.decoder import graph, products
from tasks.export.decoder.layers import Shape
from tasks.export.decoder.products import Form
from tests.decoders import CONFIGS, made

PROMPTS, WHOLE = (7, 4), (12, 9)
"""Pieces of two rows: those that are read at once, and all."""


def difference(model: Any, file: Path) -> float:
    """The greatest of a logit behind each piece, from the prompts' end on, with the rows in one batch."""
    ids = torch.randint(5, 320, (2, max(WHOLE)), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted = [
            model(input_ids=ids[row : row + 1, :end]).logits[0].numpy() for row, end in enumerate(WHOLE)
        ]
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    shape = Shape.of(model.config)
    nothing = np.zeros((2, shape.groups, 0, shape.width), np.float32)
    feed = {name.replace("present", "past"): nothing for name in names[1:]}
    lengths, new = np.array(PROMPTS), ids[:, : max(PROMPTS)].numpy().copy()
    new[1, PROMPTS[1] :] = 0
    greatest = 0.0
    while True:
        logits, *cache = session.run(None, {**feed, "input_ids": new, "lengths": lengths})
        for row in range(2):
            greatest = max(greatest, float(np.abs(logits[row] - wanted[row][lengths[row] - 1]).max()))
        if lengths[0] == WHOLE[0]:
            return greatest
        feed = {name.replace("present", "past"): one for name, one in zip(names[1:], cache, strict=True)}
        new = np.array([[int(ids[row, lengths[row]])] for row in range(2)])
        lengths = lengths + 1


@pytest.mark.parametrize("name", CONFIGS)
def test_the_graph_answers_as_torch_does(name: str, tmp_path: Path) -> None:
    model = made(name)
    graph.build(model, 64, lambda _: "fp32", tmp_path / "model.onnx")
    assert difference(model, tmp_path / "model.onnx") < 2e-5


# Sums of eight bits by eight saturate on processors without VNNI: int8-dynamic is .1 away elsewhere.
@pytest.mark.parametrize(("form", "most"), [("int8", 0.1), ("int8-dynamic", 0.6), ("int4", 0.6)])
@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_fewer_bits_are_near_and_smaller(name: str, form: Form, most: float, tmp_path: Path) -> None:
    model = made(name)
    graph.build(model, 64, lambda _: "fp32", tmp_path / "float.onnx")
    graph.build(model, 64, lambda name: "int8" if name == "table" else form, tmp_path / "model.onnx")
    assert 1e-4 < difference(model, tmp_path / "model.onnx") < most
    assert (tmp_path / "model.onnx").stat().st_size < 0.35 * (tmp_path / "float.onnx").stat().st_size


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    for number in range(2):
        graph.build(made("llama"), 64, lambda _: "int4", tmp_path / f"{number}.onnx")
    assert (tmp_path / "0.onnx").read_bytes() == (tmp_path / "1.onnx").read_bytes()


@pytest.mark.parametrize(("bits", "step"), [(8, 1 / 128), (4, 1 / 8)])
def test_blocks_are_rounded_to_their_scale(bits: int, step: float) -> None:
    matrix = np.random.default_rng(0).normal(size=(6, 70)).astype(np.float32)
    matrix[2] = 0
    packed, scales = products.in_blocks(matrix, bits)
    assert (packed.shape, scales.shape) == ((6, 3, 32 * bits // 8), (6, 3))
    whole = packed if bits == 8 else np.stack([packed & 15, packed >> 4], -1).reshape(6, 3, 32)
    back = ((whole.astype(np.float32) - (1 << (bits - 1))) * scales[..., None]).reshape(6, -1)[:, :70]
    greatest = np.abs(matrix).max()
    assert np.abs(back - matrix).max() <= 1.01 * step * greatest
    assert not back[2].any()


def test_a_rotation_that_onnxruntime_cannot_do_is_refused(tmp_path: Path) -> None:
    sizes = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4}
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(vocab_size=64, **sizes))
    with pytest.raises(ModelError, match="rotates 8 numbers of a head; onnxruntime rotates multiples of 16"):
        graph.build(model, 64, lambda _: "fp32", tmp_path / "model.onnx")


def test_an_encoder_is_refused(tmp_path: Path) -> None:
    model = transformers.BertModel(transformers.BertConfig(hidden_size=48, num_hidden_layers=1))
    with pytest.raises(ModelError, match="bert is no decoder"):
        graph.build(model, 64, lambda _: "fp32", tmp_path / "model.onnx")
