"""Rows out of fold.

Each once, none of the test split, and nothing of a fold's articles among what its student learns from.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import folds
from tasks.core import params, tables
from tasks.core.errors import ParamsError
from tasks.ingest import stage as ingest
from tasks.kinds.base.kind import load_kind
from tests import tiny
from tests.tasks import stage

FOLDS = 3


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in tiny.articles()[:240])
    (folder / "articles.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def ingested(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("ingest")
    stage.run("ingest", ingest.Inputs(raw), home, min_test_rows=2)
    return home / "out"


def places(rows: Any) -> set[tuple[str, int]]:
    return {(row["file"], row["line"]) for row in rows}


def test_every_row_but_the_test_rows_is_in_one_fold_with_its_class_spread(ingested: Path) -> None:
    dealt = folds.deal(ingested, FOLDS)
    of_split = {
        split: tables.read(ingested / f"{split}.parquet") for split in ("train", "validation", "test")
    }
    known = {
        (row["file"], row["line"]): row["label"]
        for split in ("train", "validation")
        for row in of_split[split]
    }
    assert sum(map(len, dealt)) == len(known)
    assert set[tuple[str, int]]().union(*dealt) == set(known)
    counts = [Counter(known[place] for place in fold) for fold in dealt]
    assert all(
        max(each) - min(each) <= 4
        for each in zip(*([one[label] for label in tiny.LABELS] for one in counts), strict=True)
    )
    assert not set(known) & places(of_split["test"])


def test_fold_is_measured_and_its_articles_teach_nothing(raw: Path, ingested: Path, tmp_path: Path) -> None:
    dealt = folds.deal(ingested, FOLDS)
    folds.write_rows(raw, True, dealt, 1, tmp_path / "raw")
    read = [
        json.loads(line)
        for line in (tmp_path / "raw" / "rows.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    assert len(read) == sum(map(len, dealt))
    values = folds.with_folds(params_of(), "bbc", FOLDS, {})["runs"]["fold-1"]["ingest"]
    stage.run("ingest", ingest.Inputs(tmp_path / "raw"), tmp_path / "out", **values)
    measured = {row["text"] for row in tables.read(tmp_path / "out" / "out" / "test.parquet")}
    assert measured == {row["headline"] for row in read if row[folds.SIDE] == "test"}
    pool = {row["text"] for row in tables.read(tmp_path / "out" / "out" / "pool.parquet")}
    bodies = " ".join(" ".join(row["body"].split()) for row in read if row[folds.SIDE] == "test")
    others = " ".join(" ".join(row["body"].split()) for row in read if row[folds.SIDE] == "train")
    assert not [text for text in pool if text in bodies and text not in others]


def params_of() -> dict[str, Any]:
    return {"runs": params.read(stage.ROOT / "params.yaml")}


def test_values_in_place_of_those_of_the_run_and_a_fault_for_each_that_is_none() -> None:
    changed = folds.with_folds(
        params_of(), "bbc", 2, {"prune.layers": 2, "prune.word_rank": 64, "threads": 1}
    )["runs"]
    found = [
        (run["prune"]["layers"], run["prune"]["word_rank"], run["threads"], run["ingest"]["split"])
        for run in changed.values()
    ]
    assert found == [(2, 64, 1, "given")] * 2
    with pytest.raises(
        ParamsError, match=r"3 faults\n.*prune\.layer\b.*\n.*no\.such.*\n.*threads\.word_rank"
    ):
        folds.with_folds(params_of(), "bbc", 2, {"prune.layer": 2, "no.such": 1, "threads.word_rank": 8})


def test_change_is_read_as_yaml() -> None:
    assert [folds.change(text) for text in ("a.b=2", "a.b=0.5", "a.b=int4")] == [
        ("a.b", 2),
        ("a.b", 0.5),
        ("a.b", "int4"),
    ]


def test_pooled_figures_are_those_of_all_rows_together(tmp_path: Path) -> None:
    chance, labels, files = np.random.default_rng(0), ["a", "b"], []
    for number, rows in enumerate((30, 50)):
        right = chance.integers(0, 2, rows)
        wrong = {name: chance.random(rows) < 0.1 + 0.05 * at for at, name in enumerate(folds.SHOWN)}
        columns: dict[str, Any] = {
            "id": [str(row) for row in range(rows)],
            "label": [labels[one] for one in right],
        }
        columns |= {name: list(np.eye(2)[np.where(flip, 1 - right, right)]) for name, flip in wrong.items()}
        files.append(tmp_path / f"{number}.parquet")
        pq.write_table(pa.table(columns), files[-1])
    found = folds.pooled(files, labels, load_kind("text/classification"), 200, 0)
    tabled = [row for file in files for row in pq.read_table(file).to_pylist()]
    accuracy = np.mean([labels[int(np.argmax(row["final"]))] == row["label"] for row in tabled])
    assert found["rows"] == 80
    assert found["variants"]["final"]["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert len(found["shares"]) == 2
    assert "| final | " in folds.table(found)
