"""Where an answer's time goes: every operator of the graph is there, and the shares are shares."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from benchmarks import operators
from tasks.quantize import stage as quantize
from tests.tasks import stage
from tests.tasks.conftest import Run, tiny_run  # noqa: F401  (a fixture)


def test_all_parts_and_all_operators_are_told(tiny_run: Run, tmp_path: Path) -> None:  # noqa: F811
    stage.run(
        "quantize", quantize.Inputs(tiny_run.ingest, tiny_run.distill / "out"), tmp_path, min_agreement=0.0
    )
    folder, texts = tmp_path / "out", ["a short text", "another text that is a bit longer"]
    around = operators.parts(folder, "text/classification", texts, rounds=3)
    assert all(took > 0 for took in around.values())
    inside = operators.operators(folder, "text/classification", texts, rounds=3)
    assert sum(share for _, share in inside.values()) == pytest.approx(1)
    names = [node.op_type for node in onnx.load(folder / "model.onnx").graph.node]
    assert inside["LayerNormalization"][0] == names.count("LayerNormalization") > 1
    assert "| **all** |" in operators.page(around, inside)
