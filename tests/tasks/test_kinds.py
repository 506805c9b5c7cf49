"""The contract every kind keeps: encode, forward, score, prune, reload, export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks import quantize
from tasks.kinds import base
from tasks.shared import stages
from tests import tiny
from tests.tasks import stage
from tests.tasks.conftest import Run


@pytest.mark.parametrize("name", stages.kinds())
def test_kind_goes_all_the_way(name: str, tiny_run: Run, tmp_path: Path) -> None:
    import torch

    from tasks.shared import checkpoint, inference, serving, tables

    kind, tokenizer = base.load(name), checkpoint.load_tokenizer(tiny_run.prune / "out")
    rows = tables.read(tiny_run.ingest / "validation.parquet")
    student = checkpoint.load_model(tiny_run.prune / "out", kind, torch.device("cpu"))
    features = kind.encode(tokenizer, rows, tiny.LABELS, 32)
    logits, labels = inference.forward(student, kind, tokenizer, features)
    assert logits.shape == (len(rows), len(tiny.LABELS))
    assert torch.isfinite(kind.loss(logits, labels, 0.1))
    figures = inference.figures(student, kind, tokenizer, features, "fp32")
    assert 0 <= figures[kind.headline] <= 1

    inputs = quantize.Inputs(tiny_run.ingest, tiny_run.prune / "out")
    stage.run("quantize", inputs, tmp_path, format="fp32", max_difference=1e-4, min_agreement=1.0)
    graph, request = serving.session(tmp_path / "out" / "model.onnx", threads=1), kind.request(tmp_path / "out")
    answers = np.concatenate([graph.run(None, request(kind.raw_input(row)))[0] for row in rows])
    np.testing.assert_allclose(answers, logits.detach().numpy(), atol=1e-4)


def test_pool_cuts_sentences_and_drops_scraps() -> None:
    pool = base.load("text_classification").pool
    body = "One two three four five six seven. Too short.\nA new line ends a sentence! Why not?"
    assert pool({"pool": body}, 4) == ["One two three four", "five six seven.", "A new line", "ends a sentence!"]
    assert pool({}, 4) == []
