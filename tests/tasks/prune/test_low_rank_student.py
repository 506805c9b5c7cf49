"""A student whose words have few numbers each: it learns so, and ships so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import onnx
import pytest
import torch

from tasks.core.errors import ModelError
from tasks.distill import stage as distill
from tasks.kinds.base.kind import load_kind
from tasks.models import checkpoint
from tasks.prune import stage as prune
from tasks.quantize import stage as quantize
from tests.tasks import stage
from tests.tasks.conftest import QUICK, Run
from tests.tasks.distill.test_stage import killed_after

RANK = 8
SIZES = {"layers": 2, "hidden": 32, "ffn": 64, "vocabulary": 800, "measured": {"batches": 2, "batch_size": 4}}
LEARNS = {
    **QUICK,
    "pool": 20,
    "repeats": 2,
    "relations": {"weight": 10.0, "layer": 1, "heads": 16},
    "hidden": {"weight": 1.0},
}
LIMITS = {"max_difference": 1e-4, "min_agreement": 0.9}
KIND = load_kind("text/classification")


@pytest.fixture(scope="module")
def pruned(tiny_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("prune")
    stage.run(
        "prune", prune.Inputs(tiny_run.ingest, tiny_run.finetune / "out"), home, **SIZES, word_rank=RANK
    )
    return home / "out"


def learnt(run: Run, pruned: Path, home: Path) -> Path:
    inputs = distill.Inputs(run.ingest, pruned, run.finetune / "outputs", run.finetune / "out")
    stage.run("distill", inputs, home, **LEARNS)
    return home / "out"


@pytest.fixture(scope="module")
def student(tiny_run: Run, pruned: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learnt(tiny_run, pruned, tmp_path_factory.mktemp("distill"))


def words(folder: Path) -> torch.Tensor:
    weights: torch.Tensor = (
        checkpoint.load_model(folder, KIND, torch.device("cpu")).get_input_embeddings().weight.detach()
    )
    return weights


def test_what_it_learns_of_words_keeps_the_rank_in_a_plain_checkpoint(pruned: Path, student: Path) -> None:
    before, after = words(pruned), words(student)
    assert before.shape == after.shape == (800, 32)
    assert not torch.allclose(before, after, atol=0.01)
    assert [int(torch.linalg.matrix_rank(one, rtol=1e-4)) for one in (before, after)] == [RANK, RANK]
    weights = {path.name for path in student.iterdir() if path.suffix == ".safetensors"}
    assert weights == {"model.safetensors"}


def test_killed_it_goes_on_and_ends_with_the_same_bytes(
    tiny_run: Run, pruned: Path, student: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.training import loop

    with monkeypatch.context() as patch:
        patch.setattr(loop, "STEPS_BETWEEN_SAVES", 3)
        patch.setattr(loop, "_finite", killed_after(8, loop._finite))
        with pytest.raises(KeyboardInterrupt):
            learnt(tiny_run, pruned, tmp_path)
    assert stage.contents(learnt(tiny_run, pruned, tmp_path)) == stage.contents(student)


@pytest.mark.parametrize("embeddings", ["as_format", "int4"])
@pytest.mark.parametrize("graph", ["exported", "fused"])
def test_it_ships_as_factors_and_answers_as_before(
    tiny_run: Run, student: Path, tmp_path: Path, graph: str, embeddings: str
) -> None:
    how = {**LIMITS, "graph": graph, "embeddings": embeddings, "format": "int8-dynamic"}
    stage.run("quantize", quantize.Inputs(tiny_run.ingest, student), tmp_path, **how)
    shipped = onnx.load(tmp_path / "out" / "model.onnx").graph.initializer
    tables = [one for one in shipped if tuple(one.dims) == (800, RANK)]
    assert [one.data_type == onnx.TensorProto.INT4 for one in tables] == [embeddings == "int4"]
    assert not [one for one in shipped if tuple(one.dims) == (800, 32)]


def test_rank_that_the_table_has_not_is_refused_with_the_figures(tiny_run: Run, tmp_path: Path) -> None:
    """As of such a student that was trained since as a whole."""
    folder = tmp_path / "student"
    shutil.copytree(tiny_run.distill / "out", folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "word_rank": RANK}))
    with pytest.raises(ModelError, match=r"a logit differs by .* from torch; at most 1.00e-04 is allowed"):
        stage.run("quantize", quantize.Inputs(tiny_run.ingest, folder), tmp_path, **LIMITS, format="fp32")
