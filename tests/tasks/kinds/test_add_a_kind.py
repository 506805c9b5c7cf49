"""The kind of docs/add-a-kind.md, as written there: one file, from raw data to the answer of a shipped
folder, while the stages of other runs depend on none of it."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import tasks.kinds.text
from tasks.core import tables
from tasks.distill import stage as distill
from tasks.finetune import stage as finetune
from tasks.ingest import stage as ingest
from tasks.kinds.base.kind import load_kind
from tasks.prune import stage as prune
from tasks.quantize import stage as quantize
from tests import tiny
from tests.tasks import stage
from tests.tasks.conftest import QUICK

ROOT = Path(__file__).resolve().parents[3]
NAME = "text/rating"
COMMON = {"kind": NAME, "options": {}}


@pytest.fixture
def rating(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The page's folder, where Python finds it beside the real kinds."""
    page = (ROOT / "docs" / "add-a-kind.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"<!-- toy kind -->\n```python\n(.*?)```", page, re.DOTALL)
    folder = tmp_path / "kinds" / "rating"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text('"""Texts and ratings."""\n')
    (folder / "kind.py").write_text(code)
    assert f"two files and {len(code.splitlines()) + 1} lines" in page
    here = [*tasks.kinds.text.__path__, str(folder.parent)]
    monkeypatch.setattr(tasks.kinds.text, "__path__", here)
    importlib.invalidate_caches()
    yield
    for name in [name for name in sys.modules if name.startswith("tasks.kinds.text.rating")]:
        del sys.modules[name]


def raw(folder: Path) -> Path:
    """Headlines with the number of their desk as a rating, 1 to 5."""
    folder.mkdir()
    rows = [
        {"review": row["headline"], "stars": str(1 + tiny.LABELS.index(row["desk"]))}
        for row in tiny.articles()[:150]
    ]
    (folder / "reviews.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return folder


@pytest.mark.usefixtures("rating")
def test_the_pages_kind_goes_from_raw_data_to_a_shipped_answer(tmp_path: Path) -> None:
    from tasks.benchmark import metrics
    from tasks.export import package
    from tasks.models import inference

    few = {"min_rows_per_class": 3, "min_test_rows": 5, "split": "sticky", "validation": 0.2, "test": 0.2}
    columns = {"text": "review", "label": "stars"}
    home = {name: tmp_path / name for name in ("ingest", "finetune", "prune", "distill", "quantize")}
    rows = ingest.Inputs(raw(tmp_path / "raw"))
    stage.run("ingest", rows, home["ingest"], **COMMON, **few, columns=columns)
    ingested, teacher = home["ingest"] / "out", home["finetune"] / "out"
    labels = json.loads((ingested / "labels.json").read_text())
    assert labels == ["1", "2", "3", "4", "5"]
    start = finetune.Inputs(ingested, tiny.checkpoint_in(tmp_path / "pretrained"))
    found = stage.run("finetune", start, home["finetune"], **COMMON, **QUICK, pool_outputs=5)
    assert found.figures["validation"].keys() >= {"within_one", "accuracy"}
    sizes = {"layers": 2, "hidden": 32, "ffn": 64, "vocabulary": 800, "batches": 2, "batch_size": 4}
    stage.run("prune", prune.Inputs(ingested, teacher), home["prune"], **COMMON, **sizes)
    learnt = distill.Inputs(ingested, home["prune"] / "out", home["finetune"] / "outputs", teacher)
    stage.run("distill", learnt, home["distill"], **COMMON, **QUICK, pool=0, repeats=1)
    shipping = quantize.Inputs(ingested, home["distill"] / "out")
    stage.run("quantize", shipping, home["quantize"], **COMMON, format="fp32", min_agreement=1.0)

    kind, test = load_kind(NAME), tables.read(ingested / "test.parquet")
    line = package.load(home["quantize"] / "out", NAME)(test[0]["text"])
    assert re.fullmatch(rf"[1-5]\t[01]\.\d+\t{re.escape(test[0]['text'])}", line)
    truth = inference.truth_of([{"labels": [labels.index(row["label"])]} for row in test], labels)
    fitted = kind.quality.baseline(tables.read(ingested / "train.parquet"), labels, 0).predict(test)
    given = dict.fromkeys(("baseline", "teacher", "final"), fitted)
    figures = metrics.quality(kind, given, truth, 200, seed=0)["final"]
    assert figures["accuracy"] <= figures["within_one"] <= figures["within_one_high"]
    assert figures["accuracy"] == pytest.approx(np.mean(fitted.argmax(1) == truth.labels))


def test_no_stage_of_another_run_depends_on_a_new_folder() -> None:
    graph = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    listed = {line.strip("- ") for line in graph.splitlines() if "- tasks/kinds" in line}
    assert listed == {
        "tasks/kinds/${item.kind}",
        "tasks/kinds/${item.kind}/../common",
        "tasks/kinds/base",
    }
