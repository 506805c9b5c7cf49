"""The student has the sizes asked for, loads without Slipway, and keeps what matters."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.core.errors import ModelError
from tasks.finetune import stage as finetune
from tasks.kinds.base import fast_tokenizer
from tasks.prune import stage as prune
from tests import tiny
from tests.tasks import stage
from tests.tasks.conftest import QUICK, Run

BARE = """
import json, sys
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1]).eval()
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
with torch.inference_mode():
    logits = model(**tokenizer(json.loads(sys.argv[2]), padding=True, return_tensors="pt", return_token_type_ids=False)).logits
print(json.dumps({"logits": logits.tolist(), "slipway": [name for name in sys.modules if name.split(".")[0] in ("tasks", "flows")]}))
"""  # noqa: E501
SIZES = {"layers": 2, "hidden": 32, "ffn": 64, "vocabulary": 800, "measured": {"batches": 2, "batch_size": 4}}


def bare_logits(folder: Path, texts: list[str]) -> np.ndarray:
    """Logits in a process that imports transformers alone, started where our packages cannot be found."""
    command = [sys.executable, "-I", "-c", BARE, str(folder), json.dumps(texts)]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout)
    assert answer["slipway"] == []
    return np.array(answer["logits"])


def our_logits(folder: Path, texts: list[str]) -> np.ndarray:
    import torch

    from tasks.kinds.base.kind import load_kind
    from tasks.models import checkpoint, inference

    kind, tokenizer = load_kind("text/classification"), fast_tokenizer.load(folder)
    model = checkpoint.load_model(folder, kind, torch.device("cpu"))
    features = kind.model.encode(tokenizer, [{"text": text} for text in texts], [], 66)
    return inference.logits(model, kind, tokenizer, features, batch_size=len(texts))


@pytest.mark.parametrize("stage_name", ["finetune", "prune", "distill"])
def test_checkpoints_load_in_a_process_that_does_not_know_slipway(tiny_run: Run, stage_name: str) -> None:
    folder = getattr(tiny_run, stage_name) / "out"
    texts = [row["text"] for row in tiny.rows(4)]
    np.testing.assert_array_equal(bare_logits(folder, texts), our_logits(folder, texts))


@pytest.mark.parametrize("architecture", ["bert", "roberta", "xlm-roberta"])
@pytest.mark.parametrize("importance", ["taylor", "magnitude", "activation"])
def test_sizes_are_those_asked_for(tiny_run: Run, tmp_path: Path, architecture: str, importance: str) -> None:
    pretrained = tiny.checkpoint_in(tmp_path / "pretrained", architecture)
    teacher = tmp_path / "teacher"
    quick = {**QUICK, "epochs": 1, "pool_outputs": 0}
    stage.run("finetune", finetune.Inputs(tiny_run.ingest, pretrained), teacher, **quick)
    metrics = stage.run(
        "prune",
        prune.Inputs(tiny_run.ingest, teacher / "out"),
        tmp_path / "student",
        **SIZES,
        importance=importance,
    )
    config = json.loads((tmp_path / "student" / "out" / "config.json").read_text())
    found = {
        name: config[name]
        for name in (
            "num_hidden_layers",
            "hidden_size",
            "num_attention_heads",
            "intermediate_size",
            "vocab_size",
        )
    }
    expected = {
        "num_hidden_layers": 2,
        "hidden_size": 32,
        "num_attention_heads": 2,
        "intermediate_size": 64,
        "vocab_size": 800,
    }
    assert found == expected
    assert metrics.figures["layers_kept"] == [0, 3]
    assert 0 < metrics.figures["vocabulary_lost"] < 0.3


def test_keeping_everything_changes_no_logit(tiny_run: Run, tmp_path: Path) -> None:
    pieces = json.loads((tiny_run.finetune / "out" / "config.json").read_text())["vocab_size"]
    sizes = {"layers": 4, "hidden": 64, "ffn": 128, "vocabulary": -(-pieces // 8) * 8}
    stage.run(
        "prune", prune.Inputs(tiny_run.ingest, tiny_run.finetune / "out"), tmp_path, **{**SIZES, **sizes}
    )
    texts = [row["text"] for row in tiny.rows(8)]
    np.testing.assert_array_equal(
        our_logits(tmp_path / "out", texts), our_logits(tiny_run.finetune / "out", texts)
    )


def test_what_carries_nothing_goes_first(tiny_run: Run, tmp_path: Path) -> None:
    """Feed-forward channels set to zero cannot matter.

    All measures take exactly these, so no logit changes.
    """
    import torch

    from tasks.kinds.base.kind import load_kind
    from tasks.models import checkpoint

    kind, teacher = load_kind("text/classification"), tmp_path / "teacher"
    model: Any = checkpoint.load_model(tiny_run.finetune / "out", kind, torch.device("cpu"))
    dead = torch.randperm(128, generator=torch.Generator().manual_seed(1))[:64]
    with torch.no_grad():
        for layer in model.bert.encoder.layer:
            layer.intermediate.dense.weight[dead] = 0
            layer.intermediate.dense.bias[dead] = 0
            layer.output.dense.weight[:, dead] = 0
    checkpoint.save(model, fast_tokenizer.load(tiny_run.finetune / "out"), teacher)
    texts = [row["text"] for row in tiny.rows(8)]
    for importance in ("taylor", "magnitude", "activation"):
        sizes = {**SIZES, "layers": 4, "hidden": 64, "ffn": 64, "vocabulary": 1200}
        home = tmp_path / importance
        stage.run("prune", prune.Inputs(tiny_run.ingest, teacher), home, **sizes, importance=importance)
        np.testing.assert_allclose(our_logits(home / "out", texts), our_logits(teacher, texts), atol=1e-5)


def test_same_seed_same_bytes(tiny_run: Run, tmp_path: Path) -> None:
    inputs = prune.Inputs(tiny_run.ingest, tiny_run.finetune / "out")
    stage.run("prune", inputs, tmp_path / "again", **SIZES)
    assert stage.contents(tmp_path / "again" / "out") == stage.contents(tiny_run.prune / "out")


IN_STEPS = {
    **SIZES,
    "layers_by": "importance",
    "recovery": {"steps": 3, "epochs": 2, "batch_size": 4, "learning_rate": 0.002},
}


@pytest.fixture(scope="module")
def in_steps(tiny_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("steps")
    stage.run("prune", prune.Inputs(tiny_run.ingest, tiny_run.finetune / "out"), home, **IN_STEPS)
    return home


def test_in_steps_the_sizes_are_those_asked_for(in_steps: Path, tiny_run: Run) -> None:
    one, many = (
        json.loads((folder / "out" / "config.json").read_text()) for folder in (tiny_run.prune, in_steps)
    )
    assert one == many
    assert sorted(path.name for path in (in_steps / "scratch").glob("recovery-*")) == [
        "recovery-1",
        "recovery-2",
    ]
    assert (
        stage.contents(in_steps / "out")["model.safetensors"]
        != stage.contents(tiny_run.prune / "out")["model.safetensors"]
    )


def test_killed_in_a_recovery_it_goes_on_and_ends_with_the_same_bytes(
    tiny_run: Run, in_steps: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.training import loop

    inputs = prune.Inputs(tiny_run.ingest, tiny_run.finetune / "out")
    tell, told = loop._print_progress, []

    def dies(label: str, plan: Any, state: Any) -> None:
        tell(label, plan, state)
        told.append((label, state.epoch))
        if told[-1] == ("recovery 2 of 2", 2):
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_print_progress", dies)
    with pytest.raises(KeyboardInterrupt):
        stage.run("prune", inputs, tmp_path, **IN_STEPS)
    told.clear()
    monkeypatch.setattr(loop, "_print_progress", lambda label, _, state: told.append((label, state.epoch)))
    stage.run("prune", inputs, tmp_path, **IN_STEPS)
    assert told == [("recovery 2 of 2", 2)]
    assert stage.contents(tmp_path / "out") == stage.contents(in_steps / "out")


def test_a_recovery_comes_nearer_to_the_teacher(tiny_run: Run) -> None:
    import torch

    from tasks.core import tables
    from tasks.kinds.base.kind import load_kind
    from tasks.models import checkpoint, inference
    from tasks.prune import recovery
    from tasks.training import loop

    kind, labels = load_kind("text/classification"), checkpoint.label_names(tiny_run.ingest)
    tokenizer = kind.model.load_processor(tiny_run.prune / "out")
    model = checkpoint.load_model(tiny_run.prune / "out", kind, torch.device("cpu"))
    rows = {split: tables.read(tiny_run.ingest / f"{split}.parquet") for split in ("train", "validation")}
    features = {split: kind.model.encode(tokenizer, listed, labels, 32) for split, listed in rows.items()}
    chance = torch.Generator().manual_seed(0)
    one_answer = torch.randn(1, 5, generator=chance)
    wanted = {split: one_answer.repeat(len(some), 1).numpy() for split, some in rows.items()}

    def divergence() -> float:
        _, apart = inference.compared(model, kind, tokenizer, features["validation"], wanted["validation"])
        return float(apart)

    before = divergence()
    plan = loop.Plan(epochs=4, patience=4, batch_size=8, learning_rate=0.005, seed=0, **recovery.FIXED)
    recovery.Recovery(kind, tokenizer, features, wanted, plan).learn(
        model, tiny_run.prune / "scratch" / "lesson", "lesson"
    )
    assert divergence() < 0.1 * before
    assert not model.training


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"layers": 5}, ["prune.layers = 5", "the teacher has 4"]),
        ({"hidden": 128}, ["prune.hidden = 128", "the teacher has 64"]),
        ({"hidden": 24}, ["multiple of 16", "the teacher's heads"]),
        ({"layers": 9, "ffn": 256}, ["2 faults", "prune.layers", "prune.ffn"]),
        ({"vocabulary": 100_000}, ["prune.vocabulary = 100000"]),
    ],
)
def test_impossible_sizes_are_refused(
    tiny_run: Run, tmp_path: Path, changed: dict[str, int], said: list[str]
) -> None:
    with pytest.raises(ModelError) as caught:
        stage.run(
            "prune",
            prune.Inputs(tiny_run.ingest, tiny_run.finetune / "out"),
            tmp_path,
            **{**SIZES, **changed},
        )
    assert all(part in str(caught.value) for part in said), str(caught.value)
    assert not (tmp_path / "out").exists()
