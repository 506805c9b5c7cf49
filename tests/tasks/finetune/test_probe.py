"""The head begins with a logistic regression on what the encoder gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.core import tables
from tasks.finetune import probe
from tasks.finetune import stage as finetune
from tasks.kinds.base.kind import load_kind
from tasks.models import checkpoint, inference
from tests import tiny
from tests.tasks import stage
from tests.tasks.conftest import QUICK, Run

KINDS = ["text/classification", "text/tagging", "image/classification"]


def begun(kind_name: str, home: Path, **changed: Any) -> tuple[Any, Any, Any, list[Any], list[str]]:
    """A model whose head was set, its kind, processor, training features and labels."""
    kind, ingest = load_kind(kind_name), tiny.ingest_out(home / "ingest", train=200, kind=kind_name)
    folder, labels = tiny.pretrained_for(kind_name, home / "pretrained"), checkpoint.label_names(ingest)
    torch.manual_seed(0)
    model = checkpoint.load_model(folder, kind, torch.device("cpu"), **checkpoint.label_config(labels))
    processor = kind.model.load_processor(folder)
    features = kind.model.encode(processor, tables.read(ingest / "train.parquet"), labels, 32)
    probe.begin(
        model, kind, processor, features, **{"inverse_strength": 10.0, "balanced": False, "seed": 0} | changed
    )
    return model, kind, processor, features, labels


@pytest.mark.parametrize("kind_name", KINDS)
def test_it_answers_what_the_regression_answers(kind_name: str, tmp_path: Path) -> None:
    """Better than chance on the training rows, before any step."""
    model, kind, processor, features, labels = begun(kind_name, tmp_path)
    truth = inference.truth_of(features, labels)
    found = inference.logits(model, kind, processor, features, 16).argmax(1)
    commonest = np.bincount(truth.labels).max() / len(truth.labels)
    assert (found == truth.labels).mean() > commonest


def test_two_labels_and_one_that_no_row_has_are_no_trouble() -> None:
    class Regression:
        classes_ = np.array([0, 2])
        coef_ = np.array([[2.0, -4.0]])
        intercept_ = np.array([1.0])

    weights, biases = probe._of_each_label(Regression(), 3)
    assert weights.tolist() == [[-1.0, 2.0], [0.0, 0.0], [1.0, -2.0]]
    assert biases.tolist() == [-0.5, -0.5, 0.5]


def test_training_begins_there_and_the_same_bytes_come_twice(tiny_run: Run, tmp_path: Path) -> None:
    inputs = finetune.Inputs(tiny_run.ingest, tiny_run.pretrained)
    given: dict[str, Any] = {**QUICK, "epochs": 1, "pool_outputs": 0, "learning_rate": 1e-7}
    chance = stage.run("finetune", inputs, tmp_path / "chance", **given)
    first = stage.run("finetune", inputs, tmp_path / "first", **given, probe=10.0)
    stage.run("finetune", inputs, tmp_path / "second", **given, probe=10.0)
    assert first.figures["validation"]["train_loss"] < chance.figures["validation"]["train_loss"]
    assert stage.contents(tmp_path / "first" / "out") == stage.contents(tmp_path / "second" / "out")


def test_a_head_that_is_no_linear_layer_is_told_beforehand() -> None:
    from transformers import AutoModelForImageClassification, MobileNetV2Config

    with torch.device("meta"):
        model = AutoModelForImageClassification.from_config(MobileNetV2Config(num_labels=3))
    assert probe.head_of(model) is model.classifier
    model.classifier = torch.nn.Identity()
    assert "has no linear layer as its head" in probe.faults(model)[0]
