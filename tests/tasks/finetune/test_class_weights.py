"""Weights of rare classes in the teacher's loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from tasks.core import tables
from tasks.finetune import class_weights
from tasks.finetune import stage as finetune
from tasks.kinds.base.kind import IGNORED, load_kind
from tests import tiny
from tests.tasks import stage
from tests.tasks.conftest import QUICK, Run


def test_each_class_counts_alike_together() -> None:
    labels = [0] * 90 + [1] * 9 + [3]
    weights = class_weights.balanced([{"labels": [one]} for one in labels], 4)
    assert weights == pytest.approx([100 / 270, 100 / 27, 1.0, 100 / 3])
    wanted = compute_class_weight("balanced", classes=np.array([0, 1, 3]), y=labels)
    assert [weights[at] for at in (0, 1, 3)] == pytest.approx(wanted.tolist())
    assert class_weights.told(weights, ["ham", "spam", "none", "odd"]) == (
        "class weights from 0.37 (ham) to 33.3 (odd)"
    )


def test_decisions_are_counted_and_those_without_a_label_are_not() -> None:
    rows = [{"labels": [0, 0, 0, IGNORED]}, {"labels": [1]}, {"input_ids": [1]}]
    assert class_weights.balanced(rows, 2) == pytest.approx([4 / 6, 4 / 2])


@pytest.mark.parametrize("name", ["text/classification", "text/tagging", "image/classification"])
def test_every_kind_weighs_its_loss(name: str) -> None:
    kind = load_kind(name)
    options = kind.options.model_validate(tiny.OPTIONS[name])
    logits, labels = torch.tensor([[2.0, 0.0, 0.0], [2.0, 0.0, 0.0]]), torch.tensor([1, 2])
    plain = kind.model.loss(logits, labels, 0.0, options, None)
    alike = kind.model.loss(logits, labels, 0.0, options, [1.0, 1.0, 1.0])
    assert float(plain) == float(alike)
    right, wrong = torch.tensor([[9.0, 0.0, 0.0], [9.0, 0.0, 0.0]]), torch.tensor([0, 2])
    light, heavy = (kind.model.loss(right, wrong, 0.0, options, [1.0, 1.0, one]) for one in (0.1, 10.0))
    assert float(light) < float(heavy)


def rare(tiny_run: Run, folder: Path) -> Path:
    """The rows of the tiny run, all but three of one class taken out."""
    folder.mkdir()
    for file in tiny_run.ingest.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    rows = tables.read(folder / "train.parquet")
    kept = [row for at, row in enumerate(rows) if row["label"] != "tech" or at < 15]
    pq.write_table(pa.Table.from_pylist(kept), folder / "train.parquet")
    return folder


def test_the_teacher_is_trained_with_them_and_says_so(
    tiny_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inputs = finetune.Inputs(rare(tiny_run, tmp_path / "ingest"), tiny_run.pretrained)
    answered = {}
    for weights in (None, "balanced"):
        home = tmp_path / str(weights)
        given = {**QUICK, "epochs": 3, "patience": 3, "pool_outputs": 0}
        metrics = stage.run("finetune", inputs, home, **given, class_weights=weights)
        answered[weights] = (home / "out" / "model.safetensors").read_bytes()
        assert ("class_weights" in metrics.figures) == (weights is not None)
        said = [line for line in capsys.readouterr().out.splitlines() if "class weights" in line]
        assert said == (
            [] if weights is None else ["finetune: class weights from 0.85 (business) to 3.4 (tech)"]
        )
    assert metrics.figures["class_weights"] == {"least": 0.85, "greatest": 3.4}
    assert answered[None] != answered["balanced"]
