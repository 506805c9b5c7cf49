"""The student comes nearer to its teacher, the losses are what they say, and the same seed gives the same bytes."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tasks import distill
from tasks.shared.errors import ParamsError
from tasks.shared.texts import load_tokenizer
from tests import tiny
from tests.tasks import stage
from tests.tasks.conftest import QUICK, Run


def divergence(run: Run, student: Path) -> float:
    """Mean KL divergence from the teacher's kept outputs on the training rows."""
    import torch

    from tasks.kinds import base
    from tasks.shared import checkpoint, inference, tables

    kind, tokenizer = base.load("text_classification"), load_tokenizer(student)
    model = checkpoint.load_model(student, kind, torch.device("cpu"))
    features = kind.encode(tokenizer, tables.read(run.ingest / "train.parquet"), tiny.LABELS, 32)
    answers = inference.logits(model, kind, tokenizer, features, 64)
    teacher = inference.read_outputs(run.finetune / "outputs" / "train.safetensors")
    return float(kind.distillation_loss(torch.from_numpy(answers), torch.from_numpy(teacher), 1.0))


def test_distilled_student_is_nearer_to_the_teacher(tiny_run: Run) -> None:
    assert divergence(tiny_run, tiny_run.distill / "out") < 0.9 * divergence(tiny_run, tiny_run.prune / "out")


def test_same_seed_same_bytes(tiny_run: Run, tmp_path: Path) -> None:
    inputs = distill.Inputs(tiny_run.ingest, tiny_run.prune / "out", tiny_run.finetune / "outputs", tiny_run.finetune / "out")
    stage.run("distill", inputs, tmp_path, **QUICK, pool=20, repeats=2)
    assert stage.contents(tmp_path / "out") == stage.contents(tiny_run.distill / "out")


def test_progress_tells_the_mean_loss_of_the_epoch_so_far(tiny_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = distill.Inputs(tiny_run.ingest, tiny_run.prune / "out", tiny_run.finetune / "outputs", tiny_run.finetune / "out")
    stage.run("distill", inputs, tmp_path, **QUICK, pool=0, repeats=1)
    *_, last = (line for line in capsys.readouterr().out.splitlines() if line.startswith("PROGRESS distill "))
    with (tmp_path / "plots" / "learning.csv").open() as stream:
        *_, epoch = csv.DictReader(stream)
    assert last == f"PROGRESS distill 16/16 loss {float(epoch['train_loss']):.3f}"


@pytest.mark.parametrize(("pool", "repeats", "rows"), [(0, 1, 60), (20, 1, 80), (30, 3, 210)])
def test_transfer_set_has_the_labelled_rows_and_as_much_of_the_pool_as_was_asked_for(
    tiny_run: Run, tmp_path: Path, pool: int, repeats: int, rows: int
) -> None:
    inputs = distill.Inputs(tiny_run.ingest, tiny_run.prune / "out", tiny_run.finetune / "outputs", tiny_run.finetune / "out")
    metrics = stage.run("distill", inputs, tmp_path, **{**QUICK, "epochs": 1}, pool=pool, repeats=repeats)
    assert metrics.figures["transfer_set"] == rows


def test_all_of_the_pool_may_be_asked_for_with_a_greater_number(tiny_run: Run, tmp_path: Path) -> None:
    ingest, outputs = tmp_path / "ingest", tiny_run.finetune / "outputs"
    shutil.copytree(tiny_run.ingest, ingest)
    pq.write_table(pq.read_table(ingest / "pool.parquet").slice(0, 30), ingest / "pool.parquet")  # as many as the teacher labelled
    inputs = distill.Inputs(ingest, tiny_run.prune / "out", outputs, tiny_run.finetune / "out")
    metrics = stage.run("distill", inputs, tmp_path, **{**QUICK, "epochs": 1}, pool=1000, repeats=1)
    assert metrics.figures["transfer_set"] == 90


def test_more_of_the_pool_than_the_teacher_labelled_is_refused(tiny_run: Run, tmp_path: Path) -> None:
    inputs = distill.Inputs(tiny_run.ingest, tiny_run.prune / "out", tiny_run.finetune / "outputs", tiny_run.finetune / "out")
    with pytest.raises(ParamsError, match=r"distill\.pool = 1000: the teacher labelled 30; raise finetune\.pool_outputs"):
        stage.run("distill", inputs, tmp_path, **QUICK, pool=1000)


def test_distillation_loss_is_the_divergence_at_a_temperature() -> None:
    import torch

    from tasks.kinds import base

    loss = base.load("text_classification").distillation_loss
    student, teacher = torch.tensor([[1.0, 2.0], [0.0, 0.5]]), torch.tensor([[3.0, -1.0], [0.2, 0.1]])

    def softmax(values: np.ndarray) -> np.ndarray:
        shares: np.ndarray = np.exp(values) / np.exp(values).sum(-1, keepdims=True)
        return shares

    wanted, got = softmax(teacher.numpy() / 2), softmax(student.numpy() / 2)
    by_hand = (wanted * np.log(wanted / got)).sum(-1).mean() * 4
    assert float(loss(student, teacher, 2.0)) == pytest.approx(by_hand, rel=1e-5)
    assert float(loss(teacher, teacher, 2.0)) == pytest.approx(0, abs=1e-6)
