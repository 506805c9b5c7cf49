"""The teacher: what is frozen stays, the best epoch is kept, the outputs are its own, and a kill changes no byte."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks import finetune
from tasks.shared.errors import ParamsError
from tasks.shared.texts import load_tokenizer
from tests import tiny
from tests.tasks import stage
from tests.tasks.conftest import QUICK, Run


@pytest.mark.parametrize(
    ("freeze", "kept"),
    [("none", []), ("embeddings", ["word_embeddings"]), ("encoder", ["word_embeddings", "encoder.layer.0", "encoder.layer.3"])],
)
def test_frozen_weights_stay_as_pretrained(tiny_run: Run, tmp_path: Path, freeze: str, kept: list[str]) -> None:
    from safetensors.torch import load_file

    inputs = finetune.Inputs(tiny_run.ingest, tiny_run.pretrained)
    stage.run("finetune", inputs, tmp_path, **{**QUICK, "epochs": 1}, freeze=freeze, pool_outputs=0)
    before, after = load_file(tiny_run.pretrained / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    same = {name for name, tensor in before.items() if tensor.equal(after[f"bert.{name}"])}
    trained = {"embeddings.word_embeddings.weight", "encoder.layer.0.output.dense.weight", "encoder.layer.3.output.dense.weight"} - {
        name for name in before if any(part in name for part in kept)
    }
    assert not same & trained
    assert all(any(part in name for name in same) for part in kept)


def test_lora_trains_the_head_and_little_else_and_leaves_a_plain_checkpoint(tiny_run: Run, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    inputs = finetune.Inputs(tiny_run.ingest, tiny_run.pretrained)
    metrics = stage.run("finetune", inputs, tmp_path, **{**QUICK, "epochs": 1}, freeze="none", lora_rank=2, lora_alpha=8.0, pool_outputs=0)
    before, after = load_file(tiny_run.pretrained / "model.safetensors"), load_file(tmp_path / "out" / "model.safetensors")
    plain = load_file(tiny_run.finetune / "out" / "model.safetensors")
    assert after.keys() == plain.keys()
    assert metrics.figures["parameters"] == sum(tensor.numel() for tensor in plain.values())
    changes = {name: after[f"bert.{name}"] - tensor for name, tensor in before.items() if not after[f"bert.{name}"].equal(tensor)}
    assert len(changes) == 4 * 6 + 1  # the linear layers of four layers, and the pooler's
    assert {int(torch.linalg.matrix_rank(change, tol=1e-5)) for change in changes.values()} <= {1, 2}


def test_lora_and_a_frozen_encoder_contradict_each_other(tiny_run: Run, tmp_path: Path) -> None:
    inputs = finetune.Inputs(tiny_run.ingest, tiny_run.pretrained)
    with pytest.raises(ParamsError, match=r"finetune.lora_rank .* finetune.freeze = 'encoder' forbids; take one"):
        stage.run("finetune", inputs, tmp_path, **QUICK, lora_rank=2, freeze="encoder", pool_outputs=0)


@pytest.mark.parametrize(("epochs", "moved"), [(2, False), (3, True)])
def test_encoder_is_held_in_the_first_epochs(tiny_run: Run, tmp_path: Path, epochs: int, moved: bool) -> None:
    from safetensors.torch import load_file

    inputs = finetune.Inputs(tiny_run.ingest, tiny_run.pretrained)
    changed = {**QUICK, "epochs": epochs, "head_epochs": 2, "freeze": "none", "pool_outputs": 0, "weight_decay": 0.1}
    stage.run("finetune", inputs, tmp_path, **changed, patience=epochs)
    state = load_file(tmp_path / "scratch" / "state.safetensors")  # the last epoch; the best one may be an earlier one
    before = load_file(tiny_run.pretrained / "model.safetensors")
    assert any(not tensor.equal(state[f"weight:bert.{name}"]) for name, tensor in before.items()) == moved
    assert not state["weight:classifier.weight"].equal(torch.zeros_like(state["weight:classifier.weight"]))


def test_outputs_are_what_the_saved_teacher_answers(tiny_run: Run) -> None:
    from tasks.kinds import base
    from tasks.shared import checkpoint, inference, tables

    kind, tokenizer = base.load("text_classification"), load_tokenizer(tiny_run.finetune / "out")
    model = checkpoint.load_model(tiny_run.finetune / "out", kind, torch.device("cpu"), attn_implementation="eager")
    for split, count in {"train": 60, "pool": 30}.items():
        texts = tables.read(tiny_run.ingest / f"{split}.parquet")[:count]
        answers = inference.logits(model, kind, tokenizer, kind.encode(tokenizer, texts, tiny.LABELS, 32), batch_size=7)
        kept = inference.read_outputs(tiny_run.finetune / "outputs" / f"{split}.safetensors")
        assert kept.shape == (count, 5)
        np.testing.assert_allclose(kept, answers, atol=1e-5)


def test_best_epoch_is_kept_and_training_stops_without_progress(tiny_run: Run, tmp_path: Path) -> None:
    """A learning rate that ruins the model: later epochs are no better than the first."""
    inputs = finetune.Inputs(tiny_run.ingest, tiny_run.pretrained)
    changed = {"epochs": 20, "patience": 2, "learning_rate": 0.1, "batch_size": 4, "pool_outputs": 0}
    metrics = stage.run("finetune", inputs, tmp_path, **changed)
    curve = (tmp_path / "plots" / "learning.csv").read_text().splitlines()
    header, epochs = curve[0].split(","), [line.split(",") for line in curve[1:]]
    scores = [float(epoch[header.index("macro_f1")]) for epoch in epochs]
    assert len(epochs) < 20
    assert metrics.figures["validation"]["macro_f1"] == max(scores)
    assert scores.index(max(scores)) == len(scores) - 3


@pytest.mark.parametrize("way", [{}, {"lora_rank": 2, "head_epochs": 2}])
def test_killed_training_goes_on_and_ends_with_the_same_bytes(tiny_run: Run, tmp_path: Path, way: dict[str, int]) -> None:
    """kill -9 in the middle, with dropout on: weights, moments and the random state all have to come back."""
    changed = {"epochs": 30, "patience": 30, "batch_size": 2, "dropout": 0.2, "pool_outputs": 5, **way}
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from tasks import finetune; from tests.tasks import stage\n"
        "from tasks.shared import training; training.STEPS_BETWEEN_SAVES = 7\n"
        f"stage.run('finetune', finetune.Inputs(Path(sys.argv[2]), Path(sys.argv[3])), Path(sys.argv[4]), **{changed!r})"
    )
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"

    def start(home: Path) -> subprocess.Popen[str]:
        arguments = [sys.executable, "-c", code, *map(str, (stage.ROOT, tiny_run.ingest, tiny_run.pretrained, home))]
        return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env={**os.environ, "TOKENIZERS_PARALLELISM": "false"})

    first = start(broken)
    _wait_for(broken / "scratch" / "state.safetensors", first)
    time.sleep(0.5)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert not (broken / "out").exists()
    second, whole = start(broken), start(unbroken)
    output, _ = second.communicate()
    whole.communicate()
    assert second.returncode == whole.returncode == 0
    assert "going on after" in output
    for name in ("out", "outputs", "plots"):
        assert stage.contents(broken / name) == stage.contents(unbroken / name) != {}


def _wait_for(file: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not file.exists():
        assert process.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.05)
