"""The student comes nearer to its teacher, the losses are what they say, and the same seed gives the same
bytes.
"""

from __future__ import annotations

import csv
import itertools
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tasks.core import tables
from tasks.core.errors import DataError, ParamsError
from tasks.distill import stage as distill
from tasks.kinds.base import fast_tokenizer
from tests import tiny
from tests.tasks import stage
from tests.tasks.conftest import QUICK, Run

DEEP = {
    "hidden": {"weight": 1.0},
    "relations": {"weight": 1000.0, "layer": 1, "heads": 16},
}  # random heads relate all pieces nearly alike: little to learn, so it weighs much
VARIED = {"copies": 2, "drop": 0.2, "mask": 0.1, "replace": 0.1, "swap": 0.1}


def inputs_of(run: Run) -> distill.Inputs:
    return distill.Inputs(run.ingest, run.prune / "out", run.finetune / "outputs", run.finetune / "out")


def divergence(run: Run, student: Path) -> float:
    """Mean KL divergence from the teacher's kept outputs on the training rows."""
    import torch

    from tasks.kinds.base.kind import load_kind
    from tasks.models import checkpoint, inference, outputs

    kind, tokenizer = load_kind("text/classification"), fast_tokenizer.load(student)
    model = checkpoint.load_model(student, kind, torch.device("cpu"))
    features = kind.model.encode(tokenizer, tables.read(run.ingest / "train.parquet"), tiny.LABELS, 32)
    answers = inference.logits(model, kind, tokenizer, features, 64)
    teacher = outputs.read(run.finetune / "outputs" / "train.safetensors").logits
    return float(kind.model.distillation_loss(torch.from_numpy(answers), torch.from_numpy(teacher), 1.0))


def test_distilled_student_is_nearer_to_the_teacher(tiny_run: Run) -> None:
    assert divergence(tiny_run, tiny_run.distill / "out") < 0.9 * divergence(tiny_run, tiny_run.prune / "out")


def test_same_seed_same_bytes(tiny_run: Run, tmp_path: Path) -> None:
    stage.run("distill", inputs_of(tiny_run), tmp_path, **QUICK, pool=20, repeats=2)
    assert stage.contents(tmp_path / "out") == stage.contents(tiny_run.distill / "out")


def test_progress_tells_the_mean_loss_of_the_epoch_so_far(
    tiny_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.run("distill", inputs_of(tiny_run), tmp_path, **QUICK, pool=0, repeats=1)
    *_, last = (line for line in capsys.readouterr().out.splitlines() if line.startswith("PROGRESS distill "))
    with (tmp_path / "plots" / "learning.csv").open() as stream:
        *_, epoch = csv.DictReader(stream)
    assert last == f"PROGRESS distill 16/16 loss {float(epoch['train_loss']):.3f}"


@pytest.mark.parametrize(("pool", "repeats", "rows"), [(0, 1, 60), (20, 1, 80), (30, 3, 210)])
def test_transfer_set_has_the_labelled_rows_and_as_much_of_the_pool_as_was_asked_for(
    tiny_run: Run, tmp_path: Path, pool: int, repeats: int, rows: int
) -> None:
    metrics = stage.run(
        "distill", inputs_of(tiny_run), tmp_path, **{**QUICK, "epochs": 1}, pool=pool, repeats=repeats
    )
    assert metrics.figures["transfer_set"] == rows


def test_all_of_the_pool_may_be_asked_for_with_a_greater_number(tiny_run: Run, tmp_path: Path) -> None:
    ingest, outputs = tmp_path / "ingest", tiny_run.finetune / "outputs"
    shutil.copytree(tiny_run.ingest, ingest)
    pq.write_table(
        pq.read_table(ingest / "pool.parquet").slice(0, 30), ingest / "pool.parquet"
    )  # as many as the teacher labelled
    inputs = distill.Inputs(ingest, tiny_run.prune / "out", outputs, tiny_run.finetune / "out")
    metrics = stage.run("distill", inputs, tmp_path, **{**QUICK, "epochs": 1}, pool=1000, repeats=1)
    assert metrics.figures["transfer_set"] == 90


def test_more_of_the_pool_than_the_teacher_labelled_is_refused(tiny_run: Run, tmp_path: Path) -> None:
    with pytest.raises(
        ParamsError, match=r"distill\.pool = 1000: the teacher labelled 30; raise finetune\.pool_outputs"
    ):
        stage.run("distill", inputs_of(tiny_run), tmp_path, **QUICK, pool=1000)


@pytest.mark.parametrize("split", ["train", "validation", "pool"])
def test_answers_to_other_rows_are_refused(tiny_run: Run, tmp_path: Path, split: str) -> None:
    shutil.copytree(tiny_run.ingest, tmp_path / "ingest")
    table = pq.read_table(tmp_path / "ingest" / f"{split}.parquet")
    pq.write_table(table.take(list(range(len(table)))[::-1]), tmp_path / "ingest" / f"{split}.parquet")
    inputs = replace(inputs_of(tiny_run), ingest=tmp_path / "ingest")
    with pytest.raises(DataError, match=rf"outputs/{split}.safetensors: row 1 is `.*`, and is paired with `"):
        stage.run("distill", inputs, tmp_path / "out", **QUICK, pool=20, repeats=1)


def test_distillation_loss_is_the_divergence_at_a_temperature() -> None:
    import torch

    from tasks.kinds.base.kind import load_kind

    loss = load_kind("text/classification").model.distillation_loss
    student, teacher = torch.tensor([[1.0, 2.0], [0.0, 0.5]]), torch.tensor([[3.0, -1.0], [0.2, 0.1]])

    def softmax(values: np.ndarray) -> np.ndarray:
        shares: np.ndarray = np.exp(values) / np.exp(values).sum(-1, keepdims=True)
        return shares

    wanted, got = softmax(teacher.numpy() / 2), softmax(student.numpy() / 2)
    by_hand = (wanted * np.log(wanted / got)).sum(-1).mean() * 4
    assert float(loss(student, teacher, 2.0)) == pytest.approx(by_hand, rel=1e-5)
    assert float(loss(teacher, teacher, 2.0)) == pytest.approx(0, abs=1e-6)


def apart(run: Run, student: Path) -> float:
    """How far the relations in the student's last layer are from those in the teacher's, on the validation
    rows.
    """
    import torch

    from tasks.distill.intermediate import Aims, Imitation
    from tasks.kinds.base.kind import load_kind
    from tasks.models import checkpoint

    kind = load_kind("text/classification")
    (own, processor), (teacher, teachers) = (
        (checkpoint.load_model(folder, kind, torch.device("cpu")), fast_tokenizer.load(folder))
        for folder in (student, run.finetune / "out")
    )
    aims = Aims(None, distill.Relations(weight=1.0, layer=1, heads=16))
    features = kind.model.encode(processor, tables.read(run.ingest / "validation.parquet"), tiny.LABELS, 32)
    *_, distances = Imitation(kind, own, processor, teacher, teachers, aims).forward(features)
    return float(distances.detach().mean())


def test_student_that_imitates_is_nearer_inside_and_as_plain_a_checkpoint(
    tiny_run: Run, tmp_path: Path
) -> None:
    from safetensors import safe_open

    stage.run(
        "distill", inputs_of(tiny_run), tmp_path, **QUICK, **DEEP, best_by="headline", pool=20, repeats=2
    )
    assert apart(tiny_run, tmp_path / "out") < 0.9 * apart(tiny_run, tiny_run.distill / "out")
    with (
        safe_open(tmp_path / "out" / "model.safetensors", "pt") as deep,
        safe_open(tiny_run.distill / "out" / "model.safetensors", "pt") as plain,
    ):
        assert deep.keys() == plain.keys()


CACHED = {"relations": {**DEEP["relations"], "cached": True}}


def test_cached_relations_are_learnt_as_those_made_anew(tiny_run: Run, tmp_path: Path) -> None:
    given = {**QUICK, "epochs": 2, "pool": 20, "repeats": 2}
    stage.run("distill", inputs_of(tiny_run), tmp_path / "anew", **given, relations=DEEP["relations"])
    stage.run("distill", inputs_of(tiny_run), tmp_path / "cached", **given, **CACHED)
    losses = []
    for name in ("anew", "cached"):
        with (tmp_path / name / "plots" / "learning.csv").open() as stream:
            losses.append([float(epoch["train_loss"]) for epoch in csv.DictReader(stream)])
    assert losses[1] == pytest.approx(losses[0], rel=0.01)


def test_cache_cannot_hold_the_states_of_all_layers() -> None:
    params = stage.checked("distill", hidden=DEEP["hidden"], **CACHED)
    (fault,) = params.faults({})
    assert fault.endswith("which are not cached; write cached: false, or hidden: null")


@pytest.mark.slow
@pytest.mark.parametrize("deep", [DEEP, CACHED], ids=["anew", "cached"])
def test_killed_imitation_goes_on_and_ends_with_the_same_bytes(
    tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deep: dict[str, Any]
) -> None:
    """With its projections, and without asking the teacher for the variations or its cached states again."""
    from tasks.distill import intermediate
    from tasks.models import inference
    from tasks.training import loop

    given = {**QUICK, **deep, "rewording": VARIED, "pool": 20, "repeats": 2}
    stage.run("distill", inputs_of(tiny_run), tmp_path / "unbroken", **given)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "STEPS_BETWEEN_SAVES", 5)
        patch.setattr(loop, "_finite", killed_after(12, loop._finite))
        with pytest.raises(KeyboardInterrupt):
            stage.run("distill", inputs_of(tiny_run), tmp_path / "broken", **given)
    for module in (inference, intermediate):
        monkeypatch.setattr(module, "track", lambda _, label: pytest.fail(f"{label}: asked again"))
    stage.run("distill", inputs_of(tiny_run), tmp_path / "broken", **given)
    assert stage.contents(tmp_path / "broken" / "out") == stage.contents(tmp_path / "unbroken" / "out")


def killed_after(calls: int, function: Callable[..., float]) -> Callable[..., float]:
    """The function, until it has been called so often."""
    counted = itertools.count(1)

    def until_then(*given: Any) -> float:
        if next(counted) > calls:
            raise KeyboardInterrupt
        return function(*given)

    return until_then


def test_teacher_answers_variations_of_the_labelled_rows(tiny_run: Run, tmp_path: Path) -> None:
    import torch

    from tasks.kinds.base.kind import load_kind
    from tasks.kinds.text.common import rewording
    from tasks.models import checkpoint, inference, outputs

    metrics = stage.run(
        "distill",
        inputs_of(tiny_run),
        tmp_path,
        **{**QUICK, "epochs": 1},
        pool=20,
        repeats=1,
        rewording=VARIED,
    )
    assert metrics.figures["transfer_set"] == 60 + 20 + 2 * 60
    kept = outputs.read(tmp_path / "scratch" / "varied" / "outputs.safetensors").logits
    kind, teacher = load_kind("text/classification"), tiny_run.finetune / "out"
    rows = rewording.reworded(
        tables.read(tiny_run.ingest / "train.parquet"),
        stage.checked("distill", rewording=VARIED).rewording,
        0,
        fast_tokenizer.load(teacher),
    )
    model = checkpoint.load_model(teacher, kind, torch.device("cpu"))
    by_hand = inference.logits(
        model,
        kind,
        fast_tokenizer.load(teacher),
        kind.model.encode(fast_tokenizer.load(teacher), rows, tiny.LABELS, 32),
        1,
    )
    np.testing.assert_allclose(kept, by_hand, atol=1e-5)


def test_rows_without_words_are_not_reworded() -> None:
    params = stage.checked(
        "distill", kind="image/classification", options=tiny.OPTIONS["image/classification"], rewording=VARIED
    )
    (fault,) = params.faults({})
    assert fault.startswith(
        "distill.rewording: rows of this kind have no words to vary; write rewording: null"
    )
