"""A checkout with a tiny teacher and its kept outputs, whose test rows are no table: who opens them fails."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tasks.finetune import stage as finetune
from tests import tiny
from tests.tasks import stage

RUN = "tiny"
SIZES = {"layers": 2, "hidden": 32, "ffn": 64, "vocabulary": 800, "measured": {"batches": 2, "batch_size": 4}}
RECOVERY = {
    "epochs": 1,
    "patience": 1,
    "batch_size": 8,
    "learning_rate": 0.001,
    "pool": 20,
    "repeats": 1,
    "relations": None,
}
MEASURED = {"resamples": 200, "latency_inputs": 4, "rounds": 3}


@pytest.fixture(scope="session")
def with_teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("searched")
    home = root / "data" / RUN
    ingest, pretrained = tiny.ingest_out(home / "ingest" / "out"), tiny.checkpoint_in(root / "pretrained")
    inputs = finetune.Inputs(ingest, pretrained)
    stage.run(
        "finetune", inputs, home / "finetune", epochs=2, batch_size=8, learning_rate=0.001, pool_outputs=30
    )
    shutil.rmtree(home / "finetune" / "scratch")
    (ingest / "test.parquet").write_bytes(b"no table")
    return root


@pytest.fixture(scope="session")
def section() -> dict[str, Any]:
    """The run as it would stand in params.yaml: that of `bbc`, tiny."""
    from tasks.core import params

    committed = params.read(stage.ROOT / "params.yaml")["bbc"]
    measured = {**committed["benchmark"], **MEASURED}
    shipped = {**committed["quantize"], "min_agreement": 0.0, "embeddings": "as_format"}
    return {
        **committed,
        "threads": 1,
        "input_size": 32,
        "prune": {**committed["prune"], **SIZES},
        "distill": {**committed["distill"], **RECOVERY},
        "quantize": shipped,
        "benchmark": measured,
    }
