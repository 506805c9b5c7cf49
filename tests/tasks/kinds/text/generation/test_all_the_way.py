"""From prompts and completions to a folder that writes, through all stages, for every architecture."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tasks.benchmark import stage as benchmark
from tasks.benchmark import summary
from tasks.core import tables
from tasks.distill import stage as distill
from tasks.export import package
from tasks.finetune import stage as finetune
from tasks.ingest import stage as ingest
from tasks.kinds.base.kind import load_kind
from tasks.kinds.text.common.writing import graph_writer
from tasks.kinds.text.generation.folder import FolderWriter
from tasks.models import checkpoint, outputs
from tasks.pretrain import locate
from tasks.pretrain import stage as pretrain
from tasks.prune import stage as prune
from tasks.quantize import stage as quantize
from tests import decoders, tiny, writers
from tests.tasks import stage
from tests.tasks.conftest import QUICK

NAME = "text/generation"
FEW = {"min_rows_per_class": 3, "min_test_rows": 5, "split": "sticky", "validation": 0.2, "test": 0.2}
ANSWERED = 6
PROMPTS = "".join(
    f"{number} {' '.join(row['headline'].split()[:2])}\n" for number, row in enumerate(tiny.articles()[:200])
)
"""Those of the rows, and fifty that no row has."""
NO_SIZES = dict.fromkeys(("layers", "hidden", "ffn", "vocabulary", "depths", "widths"))
CUT = {**NO_SIZES, "layers": 2, "ffn": 64, "layers_by": "influence", "importance": "taylor"}


def made(home: Path, name: str, **cut: Any) -> dict[str, Path]:
    """All stages of a tiny run but the benchmark."""
    place = {one: home / one for one in ("ingest", "pretrain", "finetune", "prune", "distill", "quantize")}
    raw = writers.raw(home / "raw")
    (raw / "unlabelled").mkdir()
    (raw / "unlabelled" / "prompts.txt").write_text(PROMPTS, encoding="utf-8")
    stage.run(
        "ingest",
        ingest.Inputs(raw),
        place["ingest"],
        **writers.VALUES,
        **FEW,
        columns={"text": "ask", "label": "say"},
        pool_words=20,
    )
    rows = place["ingest"] / "out"
    folder = writers.checkpoint_in(home / "models" / "tiny", name)
    source = {"folder": "models/tiny", "sha256": locate.content_hash(folder)}
    stage.run("pretrain", pretrain.Inputs(rows, home), place["pretrain"], **writers.VALUES, source=source)
    start = finetune.Inputs(rows, place["pretrain"] / "out")
    stage.run("finetune", start, place["finetune"], **writers.VALUES, **QUICK, pool_outputs=ANSWERED)
    teacher = place["finetune"] / "out"
    measured = {"batches": 2, "batch_size": 4}
    given = {**writers.VALUES, **CUT, "measured": measured, **cut}
    stage.run("prune", prune.Inputs(rows, teacher), place["prune"], **given)
    learnt = distill.Inputs(rows, place["prune"] / "out", place["finetune"] / "outputs", teacher)
    stage.run("distill", learnt, place["distill"], **writers.VALUES, **QUICK, pool=ANSWERED, repeats=1)
    shipping = quantize.Inputs(rows, place["distill"] / "out")
    stage.run("quantize", shipping, place["quantize"], **writers.VALUES, **SHIPPED)
    return place


SHIPPED = {"graph": "built", "format": "fp32", "min_agreement": 1.0, "checked_rows": 8}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return made(tmp_path_factory.mktemp("writes"), "llama")


def test_texts_of_the_folder_are_those_of_torch(run: dict[str, Path]) -> None:
    kind = load_kind(NAME)
    assert kind.generation is not None
    rows = tables.read(run["ingest"] / "out" / "test.parquet")[:6]
    folder = run["quantize"] / "out"
    model = checkpoint.load_model(run["distill"] / "out", kind, torch.device("cpu"))
    ours = kind.generation.checkpoint(model, kind.model.load_processor(run["distill"] / "out"), 48)
    theirs = kind.generation.shipped(folder, folder / "model.onnx")
    asked = [row["text"] for row in rows]
    assert [one.text for one in ours.write(asked)] == [one.text for one in theirs.write(asked)]
    counts = [theirs.count(row["label"]) for row in rows]
    assert ours.just(asked, counts) == theirs.just(asked, counts)
    for row in rows[:2]:
        got = theirs.forced(row["text"], row["label"])
        np.testing.assert_allclose(got, ours.forced(row["text"], row["label"]), atol=1e-4)
        assert len(got) == theirs.count(row["label"])
    answer = package.load(folder, NAME)
    assert answer(asked[0]) == ours.write(asked[:1])[0].text
    assert json.loads(package.load_structured(folder, NAME)(asked[0])).keys() == {"input", "answer"}


def test_the_teacher_answers_prompts_that_measure_nothing(run: dict[str, Path]) -> None:
    rows, kind = run["ingest"] / "out", load_kind(NAME)
    assert kind.generation is not None
    pool = [row["text"] for row in tables.read(rows / "pool.parquet")]
    measured = {
        row["text"] for side in ("validation", "test") for row in tables.read(rows / f"{side}.parquet")
    }
    assert len(pool) + len(measured) == 200
    assert not measured & {*pool}
    kept = tables.read(run["finetune"] / "outputs" / "labels.parquet")
    teacher = run["finetune"] / "out"
    model = checkpoint.load_model(teacher, kind, torch.device("cpu"), attn_implementation="eager")
    writer = kind.generation.checkpoint(model, kind.model.load_processor(teacher), 48)
    assert [row["label"] for row in kept] == [one.text for one in writer.write(pool[:ANSWERED])]
    answered = outputs.read(run["finetune"] / "outputs" / "pool.safetensors")
    assert answered.decisions == [writer.count(row["label"]) for row in kept]


def lines_of_the_manual(name: str) -> str:
    page = (stage.ROOT / "docs" / "ship.md").read_text(encoding="utf-8")
    (code,) = re.findall(rf"<!-- {name} -->\n```python\n(.*?)```", page, re.DOTALL)
    return str(code)


def said_by_the_manual(folder: Path, ask: str, code: str) -> str:
    """In a process without torch, transformers and Slipway."""
    script = code.replace("data/headlines/quantize/out", str(folder))
    script = script.replace('"Film stars gather for the Oscars"', repr(ask))
    without = "import sys; sys.modules.update(dict.fromkeys(['torch', 'transformers', 'tasks']))\n"
    done = subprocess.run(
        [sys.executable, "-I", "-c", without + script], capture_output=True, text=True, check=True
    )
    return done.stdout.rstrip("\n")


@pytest.mark.parametrize("ask", ["12 Film stars", "A long one, " * 30])
def test_the_lines_of_the_manual_write_the_same(run: dict[str, Path], ask: str) -> None:
    folder, code = run["quantize"] / "out", lines_of_the_manual("serve text/generation")
    assert said_by_the_manual(folder, ask, code) == package.load(folder, NAME)(ask)
    assert len(code.splitlines()) <= 34


def test_the_manual_draws_by_chance_as_we_do(run: dict[str, Path]) -> None:
    folder, ask = run["quantize"] / "out", "12 Film stars"
    code = lines_of_the_manual("serve text/generation").replace(
        'int(found["logits"][0].argmax())', 'choose(found["logits"][0])'
    )
    first, rest = code.split("\n", 1)
    said = said_by_the_manual(folder, ask, f"{first}\n{lines_of_the_manual('choose')}\n{rest}")
    drawn = FolderWriter(folder, folder / "model.onnx").stream(ask, graph_writer.drawn(0.7, 0.9, 0))
    assert said == "".join(drawn).strip()


def test_answers_stream_in_parts(run: dict[str, Path]) -> None:
    folder = run["quantize"] / "out"
    writer = FolderWriter(folder, folder / "model.onnx")
    whole = writer.write(["12 Film stars"])[0].text
    assert "".join(writer.stream("12 Film stars")).strip() == whole


def test_the_student_is_a_plain_checkpoint(run: dict[str, Path]) -> None:
    script = (
        "import sys, torch; from transformers import AutoModelForCausalLM as A;"
        "m = A.from_pretrained(sys.argv[1], local_files_only=True, dtype=torch.float32).eval();"
        "print(float(m(input_ids=torch.tensor([[5, 9, 7, 30]])).logits.double().sum()), len(m.model.layers))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script, str(run["distill"] / "out")],
        capture_output=True,
        text=True,
        check=True,
    )
    total, layers = done.stdout.split()
    model = checkpoint.load_model(run["distill"] / "out", load_kind(NAME), torch.device("cpu"))
    with torch.inference_mode():
        here = model(input_ids=torch.tensor([[5, 9, 7, 30]])).logits.double().sum()
    assert float(total) == pytest.approx(float(here), abs=1e-6)
    assert int(layers) == 2


def test_the_benchmark_tells_texts_and_times(run: dict[str, Path], tmp_path: Path) -> None:
    home = {name: place / "out" for name, place in run.items()}
    inputs = benchmark.Inputs(
        home["ingest"], home["finetune"], home["prune"], home["distill"], home["quantize"]
    )
    few = {"resamples": 100, "latency_inputs": 2, "rounds": 3, "batch": 4, "split": "test"}
    found = stage.run("benchmark", inputs, tmp_path, **writers.VALUES, **few)
    figures, timings = found.figures, found.timings
    assert figures["measured"]["headline"] == "rouge_l"
    assert figures["teacher"].keys() >= {"rouge_1", "chrf", "bleu", "exact_match", "word_f1", "traits"}
    assert "ece" not in figures["final"]
    assert figures["final"]["agreement"] == pytest.approx(figures["distilled"]["agreement"])
    nats = [figures[name]["likelihood"]["nats_per_row"] for name in ("final", "distilled", "teacher")]
    assert nats[0] == pytest.approx(nats[1], abs=0.01) != nats[2]
    assert timings["final"]["latency_ms"].keys() >= {"answer_1_thread", "first_piece_1_thread"}
    assert timings["final"]["pieces"]["of_an_answer"] > 1
    page = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "| variant | length | empty | repeated | copied | longest copy | not ended |" in page
    assert "## Best answers" in page
    assert "## How likely the right answers are" in page
    assert "ms per piece" in page
    kept = tables.read(tmp_path / "out" / "predictions.parquet")
    assert all(isinstance(row["final"], str) for row in kept)
    said = {row["label"] for row in tables.read(home["ingest"] / "train.parquet")}
    assert {row["nearest"] for row in kept} <= said
    assert "nearest" not in timings
    assert f"| nearest | {figures['nearest']['rouge_l']:.3f} [" in page
    for name, content in {"metrics.json": figures, "timings.json": timings}.items():
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    assert "speedup" not in summary.figures(tmp_path)["variants"]["nearest"]
    assert "nearest" in summary.of(tmp_path.parent, Path(tmp_path.name))


@pytest.mark.slow
@pytest.mark.parametrize("name", decoders.CONFIGS)
def test_every_architecture_goes_all_the_way(name: str, tmp_path: Path) -> None:
    place = made(tmp_path, name)
    answer = package.load(place["quantize"] / "out", NAME)
    assert isinstance(answer("12 Film stars"), str)
