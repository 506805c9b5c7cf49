"""OpenVINO answers as onnxruntime does; without it the params are refused, not the run with a traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tasks.benchmark import stage as benchmark
from tasks.benchmark.forms import variants
from tasks.core.errors import ParamsError
from tasks.quantize import stage as quantize
from tests import tiny
from tests.tasks import stage
from tests.tasks.conftest import Run

NEAR = 2e-2  # bf16, where the processor has it
SETTING = variants.Setting("text/classification", tiny.LABELS, 32, 8, 0, "cpu")


@pytest.fixture(scope="module")
def shipped(tiny_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("openvino")
    given = {"format": "fp32", "max_difference": 1e-4, "min_agreement": 0.9}
    stage.run("quantize", quantize.Inputs(tiny_run.ingest, tiny_run.distill / "out"), home, **given)
    return home / "out"


def test_without_the_package_the_params_are_refused(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(
        ParamsError,
        match=r"benchmark.openvino = true: OpenVINO is not installed; `pip install -r "
        r"requirements/openvino.lock`",
    ):
        variants.open_variant(variants.Source("openvino", "openvino", shipped), SETTING)


def test_it_answers_as_onnxruntime_one_by_one_and_in_batches(shipped: Path) -> None:
    pytest.importorskip("openvino")
    ours, theirs = (
        variants.open_variant(variants.Source(form, form, shipped), SETTING) for form in ("openvino", "onnx")
    )
    rows = tiny.rows(12)
    np.testing.assert_allclose(ours.predict(rows), theirs.predict(rows), atol=NEAR)
    for threads in (1, 2):
        ours.use(threads)
        np.testing.assert_allclose(
            ours.forward(ours.prepare(rows, 32)), theirs.forward(theirs.prepare(rows, 32)), atol=NEAR
        )


@pytest.mark.slow
def test_benchmark_measures_it_beside_the_others(tiny_run: Run, shipped: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    student = tiny_run.distill / "out"
    inputs = benchmark.Inputs(
        tiny_run.ingest, tiny_run.finetune / "out", tiny_run.prune / "out", student, shipped
    )
    few = {"resamples": 100, "latency_inputs": 2, "rounds": 3, "batch": 4, "openvino": True}
    told = stage.run("benchmark", inputs, tmp_path, **few)
    assert told.figures["openvino"]["parameters"] == told.figures["distilled"]["parameters"]
    assert told.timings["openvino"]["speedup"] > 0
    assert told.timings["openvino"]["peak_rss_mb"] > 0
