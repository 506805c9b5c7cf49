"""A job holds what the student was made of, and never the test rows."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.peers import job as jobs
from benchmarks.peers.field import ROOT
from tasks.core import params, stages, tables
from tasks.kinds.base.kind import known_kinds
from tests import tiny


def test_a_job_has_labelled_rows_and_the_texts_that_the_teacher_labelled(tmp_path: Path) -> None:
    ingest = tiny.ingest_out(tmp_path / "ingest" / "out", train=20, validation=10, test=10, unlabelled=50)
    splits = {name: tables.read(ingest / f"{name}.parquet") for name in ("train", "validation", "test")}
    models = {name: stage.Params for name, stage in stages.load_all().items()}
    checked = params.check(params.read(ROOT / "params.yaml"), models, known_kinds(), only="bbc")["bbc"]
    job = jobs.job(tmp_path, checked)
    assert job["train"] == [row["text"] for row in splits["train"]]
    assert [job["labels"][number] for number in job["train_labels"]] == [
        row["label"] for row in splits["train"]
    ]
    assert len(job["validation"]) == len(job["validation_labels"]) == 10
    assert job["calibration"] == job["train"]
    assert sorted(job["pool"]) == sorted(tiny.pool(50))
    assert (job["pretrained"], job["ingest"]) == (str(tmp_path / "pretrain" / "out"), str(ingest))
    told = json.dumps(job)
    unseen = {row["text"] for row in splits["test"]} - {*job["train"], *job["validation"], *job["pool"]}
    assert unseen
    assert not [text for text in unseen if json.dumps(text) in told]
