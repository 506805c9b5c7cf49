"""Every architecture of texts, tiny and random, on its way from a checkpoint to an ONNX graph.

Cut, trimmed, and plain at every stop.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from tasks.architectures import catalog
from tasks.export import package
from tasks.finetune import stage as finetune
from tasks.kinds.base import fast_tokenizer
from tasks.kinds.base.kind import load_kind
from tasks.models import checkpoint, inference
from tasks.pretrain import loading
from tasks.prune import stage as prune
from tasks.quantize import stage as quantize
from tests import tiny
from tests.tasks import stage
from tests.tasks.conftest import QUICK, Run

ARCHITECTURES = [name for name, record in catalog.folders()["text"].items() if record.pretrained]
SIZES = {
    "layers": 3,
    "hidden": 32,
    "ffn": 64,
    "vocabulary": 800,
    "word_rank": 8,
    "measured": {"batches": 2, "batch_size": 8},
}
# Each way of choosing what goes meets some architecture.
WAYS = (
    {"layers_by": "spread", "importance": "taylor"},
    {"layers_by": "importance", "importance": "activation"},
)
# One process for all of them: most of its time is the import of torch and transformers.
BARE = """
import json, sys
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
answers = {}
for folder in json.loads(sys.argv[1]):
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    with torch.inference_mode():
        read = tokenizer(json.loads(sys.argv[2]), padding=True, return_tensors="pt", return_token_type_ids=False)
        answers[folder] = model(**read).logits.tolist()
ours = [name for name in sys.modules if name.split(".")[0] in ("tasks", "flows")]
print(json.dumps({"answers": answers, "ours": ours}))
"""  # noqa: E501
TEXTS = [row["text"] for row in tiny.rows(8)]
KIND = load_kind("text/classification")


@pytest.fixture(scope="module")
def students(tiny_run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Architecture -> the folder of a fine-tuned, cut and trimmed checkpoint."""
    torch.set_num_threads(1)
    home = tmp_path_factory.mktemp("students")
    return {
        name: _student(home / name, name, WAYS[at % len(WAYS)], tiny_run.ingest)
        for at, name in enumerate(ARCHITECTURES)
    }


def _student(home: Path, architecture: str, way: dict[str, str], ingest: Path) -> Path:
    tokenizer = tiny.TOKENIZERS.get(architecture, tiny.wordpiece)(
        [row["headline"] for row in tiny.articles()]
    )
    folder = tiny.checkpoint_in(home / "pretrained", architecture, tokenizer=tokenizer, initializer_range=0.2)
    loading.load(folder, KIND, torch.device("cpu"), 32, None, tiny.rows(8), home / "scratch")
    stage.run(
        "finetune",
        finetune.Inputs(ingest, folder),
        home / "finetune",
        **{**QUICK, "epochs": 1, "pool_outputs": 0},
    )
    stage.run("prune", prune.Inputs(ingest, home / "finetune" / "out"), home / "prune", **SIZES, **way)
    return home / "prune" / "out"


@pytest.fixture(scope="module")
def bare_answers(students: dict[str, Path]) -> dict[str, Any]:
    """Architecture -> logits of a process that imports transformers alone, started where our packages cannot
    be found.
    """
    command = [
        sys.executable,
        "-I",
        "-c",
        BARE,
        json.dumps([str(folder) for folder in students.values()]),
        json.dumps(TEXTS),
    ]
    told = json.loads(subprocess.run(command, cwd="/", capture_output=True, text=True, check=True).stdout)
    assert told["ours"] == []
    return {name: np.array(told["answers"][str(folder)]) for name, folder in students.items()}


def _our_answers(folder: Path) -> np.ndarray:
    tokenizer, model = fast_tokenizer.load(folder), checkpoint.load_model(folder, KIND, torch.device("cpu"))
    features = KIND.model.encode(tokenizer, [{"text": text} for text in TEXTS], [], 66)
    return inference.logits(model, KIND, tokenizer, features, batch_size=len(TEXTS))


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_cut_and_trimmed_it_answers_alike_without_us(
    students: dict[str, Path], bare_answers: dict[str, Any], architecture: str
) -> None:
    config = json.loads((students[architecture] / "config.json").read_text())
    named = {
        "layers": ("num_hidden_layers", "n_layers"),
        "hidden": ("hidden_size", "dim"),
        "ffn": ("intermediate_size", "hidden_dim"),
    }
    found = {size: next(config[name] for name in names if name in config) for size, names in named.items()}
    found |= {"vocabulary": config["vocab_size"], "word_rank": config["word_rank"]}
    assert found == {size: SIZES[size] for size in found}
    assert bare_answers[architecture].std(axis=0).max() > 0.05
    np.testing.assert_array_equal(bare_answers[architecture], _our_answers(students[architecture]))


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_its_graph_answers_alike(
    tiny_run: Run, students: dict[str, Path], tmp_path: Path, architecture: str
) -> None:
    """Text by text, of whatever length, through the shippable folder alone.

    Int8 says nothing of weights that never learnt.
    """
    limits = {"format": "fp32", "max_difference": 1e-4, "min_agreement": 1.0}
    stage.run("quantize", quantize.Inputs(tiny_run.ingest, students[architecture]), tmp_path, **limits)
    session, request = (
        package.session(tmp_path / "out" / package.GRAPH, threads=1),
        KIND.package.request(tmp_path / "out"),
    )
    answers = np.concatenate([package.logits(session, request, text) for text in TEXTS])
    np.testing.assert_allclose(answers, _our_answers(students[architecture]), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_its_words_can_have_four_bits(
    tiny_run: Run, students: dict[str, Path], tmp_path: Path, architecture: str
) -> None:
    how = {"format": "fp32", "embeddings": "int4", "max_difference": 1e-4, "min_agreement": 0.0}
    stage.run("quantize", quantize.Inputs(tiny_run.ingest, students[architecture]), tmp_path, **how)
    tables = onnx.load(tmp_path / "out" / package.GRAPH).graph.initializer
    of_words = [
        one
        for one in tables
        if one.dims and one.dims[0] == SIZES["vocabulary"] and one.data_type != onnx.TensorProto.FLOAT
    ]
    assert [(one.data_type, one.dims[1]) for one in of_words] == [(onnx.TensorProto.INT4, SIZES["word_rank"])]


@pytest.mark.slow
def test_modernbert_keeps_the_reach_of_each_layer(students: dict[str, Path]) -> None:
    config = json.loads((students["modernbert"] / "config.json").read_text())
    assert config["layer_types"] == ["full_attention", "sliding_attention", "full_attention"]
