"""The contract every kind keeps: encode, forward, score, prune, reload, export, answer."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.benchmark import stage as benchmark
from tasks.finetune import stage as finetune
from tasks.kinds.base.kind import decisions, known_kinds, load_kind
from tasks.kinds.text.common import words
from tasks.prune import stage as prune
from tasks.quantize import stage as quantize
from tests import tiny
from tests.tasks import stage
from tests.tasks.conftest import QUICK

NO_SIZES = dict.fromkeys(("layers", "hidden", "ffn", "vocabulary", "depths", "widths"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in known_kinds() if not load_kind(name).generation])
def test_kind_goes_all_the_way(name: str, tmp_path: Path) -> None:
    import torch

    from tasks.core import tables
    from tasks.export import package
    from tasks.models import checkpoint, inference

    given = {"kind": name, "options": tiny.OPTIONS[name]}
    ingest, pretrained = (
        tiny.ingest_out(tmp_path / "ingest", kind=name),
        tiny.pretrained_for(name, tmp_path / "pretrained"),
    )
    stage.run(
        "finetune",
        finetune.Inputs(ingest, pretrained),
        tmp_path / "finetune",
        **given,
        **QUICK,
        freeze="none",
        pool_outputs=10,
    )
    sizes = {**NO_SIZES, **tiny.CUT[name], "measured": {"batches": 2, "batch_size": 4}}
    stage.run(
        "prune", prune.Inputs(ingest, tmp_path / "finetune" / "out"), tmp_path / "prune", **given, **sizes
    )

    kind, labels = load_kind(name), checkpoint.label_names(ingest)
    processor = kind.model.load_processor(tmp_path / "prune" / "out")
    rows = tables.read(ingest / "validation.parquet")
    student = checkpoint.load_model(tmp_path / "prune" / "out", kind, torch.device("cpu"))
    features = kind.model.encode(processor, rows, labels, 32)
    logits, truth = inference.forward(student, kind, processor, features)
    assert logits.shape == (sum(decisions(one) for one in features), len(labels))
    assert torch.isfinite(
        kind.model.loss(logits, truth, 0.1, kind.options.model_validate(given["options"]), None)
    )
    figures = inference.figures(student, kind, processor, features, labels, "fp32")
    assert 0 <= figures[kind.quality.headline] <= 1
    right = inference.truth_of(features, labels)
    statistics = kind.quality.statistics(right.labels, right)
    assert len(statistics) == len(rows)
    assert kind.quality.figures(statistics).keys() == figures.keys()
    assert kind.quality.measure(right.labels, right)[kind.quality.headline] == 1
    if kind.quality.categories:
        assert statistics.shape[1] == 3 * len(kind.quality.category_names(labels))
        assert len(kind.quality.categories.coarse(labels)) == len(labels)

    linear = kind.quality.baseline(tables.read(ingest / "train.parquet"), labels, 0)
    assert linear.predict(rows).shape == logits.shape
    np.testing.assert_allclose(linear.predict(rows).sum(1), 1, atol=1e-6)

    stage.run(
        "quantize",
        quantize.Inputs(ingest, tmp_path / "prune" / "out"),
        tmp_path,
        kind=name,
        options=tiny.OPTIONS[name],
        format="fp32",
        max_difference=1e-4,
        min_agreement=1.0,
    )
    graph, request = (
        package.session(tmp_path / "out" / "model.onnx", threads=1),
        kind.package.request(tmp_path / "out"),
    )
    answers = np.concatenate([package.logits(graph, request, kind.package.raw_input(row)) for row in rows])
    np.testing.assert_allclose(answers, logits.detach().numpy(), atol=1e-4)
    answer = package.load(tmp_path / "out", name)
    told = {row["id"]: answer(kind.package.raw_input(row)) for row in rows}
    row = next(row for row in rows if "\t" in told[row["id"]] or "](" in told[row["id"]])
    _lines_of_the_manual_answer(name, tmp_path, row, told[row["id"]])
    if kind.package.lengths:
        facts = tmp_path / "out" / "preprocessing.json"
        before = facts.read_text()
        facts.write_text(
            before.replace(json.dumps(words.PATTERNS["white_space"]), json.dumps(words.PATTERNS["unicode"]))
        )
        answer = package.load(tmp_path / "out", name)
        for odd in ODD:
            text = odd.format(row["text"])
            _lines_of_the_manual_answer(name, tmp_path, {"text": text}, answer(text))
        facts.write_text(before)
    _report_tells_the_worst_errors(name, tmp_path)


ODD = ["", "{0} \ufe0f \u200b {0}", "{0}, {0}! " * 40, "cafe\u0301 {0}"]
"""Texts that are empty, hold words without pieces, are longer than the model reads, are decomposed."""


def _report_tells_the_worst_errors(name: str, home: Path) -> None:
    from tasks.core import tables

    student = home / "prune" / "out"
    inputs = benchmark.Inputs(home / "ingest", home / "finetune" / "out", student, student, home / "out")
    few = {"resamples": 100, "latency_inputs": 2, "rounds": 3, "batch": 4}
    stage.run("benchmark", inputs, home / "benchmark", kind=name, options=tiny.OPTIONS[name], **few)
    folder = home / "benchmark" / "report"
    shown = load_kind(name).report.shown(tables.read(home / "ingest" / "validation.parquet")[0])
    told = (folder / "report.md").read_text(encoding="utf-8").split("## Worst errors")[1].split("## ")[0]
    assert 3 <= told.count("\n| ") <= 22
    assert (folder / "mistakes.png").exists() == isinstance(shown, np.ndarray) == ("(mistakes.png)" in told)
    padded = "padded" in (home / "benchmark" / "report" / "report.md").read_text(encoding="utf-8")
    assert padded == load_kind(name).package.lengths


def _lines_of_the_manual_answer(name: str, home: Path, row: Mapping[str, Any], answer: str) -> None:
    """What docs/ship.md shows does what we do, and needs neither torch nor transformers."""
    manual = (stage.ROOT / "docs" / "ship.md").read_text(encoding="utf-8")
    code = re.search(rf"<!-- serve {name} -->\n```python\n(.*?)```", manual, re.DOTALL)
    assert code is not None
    (home / "cell.png").write_bytes(row.get("image", b""))
    script = re.sub(r"data/\w+/quantize/out", str(home / "out"), code.group(1)).replace(
        "cell.png", str(home / "cell.png")
    )
    script = script.replace('"Film stars gather for the Oscars"', repr(row.get("text", "")))
    without = "import sys; sys.modules.update(dict.fromkeys(['torch', 'transformers', 'tasks']))\n"
    done = subprocess.run(
        [sys.executable, "-I", "-c", without + script], capture_output=True, text=True, check=True
    )
    entities = [f"{kind} {words}" for words, kind in re.findall(r"\[(.+?)\]\((\S+) [\d.]+\)", answer)]
    label = [answer.partition("\t")[0]] if "\t" in answer else []
    assert done.stdout.split("\n")[:-1] == (entities or label)
