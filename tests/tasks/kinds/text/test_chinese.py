"""Chinese goes all the way.

Titles without spaces, a tokenizer of characters, labels that the font of a plot may not have.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.benchmark import stage as benchmark
from tasks.core import tables
from tasks.distill import stage as distill
from tasks.export import package
from tasks.finetune import stage as finetune
from tasks.ingest import stage as ingest
from tasks.kinds.base import fast_tokenizer
from tasks.kinds.text.common import texts
from tasks.prune import stage as prune
from tasks.quantize import stage as quantize
from tests import tiny
from tests.tasks import stage

FIELDS = {
    "历史学": (["唐代", "明清", "民国", "秦汉"], ["制度", "史料", "货币", "边疆"]),
    "工学": (["机器人", "桥梁", "电网", "激光"], ["控制", "优化设计", "故障诊断", "仿真"]),
    "医学": (["糖尿病", "肿瘤", "儿童哮喘", "心血管"], ["临床疗效", "护理", "影像诊断", "药物治疗"]),
}
FORMS = ["{}{}研究", "论{}的{}", "基于数据的{}{}分析", "{}与{}的关系", "近十年{}{}综述"]


def titles() -> Iterator[tuple[str, str]]:
    for label, (things, aspects) in FIELDS.items():
        for thing, aspect, form in itertools.product(things, aspects, FORMS):
            yield form.format(thing, aspect), label


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run as of the recipe `csl`, on a tiny random model."""
    home = tmp_path_factory.mktemp("chinese")
    (home / "raw").mkdir()
    lines = [f"to category\t{title}\t{label}" for title, label in titles()]
    (home / "raw" / "titles.tsv").write_text("\n".join(lines), encoding="utf-8")
    given = {
        "columns": {"text": "2", "label": "3"},
        "header": False,
        "min_rows_per_class": 5,
        "min_test_rows": 20,
        "near_duplicates": 1.0,
    }
    stage.run("ingest", ingest.Inputs(home / "raw"), home / "ingest", **given)
    characters = sorted({sign for title, _ in titles() for sign in title})
    rows = home / "ingest" / "out"
    pretrained = tiny.checkpoint_in(home / "pretrained", tokenizer=tiny.wordpiece(characters))
    long = {"epochs": 30, "patience": 30, "learning_rate": 0.003, "batch_size": 16}
    stage.run("finetune", finetune.Inputs(rows, pretrained), home / "finetune", **long, pool_outputs=0)
    cut = {
        "layers": 2,
        "hidden": 32,
        "ffn": 64,
        "vocabulary": None,
        "measured": {"batches": 2, "batch_size": 4},
    }
    stage.run("prune", prune.Inputs(rows, home / "finetune" / "out"), home / "prune", **cut)
    inputs = distill.Inputs(
        rows, home / "prune" / "out", home / "finetune" / "outputs", home / "finetune" / "out"
    )
    stage.run("distill", inputs, home / "distill", **{**long, "epochs": 5}, pool=0)
    stage.run(
        "quantize", quantize.Inputs(rows, home / "distill" / "out"), home / "quantize", min_agreement=0.5
    )
    outs = [home / name / "out" for name in ("finetune", "prune", "distill", "quantize")]
    stage.run(
        "benchmark",
        benchmark.Inputs(rows, *outs),
        home / "benchmark",
        resamples=100,
        rounds=3,
        latency_inputs=3,
    )
    return home


@pytest.mark.slow
def test_titles_are_learned_character_by_character(home: Path) -> None:
    tokenizer = fast_tokenizer.load(home / "prune" / "out")
    assert tokenizer.tokenize("唐代货币") == ["唐", "代", "货", "币"]
    header, *epochs = (home / "finetune" / "plots" / "learning.csv").read_text().splitlines()
    assert max(float(line.split(",")[header.split(",").index("quality")]) for line in epochs) > 0.8


@pytest.mark.slow
def test_labels_stand_in_reports_and_tables_as_they_are(home: Path) -> None:
    report = (home / "benchmark" / "report" / "report.md").read_text(encoding="utf-8")
    plot = (home / "benchmark" / "plots" / "confusion.csv").read_text(encoding="utf-8")
    assert json.loads((home / "quantize" / "out" / "labels.json").read_text(encoding="utf-8")) == sorted(
        FIELDS
    )
    assert all(label in report and label in plot for label in FIELDS)


@pytest.mark.slow
def test_the_folder_that_ships_answers_in_chinese(home: Path) -> None:
    answer = package.load(home / "quantize" / "out", "text/classification")
    rows = tables.read(home / "ingest" / "out" / "test.parquet")
    told = [answer(row["text"]).split("\t") for row in rows]
    assert [text for _, _, text in told] == [row["text"] for row in rows]
    assert sum(label == row["label"] for (label, _, _), row in zip(told, rows, strict=True)) > 0.8 * len(rows)


def test_unlabelled_text_is_cut_by_characters() -> None:
    text = "制度变迁与货币流通。明清时期的白银问题！第三句"
    assert texts.pieces_of(text, 100) == ["制度变迁与货币流通。", "明清时期的白银问题！", "第三句"]
    assert texts.pieces_of("制度变迁与货币流通。", 5) == ["制度变迁与", "货币流通。"]
