"""A tiny run, made once: each stage's real output is the next one's input."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import tiny
from tests.tasks import stage

QUICK = {"epochs": 2, "batch_size": 8, "learning_rate": 0.001}


@dataclass(frozen=True)
class Run:
    ingest: Path
    pretrained: Path
    finetune: Path
    prune: Path
    distill: Path


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    from tasks.distill import stage as distill
    from tasks.finetune import stage as finetune
    from tasks.prune import stage as prune

    home = tmp_path_factory.mktemp("tiny")
    ingest, pretrained = tiny.ingest_out(home / "ingest"), tiny.checkpoint_in(home / "pretrained")
    run = Run(ingest, pretrained, home / "finetune", home / "prune", home / "distill")
    stage.run("finetune", finetune.Inputs(ingest, pretrained), run.finetune, **QUICK, pool_outputs=30)
    sizes = {
        "layers": 2,
        "hidden": 32,
        "ffn": 64,
        "vocabulary": 800,
        "measured": {"batches": 2, "batch_size": 4},
    }
    stage.run("prune", prune.Inputs(ingest, run.finetune / "out"), run.prune, **sizes)
    inputs = distill.Inputs(ingest, run.prune / "out", run.finetune / "outputs", run.finetune / "out")
    stage.run("distill", inputs, run.distill, **QUICK, pool=20, repeats=2)
    return run


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """For models so small that threads would wait for each other longer than they compute."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
