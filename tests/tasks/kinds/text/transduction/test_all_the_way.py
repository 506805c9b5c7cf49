"""From texts and completions to a folder that writes, through all stages, for every architecture."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.benchmark import stage as benchmark
from tasks.core import tables
from tasks.distill import stage as distill
from tasks.export import package
from tasks.finetune import stage as finetune
from tasks.ingest import stage as ingest
from tasks.kinds.base.kind import load_kind
from tasks.models import checkpoint, outputs
from tasks.pretrain import locate
from tasks.pretrain import stage as pretrain
from tasks.prune import stage as prune
from tasks.quantize import stage as quantize
from tests import encoder_decoders, tiny, writers
from tests.tasks import stage
from tests.tasks.conftest import QUICK

NAME = "text/transduction"
VALUES = encoder_decoders.VALUES
FEW = {"min_rows_per_class": 3, "min_test_rows": 5, "split": "sticky", "validation": 0.2, "test": 0.2}
CUT = {
    **dict.fromkeys(("hidden", "vocabulary", "depths", "widths")),
    "layers": 2,
    "decoder_layers": 1,
    "ffn": 64,
    "layers_by": "influence",
    "importance": "taylor",
    "measured": {"batches": 2, "batch_size": 4},
}
SHIPPED = {"graph": "built", "format": "fp32", "min_agreement": 1.0, "checked_rows": 8}
READ = {"columns": {"text": "ask", "label": "say"}, "pool_words": 20}
ANSWERED = 6
"""Texts without a completion that the teacher answers."""


def made(home: Path, name: str, shipped: dict[str, Any] = SHIPPED, **brought: Any) -> dict[str, Path]:
    """All stages of a tiny run but the benchmark."""
    place = {one: home / one for one in ("ingest", "pretrain", "finetune", "prune", "distill", "quantize")}
    raw = writers.raw(home / "raw")
    (raw / "unlabelled").mkdir()
    (raw / "unlabelled" / "texts.txt").write_text("\n".join(tiny.pool(20)), encoding="utf-8")
    stage.run("ingest", ingest.Inputs(raw), place["ingest"], **VALUES, **FEW, **READ)
    rows = place["ingest"] / "out"
    folder = encoder_decoders.checkpoint_in(home / "models" / "tiny", name)
    source = {"folder": "models/tiny", "sha256": locate.content_hash(folder)}
    begun = pretrain.Inputs(rows, home)
    stage.run("pretrain", begun, place["pretrain"], **VALUES, source=source, **brought)
    start = finetune.Inputs(rows, place["pretrain"] / "out")
    stage.run("finetune", start, place["finetune"], **VALUES, **QUICK, pool_outputs=ANSWERED)
    teacher = place["finetune"] / "out"
    stage.run("prune", prune.Inputs(rows, teacher), place["prune"], **VALUES, **CUT)
    learnt = distill.Inputs(rows, place["prune"] / "out", place["finetune"] / "outputs", teacher)
    stage.run("distill", learnt, place["distill"], **VALUES, **QUICK, pool=ANSWERED, repeats=1)
    stage.run(
        "quantize", quantize.Inputs(rows, place["distill"] / "out"), place["quantize"], **VALUES, **shipped
    )
    return place


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return made(tmp_path_factory.mktemp("transduces"), "t5")


def answers_are_those_of_torch(run: dict[str, Path]) -> None:
    kind = load_kind(NAME)
    assert kind.generation is not None
    rows = tables.read(run["ingest"] / "out" / "test.parquet")[:6]
    folder = run["quantize"] / "out"
    model = checkpoint.load_model(run["distill"] / "out", kind, torch.device("cpu"))
    tokenizer = kind.model.load_processor(run["distill"] / "out")
    ours = kind.generation.checkpoint(model, tokenizer, VALUES["input_size"])
    theirs = kind.generation.shipped(folder, folder / "model.onnx")
    asked = [*(row["text"] for row in rows), "A long one, " * 30]
    assert [one.text for one in ours.write(asked)] == [one.text for one in theirs.write(asked)]
    counts = [theirs.count(row["label"]) for row in rows]
    assert counts == [ours.count(row["label"]) for row in rows]
    assert len(theirs.just(asked[:6], counts)) == len(rows)
    for row in rows[:2]:
        got = theirs.forced(row["text"], row["label"])
        np.testing.assert_allclose(got, ours.forced(row["text"], row["label"]), atol=1e-4)
        assert len(got) == theirs.count(row["label"])
    for ask in asked[-2:]:
        assert package.load(folder, NAME)(ask) == ours.write([ask])[0].text == said_by_the_manual(folder, ask)


def said_by_the_manual(folder: Path, ask: str) -> str:
    """In a process without torch, transformers and Slipway."""
    page = (stage.ROOT / "docs" / "ship.md").read_text(encoding="utf-8")
    (code,) = re.findall(rf"<!-- serve {NAME} -->\n```python\n(.*?)```", page, re.DOTALL)
    assert len(code.splitlines()) <= 35
    script = code.replace("data/summaries/quantize/out", str(folder))
    script = script.replace('"Film stars gather for the Oscars"', repr(ask))
    without = "import sys; sys.modules.update(dict.fromkeys(['torch', 'transformers', 'tasks']))\n"
    done = subprocess.run(
        [sys.executable, "-I", "-c", without + script], capture_output=True, text=True, check=True
    )
    return done.stdout.rstrip("\n")


def the_student_is_a_plain_checkpoint(run: dict[str, Path]) -> None:
    script = (
        "import sys, torch; from transformers import AutoModelForSeq2SeqLM as A;"
        "m = A.from_pretrained(sys.argv[1], local_files_only=True, dtype=torch.float32).eval();"
        "ids = torch.tensor([[5, 9, 7, 30]]);"
        "total = float(m(input_ids=ids, decoder_input_ids=ids).logits.double().sum());"
        "halves = [getattr(h, 'block', None) or h.layers for h in (m.get_decoder(), m.get_encoder())];"
        "print(total, *map(len, halves))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script, str(run["distill"] / "out")],
        capture_output=True,
        text=True,
        check=True,
    )
    total, decoder, encoder = done.stdout.split()
    model = checkpoint.load_model(run["distill"] / "out", load_kind(NAME), torch.device("cpu"))
    ids = torch.tensor([[5, 9, 7, 30]])
    with torch.inference_mode():
        here = model(input_ids=ids, decoder_input_ids=ids).logits.double().sum()
    assert float(total) == pytest.approx(float(here), abs=1e-4)
    assert (int(encoder), int(decoder)) == (2, 1)


def test_texts_of_the_folder_are_those_of_torch(run: dict[str, Path]) -> None:
    answers_are_those_of_torch(run)


def test_students_learn_from_what_the_teacher_writes(run: dict[str, Path]) -> None:
    kind, teacher = load_kind(NAME), run["finetune"] / "out"
    assert kind.generation is not None
    pool = [row["text"] for row in tables.read(run["ingest"] / "out" / "pool.parquet")]
    model = checkpoint.load_model(teacher, kind, torch.device("cpu"), attn_implementation="eager")
    writer = kind.generation.checkpoint(model, kind.model.load_processor(teacher), VALUES["input_size"])
    kept = [row["label"] for row in tables.read(run["finetune"] / "outputs" / "labels.parquet")]
    assert kept == [one.text for one in writer.write(pool[:ANSWERED])]
    answered = outputs.read(run["finetune"] / "outputs" / "pool.safetensors")
    assert answered.decisions == [writer.count(label) for label in kept]


def test_the_student_is_a_plain_checkpoint(run: dict[str, Path]) -> None:
    the_student_is_a_plain_checkpoint(run)


def the_benchmark_tells_texts_and_times(run: dict[str, Path], place: Path) -> None:
    home = {name: place / "out" for name, place in run.items()}
    inputs = benchmark.Inputs(
        home["ingest"], home["finetune"], home["prune"], home["distill"], home["quantize"]
    )
    few = {"resamples": 100, "latency_inputs": 2, "rounds": 3, "batch": 4, "split": "test"}
    found = stage.run("benchmark", inputs, place, **VALUES, **few)
    figures, timings = found.figures, found.timings
    assert figures["measured"]["headline"] == "rouge_l"
    assert figures["teacher"].keys() >= {"rouge_1", "chrf", "bleu", "exact_match", "word_f1", "traits"}
    assert figures["final"]["agreement"] == pytest.approx(figures["distilled"]["agreement"])
    nats = [figures[name]["likelihood"]["nats_per_row"] for name in ("final", "distilled", "teacher")]
    assert nats[0] == pytest.approx(nats[1], abs=0.01) != nats[2]
    assert timings["final"]["latency_ms"].keys() >= {"answer_1_thread", "first_piece_1_thread"}
    assert timings["final"]["pieces"]["of_an_answer"] > 1
    page = (place / "report" / "report.md").read_text(encoding="utf-8")
    assert "## What the answers look like" in page


@pytest.mark.slow
@pytest.mark.parametrize("name", encoder_decoders.CONFIGS)
def test_every_architecture_goes_all_the_way(name: str, tmp_path: Path) -> None:
    place = made(tmp_path, name)
    answers_are_those_of_torch(place)
    the_student_is_a_plain_checkpoint(place)
    if name in ("t5", "bart", "marian"):
        the_benchmark_tells_texts_and_times(place, tmp_path / "benchmark")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["t5", encoder_decoders.OWN_HEAD, "bart", "marian"])
def test_a_smaller_vocabulary_in_four_bits_goes_all_the_way(name: str, tmp_path: Path) -> None:
    few_bits = {**SHIPPED, "format": "int4", "embeddings": "int8", "min_agreement": 0.0}
    place = made(tmp_path, name, few_bits, vocabulary=264 if name == "bart" else 200)
    model = checkpoint.load_model(place["distill"] / "out", load_kind(NAME), torch.device("cpu"))
    assert model.config.vocab_size == (264 if name == "bart" else 200)
    answer = package.load(place["quantize"] / "out", NAME)("12 Film stars")
    assert answer == said_by_the_manual(place["quantize"] / "out", "12 Film stars")
