"""A fused graph does what torch does, whatever is padding, in fewer operators, in half and in eighth bits
too.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx as onnx_format
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoModelForTokenClassification

from tasks.export import half_precision, onnx_graph, package
from tasks.kinds.base.kind import load_kind
from tests import tiny

LONGEST = 32
ROWS = 4
OWN: dict[str, dict[str, Any]] = {
    "bert": {},
    "roberta": {},
    "distilbert": {"dim": 64, "n_heads": 4, "n_layers": 2, "hidden_dim": 128},
    "electra": {"embedding_size": 32},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 16},
    "modernbert": {"bos_token_id": 2, "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3},
}
WHOLE = ("bert", "roberta", "distilbert", "electra")
"""Architectures whose attention the library fuses."""


def fused(folder: Path, architecture: str, kind_name: str = "text/classification") -> tuple[Any, Path, Path]:
    """A tiny random model with a head, its exported graph and the fused one."""
    kind, tokenizer = load_kind(kind_name), tiny.wordpiece([row["headline"] for row in tiny.articles()])
    torch.manual_seed(0)
    sizes = {
        **tiny.SIZES,
        "num_hidden_layers": 2,
        "vocab_size": len(tokenizer),
        "pad_token_id": tokenizer.pad_token_id,
        "num_labels": 5,
    }
    config = AutoConfig.for_model(architecture, **{**sizes, **OWN[architecture]})
    auto: Any = (
        AutoModelForSequenceClassification
        if kind_name == "text/classification"
        else AutoModelForTokenClassification
    )
    model = auto.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for (
            weights
        ) in model.parameters():  # as initialized, gains are one, shifts nought and logits all alike
            weights.add_(torch.randn_like(weights) * 0.05)
    features = kind.model.encode(tokenizer, tiny.rows(2, kind=kind_name), tiny.NAMES[kind_name], LONGEST)
    exported = folder / "float.onnx"
    return (
        model,
        exported,
        onnx_graph.float_graph(model, kind, tokenizer, features, exported, "fused", LONGEST),
    )


def batch(padding: int) -> dict[str, np.ndarray]:
    """Rows of different length, one of them with a hole in its mask."""
    ids = np.random.default_rng(0).integers(5, 1000, (ROWS, 12))
    mask = np.ones_like(ids)
    mask[1, 7:], mask[2, 3:], mask[3, 4] = 0, 0, 0
    return {"input_ids": np.where(mask, ids, padding), "attention_mask": mask}


def answers(file: Path, inputs: dict[str, np.ndarray]) -> np.ndarray:
    logits: np.ndarray = package.session(file, threads=1).run(["logits"], inputs)[0]
    return logits


def operators(file: Path) -> Counter[str]:
    return Counter(node.op_type for node in onnx_format.load(file).graph.node if node.op_type != "Constant")


@pytest.mark.parametrize("architecture", OWN)
def test_fused_graph_equals_torch_in_fewer_operators(tmp_path: Path, architecture: str) -> None:
    model, exported, file = fused(tmp_path, architecture)
    inputs = batch(model.config.pad_token_id)
    with torch.inference_mode():
        wanted = model(**{name: torch.from_numpy(values) for name, values in inputs.items()}).logits.numpy()
    assert wanted.std(axis=0).min() > 0.01
    np.testing.assert_allclose(answers(file, inputs), wanted, atol=1e-5)
    assert operators(file).total() < operators(exported).total()
    found = operators(file)
    assert "SkipLayerNormalization" not in found
    if architecture in WHOLE:
        assert found["Attention"] == found["MultiHeadAttention"] == 1
        assert found.total() < 0.4 * operators(exported).total()


def test_hole_in_a_mask_counts(tmp_path: Path) -> None:
    """The library's own default takes a mask for a length, and would be right for all other rows."""
    model, _, file = fused(tmp_path, "bert")
    holed = batch(model.config.pad_token_id)
    filled = {**holed, "attention_mask": np.ones_like(holed["attention_mask"])}
    assert np.abs(answers(file, holed)[3] - answers(file, filled)[3]).max() > 1e-4


def test_last_layer_of_a_tagger_keeps_all_rows(tmp_path: Path) -> None:
    model, _, file = fused(tmp_path, "bert", "text/tagging")
    inputs = batch(model.config.pad_token_id)
    with torch.inference_mode():
        wanted = model(**{name: torch.from_numpy(values) for name, values in inputs.items()}).logits.numpy()
    assert wanted.shape == (ROWS, 12, 5)
    np.testing.assert_allclose(answers(file, inputs), wanted, atol=1e-5)
    assert operators(file)["Attention"] == 2


def test_same_graph_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (_, _, one), (_, _, other) = fused(tmp_path, "bert"), fused(tmp_path / "other", "bert")
    assert one.read_bytes() == other.read_bytes()


def test_one_batch_at_the_greatest_length_and_none_beyond(tmp_path: Path) -> None:
    _, _, file = fused(tmp_path, "bert")
    longest = np.full((1, LONGEST), 7)
    assert np.isfinite(answers(file, {"input_ids": longest, "attention_mask": np.ones_like(longest)})).all()
    longer = np.full((1, LONGEST + 1), 7)
    with pytest.raises(Exception, match="_sum"):
        answers(file, {"input_ids": longer, "attention_mask": np.ones_like(longer)})


@pytest.mark.parametrize(("number_format", "worst"), [("fp16", 2e-3), ("bf16", 2e-2)])
def test_halved_weights_are_half_the_bytes_and_nearly_the_same_answers(
    tmp_path: Path, number_format: str, worst: float
) -> None:
    model, _, file = fused(tmp_path, "bert")
    inputs, half = batch(model.config.pad_token_id), tmp_path / "half.onnx"
    half_precision.halve(file, half, number_format)
    assert half.stat().st_size < 0.53 * file.stat().st_size
    difference = np.abs(answers(half, inputs) - answers(file, inputs)).max()
    assert 0 < difference < worst


def test_fused_int8_loses_no_more_than_exported_int8(tmp_path: Path) -> None:
    model, exported, file = fused(tmp_path, "bert")
    inputs = batch(model.config.pad_token_id)
    wanted = answers(exported, inputs)
    lost = {}
    for name, graph in {"exported": exported, "fused": file}.items():
        onnx_graph.convert(graph, tmp_path / f"{name}.int8.onnx", "int8-dynamic", [])
        lost[name] = np.abs(answers(tmp_path / f"{name}.int8.onnx", inputs) - wanted).max()
    assert "QAttention" in operators(tmp_path / "fused.int8.onnx")
    assert lost["fused"] < max(0.02, 1.5 * lost["exported"])
