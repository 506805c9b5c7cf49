"""The pooler learns the mean of the encoder's states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tasks.core.errors import ParamsError
from tasks.kinds.base.kind import load_kind
from tasks.pretrain import sentence_vector
from tasks.pretrain import stage as pretrain
from tasks.pretrain.locate import content_hash
from tests import tiny
from tests.tasks import stage

HOW = {"steps": 60, "batch_size": 16, "learning_rate": 0.001}


def run(home: Path, name: str, **changed: Any) -> dict[str, Any]:
    root = home / "workspace"
    if not root.exists():
        tiny.checkpoint_in(root / "tiny")
        tiny.ingest_out(home / "ingest")
    source = {"folder": "tiny", "sha256": content_hash(root / "tiny")}
    inputs = pretrain.Inputs(home / "ingest", root)
    given: dict[str, Any] = {"source": source, "sentence": HOW, "further": None, **changed}
    return dict(stage.run("pretrain", inputs, home / name, **given).figures)


def test_it_comes_near_and_the_table_of_words_stays(tmp_path: Path) -> None:
    short = run(tmp_path, "short", sentence={**HOW, "steps": 1})
    long = run(tmp_path, "long")
    assert short["sentence_cosine"] < long["sentence_cosine"]
    assert long["sentence_cosine"] > 0.9
    before = load_file(tmp_path / "workspace" / "tiny" / "model.safetensors")
    after = load_file(tmp_path / "long" / "out" / "model.safetensors")
    same = {name for name, tensor in after.items() if tensor.equal(before[name])}
    assert "embeddings.word_embeddings.weight" in same
    assert not any(name.startswith(("pooler", "encoder")) for name in same)


def test_the_same_bytes_come_twice(tmp_path: Path) -> None:
    run(tmp_path, "first")
    run(tmp_path, "second")
    assert stage.contents(tmp_path / "first" / "out") == stage.contents(tmp_path / "second" / "out")


@pytest.mark.parametrize("architecture", ["distilbert", "roberta", "modernbert"])
def test_a_classifier_without_a_pooler_is_told_beforehand(architecture: str) -> None:
    with torch.device("meta"):
        model = load_kind("text/classification").model.auto_model().from_config(tiny.config_of(architecture))
    assert "has no pooler that could learn it" in sentence_vector.faults(model)[0]


def test_pictures_have_none(tmp_path: Path) -> None:
    given = {"kind": "image/classification", "options": tiny.OPTIONS["image/classification"]}
    with pytest.raises(ParamsError, match=r"pretrain\.sentence: inputs of this kind are no texts"):
        run(tmp_path, "pictures", **given)
