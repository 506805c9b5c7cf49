"""The teacher.

What is frozen stays, the best epoch is kept, the outputs are its own, and a kill changes no byte.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.core.errors import ModelError, ParamsError
from tasks.finetune import stage as finetune
from tasks.kinds.base import fast_tokenizer
from tasks.training import loop
from tests import tiny
from tests.tasks import stage
from tests.tasks.conftest import QUICK, Run
from tests.waiting import until


@pytest.mark.parametrize(
    ("freeze", "kept"),
    [
        ("none", []),
        ("embeddings", ["word_embeddings"]),
        ("encoder", ["word_embeddings", "encoder.layer.0", "encoder.layer.3"]),
    ],
)
def test_frozen_weights_stay_as_pretrained(
    tiny_run: Run, tmp_path: Path, freeze: str, kept: list[str]
) -> None:
    from safetensors.torch import load_file

    inputs = finetune.Inputs(tiny_run.ingest, tiny_run.pretrained)
    stage.run("finetune", inputs, tmp_path, **{**QUICK, "epochs": 1}, freeze=freeze, pool_outputs=0)
    before, after = (
        load_file(tiny_run.pretrained / "model.safetensors"),
        load_file(tmp_path / "out" / "model.safetensors"),
    )
    same = {name for name, tensor in before.items() if tensor.equal(after[f"bert.{name}"])}
    trained = {
        "embeddings.word_embeddings.weight",
        "encoder.layer.0.output.dense.weight",
        "encoder.layer.3.output.dense.weight",
    } - {name for name in before if any(part in name for part in kept)}
    assert not same & trained
    assert all(any(part in name for name in same) for part in kept)


def test_lora_trains_the_head_and_little_else_and_leaves_a_plain_checkpoint(
    tiny_run: Run, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    inputs = finetune.Inputs(tiny_run.ingest, tiny_run.pretrained)
    metrics = stage.run(
        "finetune",
        inputs,
        tmp_path,
        **{**QUICK, "epochs": 1},
        freeze="none",
        lora={"rank": 2, "alpha": 8.0},
        pool_outputs=0,
    )
    before, after = (
        load_file(tiny_run.pretrained / "model.safetensors"),
        load_file(tmp_path / "out" / "model.safetensors"),
    )
    plain = load_file(tiny_run.finetune / "out" / "model.safetensors")
    assert after.keys() == plain.keys()
    assert metrics.figures["parameters"] == sum(tensor.numel() for tensor in plain.values())
    changes = {
        name: after[f"bert.{name}"] - tensor
        for name, tensor in before.items()
        if not after[f"bert.{name}"].equal(tensor)
    }
    assert len(changes) == 4 * 6 + 1  # the linear layers of four layers, and the pooler's
    assert {int(torch.linalg.matrix_rank(change, tol=1e-5)) for change in changes.values()} <= {1, 2}


def test_lora_and_a_frozen_encoder_contradict_each_other(tiny_run: Run, tmp_path: Path) -> None:
    inputs = finetune.Inputs(tiny_run.ingest, tiny_run.pretrained)
    with pytest.raises(ParamsError, match=r"finetune.lora .* finetune.freeze = 'encoder' forbids; take one"):
        stage.run(
            "finetune",
            inputs,
            tmp_path,
            **QUICK,
            lora={"rank": 2, "alpha": 16.0},
            freeze="encoder",
            pool_outputs=0,
        )


@pytest.mark.parametrize(("epochs", "moved"), [(2, False), (3, True)])
def test_encoder_is_held_in_the_first_epochs(tiny_run: Run, tmp_path: Path, epochs: int, moved: bool) -> None:
    from safetensors.torch import load_file

    inputs = finetune.Inputs(tiny_run.ingest, tiny_run.pretrained)
    changed = {
        **QUICK,
        "epochs": epochs,
        "head_epochs": 2,
        "freeze": "none",
        "pool_outputs": 0,
        "weight_decay": 0.1,
    }
    stage.run("finetune", inputs, tmp_path, **changed, patience=epochs)
    state = load_file(
        tmp_path / "scratch" / "state.safetensors"
    )  # the last epoch; the best one may be an earlier one
    before, best = (
        load_file(tiny_run.pretrained / "model.safetensors"),
        load_file(tmp_path / "out" / "model.safetensors"),
    )
    assert any(not tensor.equal(state[f"weight:bert.{name}"]) for name, tensor in before.items()) == moved
    assert not state["exp_avg_sq:classifier.weight"].equal(torch.zeros_like(best["classifier.weight"]))


@pytest.mark.parametrize("architecture", ["efficientnet_lite", "resnet", "convnext", "vit"])
def test_lora_is_merged_into_nets_of_pictures(tmp_path: Path, architecture: str) -> None:
    from safetensors.torch import load_file

    inputs = finetune.Inputs(
        tiny.ingest_out(tmp_path / "ingest", kind="image/classification"),
        tiny.image_checkpoint_in(tmp_path / "pretrained", architecture),
    )
    given = {
        "kind": "image/classification",
        "options": tiny.OPTIONS["image/classification"],
        "freeze": "none",
        "pool_outputs": 0,
    }
    stage.run("finetune", inputs, tmp_path / "lora", **QUICK, **given, lora={"rank": 2, "alpha": 16.0})
    stage.run("finetune", inputs, tmp_path / "plain", **QUICK, **given)
    lora, plain = (load_file(tmp_path / way / "out" / "model.safetensors") for way in ("lora", "plain"))
    assert {name: tensor.shape for name, tensor in lora.items()} == {
        name: tensor.shape for name, tensor in plain.items()
    }
    before = load_file(tmp_path / "pretrained" / "model.safetensors")
    prefix = f"{architecture}."
    changed = [
        name
        for name, tensor in before.items()
        if f"{prefix}{name}" in lora and not lora[f"{prefix}{name}"].equal(tensor)
    ]
    assert len([name for name in changed if name.endswith("weight")]) > 3


def test_lora_on_a_net_that_does_not_bear_it_is_refused(tmp_path: Path) -> None:
    inputs = finetune.Inputs(
        tiny.ingest_out(tmp_path / "ingest", kind="image/classification"),
        tiny.image_checkpoint_in(tmp_path / "pretrained", "mobilenet_v2"),
    )
    given = {
        "kind": "image/classification",
        "options": tiny.OPTIONS["image/classification"],
        "freeze": "none",
        "pool_outputs": 0,
    }
    with pytest.raises(ModelError, match=r"finetune.lora: mobilenet_v2 cannot be trained with LoRA"):
        stage.run("finetune", inputs, tmp_path, **QUICK, **given, lora={"rank": 2, "alpha": 16.0})


def test_nets_without_embeddings_have_none_to_freeze(tmp_path: Path) -> None:
    inputs = finetune.Inputs(
        tiny.ingest_out(tmp_path / "ingest", kind="image/classification"),
        tiny.image_checkpoint_in(tmp_path / "pretrained"),
    )
    given = {
        "kind": "image/classification",
        "options": tiny.OPTIONS["image/classification"],
        "pool_outputs": 0,
    }
    with pytest.raises(
        ModelError,
        match=r"efficientnet_lite: has no embeddings of its inputs; take finetune.freeze = 'none' or "
        r"'encoder'",
    ):
        stage.run("finetune", inputs, tmp_path, **QUICK, **given, freeze="embeddings")


def test_frozen_encoder_keeps_its_running_means(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    inputs = finetune.Inputs(
        tiny.ingest_out(tmp_path / "ingest", kind="image/classification"),
        tiny.image_checkpoint_in(tmp_path / "pretrained"),
    )
    given = {
        "kind": "image/classification",
        "options": tiny.OPTIONS["image/classification"],
        "pool_outputs": 0,
    }
    stage.run("finetune", inputs, tmp_path, **QUICK, **given, freeze="encoder")
    before, after = (
        load_file(tmp_path / "pretrained" / "model.safetensors"),
        load_file(tmp_path / "out" / "model.safetensors"),
    )
    assert [
        name for name, tensor in before.items() if not tensor.equal(after[f"efficientnet_lite.{name}"])
    ] == []


def test_outputs_are_what_the_saved_teacher_answers(tiny_run: Run) -> None:
    from tasks.core import tables
    from tasks.kinds.base.kind import load_kind
    from tasks.models import checkpoint, inference, outputs

    kind, tokenizer = load_kind("text/classification"), fast_tokenizer.load(tiny_run.finetune / "out")
    model = checkpoint.load_model(
        tiny_run.finetune / "out", kind, torch.device("cpu"), attn_implementation="eager"
    )
    for split, count in {"train": 60, "pool": 30}.items():
        texts = tables.read(tiny_run.ingest / f"{split}.parquet")[:count]
        answers = inference.logits(
            model, kind, tokenizer, kind.model.encode(tokenizer, texts, tiny.LABELS, 32), batch_size=7
        )
        kept = outputs.read(tiny_run.finetune / "outputs" / f"{split}.safetensors").logits
        assert kept.shape == (count, 5)
        np.testing.assert_allclose(kept, answers, atol=1e-5)


def test_several_teachers_answer_together_and_the_first_is_as_if_alone(tiny_run: Run, tmp_path: Path) -> None:
    from tasks.models import outputs

    def taught(name: str, **changed: Any) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        inputs = finetune.Inputs(tiny_run.ingest, tiny_run.pretrained)
        metrics = stage.run("finetune", inputs, tmp_path / name, **QUICK, pool_outputs=30, **changed)
        kept = {
            split: outputs.read(tmp_path / name / "outputs" / f"{split}.safetensors").logits
            for split in ("train", "validation", "pool")
        }
        return dict(metrics.figures), kept

    seeds = [loop.seed_of(0, number) for number in (1, 2, 3)]
    (figures, together), *alone = [
        taught("three", teachers=3),
        *(taught(str(seed), seed=seed) for seed in seeds),
    ]
    for name in ("out", "plots"):
        assert stage.contents(tmp_path / "three" / name) == stage.contents(tmp_path / "0" / name)
    for split in ("train", "pool"):
        mean = np.mean(
            [torch.log_softmax(torch.from_numpy(answers[split]), -1).numpy() for _, answers in alone], axis=0
        )
        np.testing.assert_allclose(together[split], mean, atol=1e-6)
    np.testing.assert_array_equal(together["validation"], alone[0][1]["validation"])
    assert {key: value for key, value in figures.items() if key != "validation_together"} == alone[0][0]
    assert figures["validation_together"].keys() < figures["validation"].keys()


def test_further_teacher_that_has_answered_is_not_trained_again(
    tiny_run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    inputs = finetune.Inputs(tiny_run.ingest, tiny_run.pretrained)
    said, kept = [], tmp_path / "scratch" / "teacher-2" / "answers.safetensors"
    for torn in (False, False, True):
        if torn:  # as a power cut may leave it
            kept.write_bytes(b"")
        stage.run("finetune", inputs, tmp_path, **QUICK, pool_outputs=5, teachers=2)
        said.append(capfd.readouterr().out)
        for name in ("outputs", "out", "plots"):
            shutil.rmtree(tmp_path / name)
    assert ["finetune 2 of 2" in one for one in said] == [True, False, True]


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


PICTURES = {
    "kind": "image/classification",
    "options": tiny.OPTIONS["image/classification"],
    "freeze": "none",
    "head_epochs": 1,
    "epochs": 8,
    "learning_rate": 0.01,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "way",
    [{}, {"lora": {"rank": 2, "alpha": 16.0}, "head_epochs": 2}, PICTURES, {"teachers": 2, "epochs": 15}],
    ids=["texts", "lora", "pictures", "teachers"],
)
def test_killed_training_goes_on_and_ends_with_the_same_bytes(
    tiny_run: Run, tmp_path: Path, way: dict[str, Any]
) -> None:
    """kill -9 in the middle, with dropout on: weights, moments and the random state all have to come back."""
    changed = {"epochs": 30, "patience": 30, "batch_size": 2, "dropout": 0.2, "pool_outputs": 5, **way}
    ingested, pretrained = tiny_run.ingest, tiny_run.pretrained
    if "kind" in way:
        ingested = tiny.ingest_out(tmp_path / "ingest", kind=way["kind"])
        pretrained = tiny.pretrained_for(way["kind"], tmp_path / "pretrained")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path; from tasks.finetune import stage as finetune; from tests.tasks import "
        "stage\n"
        "from tasks.training import loop; loop.STEPS_BETWEEN_SAVES = 7\n"
        "stage.run('finetune', finetune.Inputs(Path(sys.argv[2]), Path(sys.argv[3])), Path(sys.argv[4]), "
        f"**{changed!r})"
    )
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"

    def start(home: Path) -> subprocess.Popen[str]:
        arguments = [sys.executable, "-c", code, *map(str, (stage.ROOT, ingested, pretrained, home))]
        return subprocess.Popen(
            arguments,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "TOKENIZERS_PARALLELISM": "false"},
        )

    first = start(broken)
    _wait_for(
        broken / "scratch" / ("teacher-2/training" if "teachers" in way else "") / "state.safetensors", first
    )
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
    until(file.exists, of=process, step=0.05)
