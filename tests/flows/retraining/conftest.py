"""What the tests of retraining have in common.

A policy that asks little, the rules of a run on headlines, drops to be read.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from flows.judging import answers
from flows.judging.answers import Shipped
from flows.retraining.arrivals import drops, inbox
from flows.retraining.arrivals.drops import Rules
from flows.retraining.policy import Policy
from tasks.kinds.base.kind import load_kind
from tests import smoke, tiny
from tests.tasks import stage

POLICY = """\
settle_seconds: 0
min_new_rows: 20
largest_file: 10.0
unseen_labels: refuse
map_labels: {}
on_shift: refuse
max_label_shift: 0.4
max_length_shift: 0.4
max_content_shift: 0.9
max_surprise: 0.3
start: pretrained
seeds: 1
margin: 0.01
promote_if: better
max_class_fall: 1.0
max_slowdown: 100
max_growth: 2.0
publish: main
push: true
card: {intended_use: tests, limits: everything, data_licence: as the corpus, model_licence: none}
"""
KIND = "text/classification"
LEARNED = 650
"""Articles from the first on that the rows of `models` are made of, splits together."""
SHUFFLED = 7
"""A step through the articles, which stand in the order of their headlines' letters, that is prime to their
number."""


def policy(**changed: Any) -> Policy:
    return Policy.model_validate({**YAML(typ="safe").load(POLICY), **changed})


def articles(start: int, count: int, beyond: int = 0) -> list[dict[str, str]]:
    """Some of the corpus from article `beyond` on, in no order; no two calls with ranges apart share one."""
    found = tiny.articles()[beyond:]
    return [found[number * SHUFFLED % len(found)] for number in range(start, start + count)]


def write_csv(file: Path, rows: Sequence[dict[str, str]]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["headline", "desk", "body"])
        writer.writeheader()
        writer.writerows(rows)
    return file


@pytest.fixture
def rules() -> Rules:
    run = YAML(typ="safe").load(smoke.PARAMS)["runs"]["smoke"]
    return drops.rules_of(load_kind(run["kind"]), run, policy())


def reading_of(path: Path, rules: Rules, tmp_path: Path, largest: float = 1e9) -> drops.Reading:
    (drop,), _ = inbox.look(path.parent, 0)
    staging = tmp_path / "staging"
    staging.mkdir()
    return drops.read(drop, rules, largest, staging)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Shipped]:
    """One that has learned nothing and one that has learned something, as they ship."""
    from tasks.finetune import stage as finetune
    from tasks.quantize import stage as quantize

    home = tmp_path_factory.mktemp("models")
    ingest, pretrained = tiny.ingest_out(home / "ingest", train=600), tiny.checkpoint_in(home / "pretrained")
    found = {}
    for name, changed in {
        "dull": {"epochs": 1, "learning_rate": 1e-5},
        "keen": {"epochs": 8, "learning_rate": 0.001},
    }.items():
        given: dict[str, Any] = {
            "batch_size": 16,
            "freeze": "none",
            "pool_outputs": 0,
            "patience": 8,
            **changed,
        }
        stage.run("finetune", finetune.Inputs(ingest, pretrained), home / name, **given)
        inputs = quantize.Inputs(ingest, home / name / "out")
        stage.run(
            "quantize", inputs, home / name / "shipped", format="fp32", max_difference=1e-3, min_agreement=0.5
        )
        found[name] = answers.shipped(home / name / "shipped" / "out", KIND)
    return found
