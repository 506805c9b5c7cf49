"""The contract every kind keeps: encode, forward, score, prune, reload, export, answer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks import finetune, prune, quantize
from tasks.kinds import base
from tasks.shared import stages
from tests import tiny
from tests.tasks import stage
from tests.tasks.conftest import QUICK


@pytest.mark.parametrize("name", stages.kinds())
def test_kind_goes_all_the_way(name: str, tmp_path: Path) -> None:
    import torch

    from tasks.shared import checkpoint, inference, serving, tables

    given = {"kind": name, "options": tiny.OPTIONS[name]}
    ingest, pretrained = tiny.ingest_out(tmp_path / "ingest", kind=name), tiny.checkpoint_in(tmp_path / "pretrained")
    stage.run("finetune", finetune.Inputs(ingest, pretrained), tmp_path / "finetune", **given, **QUICK, pool_outputs=10)
    sizes = {"layers": 2, "hidden": 32, "ffn": 64, "vocabulary": 800, "batches": 2, "batch_size": 4}
    stage.run("prune", prune.Inputs(ingest, tmp_path / "finetune" / "out"), tmp_path / "prune", **given, **sizes)

    kind, labels = base.load(name), checkpoint.label_names(ingest)
    tokenizer = checkpoint.load_tokenizer(tmp_path / "prune" / "out")
    rows = tables.read(ingest / "validation.parquet")
    student = checkpoint.load_model(tmp_path / "prune" / "out", kind, torch.device("cpu"))
    features = kind.encode(tokenizer, rows, labels, 32)
    logits, truth = inference.forward(student, kind, tokenizer, features)
    assert logits.shape == (sum(base.decisions(one) for one in features), len(labels))
    assert torch.isfinite(kind.loss(logits, truth, 0.1, kind.options.model_validate(given["options"])))
    figures = inference.figures(student, kind, tokenizer, features, labels, "fp32")
    assert 0 <= figures[kind.headline] <= 1
    assert figures.keys() == kind.figures(np.ones(3 * len(kind.categories(labels)))).keys()
    assert len(kind.coarse(labels)) == len(labels)

    linear = kind.baseline(tables.read(ingest / "train.parquet"), labels, 0)
    assert linear.predict(rows).shape == logits.shape
    np.testing.assert_allclose(linear.predict(rows).sum(1), 1, atol=1e-6)

    stage.run(
        "quantize",
        quantize.Inputs(ingest, tmp_path / "prune" / "out"),
        tmp_path,
        kind=name,
        format="fp32",
        max_difference=1e-4,
        min_agreement=1.0,
    )
    graph, request = serving.session(tmp_path / "out" / "model.onnx", threads=1), kind.request(tmp_path / "out")
    answers = np.concatenate([serving.logits(graph, request, kind.raw_input(row)) for row in rows])
    np.testing.assert_allclose(answers, logits.detach().numpy(), atol=1e-4)
    assert str(rows[0]["text"]).split()[-1] in serving.load(tmp_path / "out", name)(kind.raw_input(rows[0]))
