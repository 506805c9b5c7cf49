"""One trial: what it measures, when it is given up, and that the test rows are none of its business."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.searching import inputs, policy, trial
from flows.searching.job import COMPLETE, FAILED, GIVEN_UP, Result, StudentJob
from flows.searching.measure import Bench
from tasks.benchmark import metrics
from tasks.benchmark.forms.variants import Setting, Source, open_variant
from tasks.core import tables
from tasks.core.errors import DataError
from tasks.distill import stage as distill
from tasks.export.package import softmax
from tasks.kinds.base.kind import load_kind
from tasks.kinds.base.rows import Truth
from tasks.models import outputs
from tasks.prune import stage as prune
from tasks.quantize import stage as quantize
from tests.flows.searching.conftest import MEASURED, RECOVERY, RUN, SIZES
from tests.tasks import stage

EASY = "quality >= 1% of teacher, then least latency"
HASTY = "speedup >= 100000 x, then best quality"


@pytest.fixture
def asked(with_teacher: Path, section: dict[str, Any], request: pytest.FixtureRequest) -> StudentJob:
    """A job that may be given up; its folder is the test's own."""
    return StudentJob(
        number=1,
        run=RUN,
        values={},
        params=section,
        folder=f"scratch/{request.node.name}/one",
        inputs=inputs.hashes(with_teacher, RUN),
        budget=EASY,
        rungs=(0.25,),
        rung_slack=0.1,
        bars={},
        speeds={},
        teacher_ms=10.0,
    )


def made(root: Path, job: StudentJob) -> list[str]:
    return sorted(path.name for path in (root / job.folder).iterdir())


@pytest.fixture(scope="module")
def complete(with_teacher: Path, section: dict[str, Any]) -> Result:
    hashes = inputs.hashes(with_teacher, RUN)
    return trial.run(
        StudentJob(0, RUN, {}, section, "scratch/complete/one", hashes, EASY, (0.25,), 0.1, {}, {}, None),
        with_teacher,
    )


def test_a_complete_trial_tells_quality_size_speed_and_cost(complete: Result) -> None:
    assert complete.state == COMPLETE, complete.reason
    own = complete.figures
    assert own["quality_low"] <= own["quality"] <= own["quality_high"]
    assert 0 < own["divergence"] < 10
    assert own["bytes"] > 10_000
    assert own["cost"] > 1e6
    assert own["latency"] == pytest.approx(own["teacher_ms"] / own["speedup"], rel=1e-3)
    assert list(own["rungs"]) == ["0.25"]


def test_a_static_student_is_one_more_choice(
    complete: Result, asked: StudentJob, with_teacher: Path, section: dict[str, Any]
) -> None:
    """Beside sizes of layers, which then have no effect."""
    choices: dict[str, list[Any]] = {
        "prune.static": [None, {"width": 16, "hidden": 24}],
        "quantize.embeddings": ["as_format", "int8"],
    }
    run = policy.with_values(section, {"prune.static": None})
    assert policy._faults_of_choices("space", "prune.static", choices["prune.static"], run, ["prune"]) == []
    chosen = {key: values[1] for key, values in choices.items()}
    made = trial.run(replace(asked, params=policy.with_values(run, chosen)), with_teacher)
    assert made.state == COMPLETE, made.reason
    assert 0 < made.figures["cost"] < complete.figures["cost"]
    assert made.figures["bytes"] < complete.figures["bytes"]


def test_the_folder_of_a_trial_holds_no_test_rows(complete: Result, with_teacher: Path) -> None:
    """The stages ran on what is linked there; in the checkout itself the test rows are no table."""
    assert complete.state == COMPLETE
    linked = sorted(
        path.name for path in (with_teacher / "scratch" / "complete" / "one" / "ingest" / "out").iterdir()
    )
    assert linked == ["labels.json", "pool.parquet", "train.parquet", "validation.parquet"]


def test_what_no_clock_had_a_hand_in_comes_out_the_same_again(
    complete: Result, asked: StudentJob, with_teacher: Path
) -> None:
    again = trial.run(asked, with_teacher)
    same = ("quality", "divergence", "agreement", "cost", "bytes", "shape", "rungs")
    assert {name: again.figures[name] for name in same} == {name: complete.figures[name] for name in same}


def test_the_share_is_that_of_the_benchmark(
    complete: Result, with_teacher: Path, section: dict[str, Any]
) -> None:
    home = with_teacher / "scratch" / "complete" / "one"
    bench = Bench(
        home / "ingest" / "out",
        home / "finetune" / "out",
        home / "finetune" / "outputs",
        stage.checked("benchmark", **MEASURED),
    )
    kind, rows = load_kind(section["kind"]), tables.read(home / "ingest" / "out" / "validation.parquet")
    truth = Truth(np.array([bench.labels.index(row["label"]) for row in rows]), [1] * len(rows), bench.labels)
    setting = Setting(section["kind"], bench.labels, 32, 8, 0, "cpu")
    shipped = open_variant(Source("final", "onnx", home / "quantize" / "out"), setting).predict(rows)
    teacher = softmax(outputs.read(home / "finetune" / "outputs" / "validation.safetensors").logits)
    told = metrics.quality(
        kind,
        {"baseline": teacher, "teacher": teacher, "final": shipped},
        truth,
        MEASURED["resamples"],
        section["seed"],
    )
    ratio = {f"quality{bound}": told["final"][f"quality_ratio{bound}"] for bound in ("", "_low", "_high")}
    assert {name: complete.figures[name] for name in ratio} == pytest.approx(ratio, abs=2e-6)
    assert complete.figures["agreement"] == told["final"]["agreement"]


def test_a_trial_makes_what_the_stages_make(complete: Result, with_teacher: Path, tmp_path: Path) -> None:
    """To the byte, so that its figures hold of what `dvc repro` makes of the winner's values."""
    home = with_teacher / "data" / RUN
    stage.run(
        "prune", prune.Inputs(home / "ingest" / "out", home / "finetune" / "out"), tmp_path / "prune", **SIZES
    )
    objective = distill.Inputs(
        home / "ingest" / "out",
        tmp_path / "prune" / "out",
        home / "finetune" / "outputs",
        home / "finetune" / "out",
    )
    stage.run("distill", objective, tmp_path / "distill", **RECOVERY)
    shipped = quantize.Inputs(home / "ingest" / "out", tmp_path / "distill" / "out")
    stage.run("quantize", shipped, tmp_path / "quantize", min_agreement=0.0)
    made = with_teacher / "scratch" / "complete" / "one" / "quantize" / "out"
    assert complete.state == COMPLETE
    assert stage.contents(made) == stage.contents(tmp_path / "quantize" / "out")


def test_a_shape_that_was_timed_is_not_timed_again(
    complete: Result, asked: StudentJob, with_teacher: Path
) -> None:
    known = {"speedup": 40.0, "speedup_quartile_1": 39.0, "speedup_quartile_3": 41.0, "teacher_ms": 20.0}
    done = trial.run(replace(asked, speeds={complete.figures["shape"]: known}), with_teacher)
    assert (done.figures["speedup"], done.figures["latency"]) == (40.0, 0.25)


def test_too_slow_a_student_is_given_up_before_it_learns(asked: StudentJob, with_teacher: Path) -> None:
    done = trial.run(replace(asked, budget=HASTY), with_teacher)
    assert (done.state, done.reason) == (GIVEN_UP, "before recovery: speedup >= 100000 x cannot be kept")
    assert "speedup" in done.figures
    assert "distill" not in made(with_teacher, asked)
    assert "rung-0.25" not in made(with_teacher, asked)


def test_the_first_trial_is_never_given_up(
    complete: Result, with_teacher: Path, section: dict[str, Any]
) -> None:
    known = {complete.figures["shape"]: {name: complete.figures[name] for name in ("speedup", "teacher_ms")}}
    bars = {"0.25": [[0.0, 0.0]]}
    hashes = inputs.hashes(with_teacher, RUN)
    job = StudentJob(0, RUN, {}, section, "scratch/first/one", hashes, HASTY, (0.25,), 0.1, bars, known, None)
    assert trial.run(job, with_teacher).state == COMPLETE


def test_a_rung_gives_up_what_a_cheaper_student_was_nearer_at(asked: StudentJob, with_teacher: Path) -> None:
    done = trial.run(replace(asked, bars={"0.25": [[1.0, 1e-6]]}), with_teacher)
    assert done.state == GIVEN_UP
    assert done.reason.startswith("after 25% of the recovery: divergence 0.")
    assert "distill" not in made(with_teacher, asked)


def test_a_dearer_student_gives_up_none(asked: StudentJob, with_teacher: Path) -> None:
    assert trial.run(replace(asked, bars={"0.25": [[1e12, 1e-6]]}), with_teacher).state == COMPLETE


def test_a_rung_is_a_share_of_the_transfer_set(asked: StudentJob, with_teacher: Path) -> None:
    trial.run(asked, with_teacher)
    rung, whole = (
        json.loads((with_teacher / asked.folder / name / "metrics.json").read_text())
        for name in ("rung-0.25", "distill")
    )
    assert (rung["transfer_set"], whole["transfer_set"]) == (60 + 5, 60 + 20)


def test_values_that_make_no_student_fail_with_the_reason(asked: StudentJob, with_teacher: Path) -> None:
    done = trial.run(
        replace(asked, params=policy.with_values(asked.params, {"prune.layers": 9})), with_teacher
    )
    assert done.state == FAILED
    assert "prune.layers = 9" in done.reason


def test_a_checkout_with_other_bytes_is_refused(asked: StudentJob, with_teacher: Path) -> None:
    wanted = {**asked.inputs, "ingest/out/train.parquet": "0" * 64, "finetune/out/gone": "0" * 64}
    with pytest.raises(DataError) as raised:
        inputs.link(with_teacher, RUN, wanted, with_teacher / asked.folder)
    assert "ingest/out/train.parquet is not what the search began with" in str(raised.value)
    assert "finetune/out/gone is missing" in str(raised.value)
