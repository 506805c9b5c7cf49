"""The search for a teacher: what a trial trains and reads, which teacher is taken, and the whole of it as a
command.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flows.searching import inputs, policy
from flows.searching.chain import TEACHER
from flows.searching.job import COMPLETE, FAILED, Job, Result
from flows.searching.study import Tried
from flows.searching.teachers import plan, search, trial
from tasks.core import params
from tasks.core.errors import ParamsError
from tests import smoke
from tests.flows.searching.conftest import RUN
from tests.smoke import attempt, call
from tests.test_smoke import replace as put

RATE, EPOCHS = "finetune.learning_rate", "finetune.epochs"


def tried(number: int, error: float | None, **values: Any) -> Tried:
    if error is None:
        return Tried(number, values, Result(FAILED, "went astray", 3.0))
    return Tried(
        number, values, Result(COMPLETE, "", 30.0, {"headline": 1 - error, "error": error, "epoch": 2})
    )


def test_the_least_error_is_taken_and_the_first_of_equals() -> None:
    few = [tried(0, 0.2), tried(1, None), tried(2, 0.1), tried(3, 0.1)]
    assert search.best_of(few).number == 2
    assert search.best_of(few[:2]).number == 0


def test_the_table_has_the_best_first_and_says_why_one_failed() -> None:
    few = [
        tried(0, 0.2, **{RATE: 0.1}),
        tried(1, None, **{RATE: 9.0}),
        tried(2, 0.1, **{RATE: 0.2}),
    ]
    lines = search.markdown("a|b", few, 2, 63.0).splitlines()
    assert [line.split(" | ")[0] for line in lines if re.match(r"\| \*?\*?\d", line)] == [
        "| **2**",
        "| 0",
        "| 1",
    ]
    assert "3 teachers in 1.1 minutes; taken: 2." in lines[2]
    assert any("went astray" in line for line in lines)


@pytest.fixture(scope="module")
def asked(with_teacher: Path, section: dict[str, Any]) -> Job:
    """To make a teacher in one epoch; of several it is one, and it labels no pool."""
    trained = {**section["finetune"], "epochs": 1, "batch_size": 8, "teachers": 3, "pool_outputs": 30}
    (with_teacher / "data" / RUN / "pretrain").mkdir()
    (with_teacher / "data" / RUN / "pretrain" / "out").symlink_to(with_teacher / "pretrained")
    found = inputs.hashes_for_teacher(with_teacher, RUN)
    return Job(1, RUN, {}, {**section, "finetune": trained}, "scratch/teacher/one", found)


def test_a_trial_trains_one_teacher_and_reads_no_test_rows(with_teacher: Path, asked: Job) -> None:
    assert not any("test" in name for name in asked.inputs)
    result = trial.run(asked, with_teacher)
    assert result.state == COMPLETE, result.reason
    own, made = result.figures, with_teacher / asked.folder / TEACHER
    assert own["error"] == pytest.approx(1 - own["headline"])
    assert own["headline"] == own["macro_f1"]
    assert own["epoch"] == 1
    assert not (with_teacher / asked.folder / "ingest" / "out" / "test.parquet").exists()
    from safetensors import safe_open

    with safe_open(made / "outputs" / "pool.safetensors", "np") as kept:
        assert all(len(kept.get_tensor(name)) == 0 for name in kept.keys())  # noqa: SIM118


def test_what_students_are_does_not_begin_the_search_anew(
    with_teacher: Path, asked: Job, section: dict[str, Any]
) -> None:
    space = {RATE: [section["finetune"]["learning_rate"], 0.5]}
    rules = policy.TeacherPolicy(space=space, trials=2, minutes=1.0)
    committed = policy.read(smoke.REPOSITORY, "bbc")

    def folder_of(**changed: Any) -> Path:
        run = {**section, **changed}
        file = with_teacher / "params.yaml"
        file.write_text(json.dumps({"runs": {RUN: run}}), encoding="utf-8")
        return plan.make(with_teacher, RUN, committed, rules).folder

    assert asked
    usual = folder_of()
    assert folder_of(prune={**section["prune"], "ffn": 8}) == usual
    assert folder_of(finetune={**section["finetune"], "learning_rate": 0.5}) == usual
    assert folder_of(finetune={**section["finetune"], "epochs": 99}) != usual
    assert folder_of(seed=7) != usual


def test_what_is_amiss_in_the_section_is_told_at_once(tmp_path: Path) -> None:
    document = params.document(smoke.REPOSITORY / "params.yaml")
    space = {"finetune.teachers": [1, 3], "prune.ffn": [64], "finetune.epochs": [99]}
    for teacher, said in (
        (
            {"space": space, "trials": 2, "minutes": 1.0},
            "teacher.space.finetune.teachers: has no effect here",
        ),
        (
            {"space": space, "trials": 2, "minutes": 1.0},
            "teacher.space.prune.ffn: only values of finetune can",
        ),
        (
            {"space": space, "trials": 2, "minutes": 1.0},
            "teacher.space.finetune.epochs = [99]: lacks the run's",
        ),
        (
            {"space": {RATE: [0.1]}, "trials": 2},
            "teacher.minutes: is missing (after which no further teacher",
        ),
        ({"space": {RATE: [0.1]}, "trials": 2, "minuts": 1.0}, "teacher.minuts: unknown key; did you mean"),
        (5, "teacher = 5: must be a section, with keys and values"),
    ):
        document["search"]["bbc"]["teacher"] = teacher
        (tmp_path / "params.yaml").write_text(json.dumps(document), encoding="utf-8")
        with pytest.raises(ParamsError, match=re.escape(f"search.bbc.{said}")):
            policy.read(tmp_path, "bbc")


def test_values_that_do_not_go_together_are_a_failed_trial(with_teacher: Path, asked: Job) -> None:
    trained = {**asked.params["finetune"], "lora": {"rank": 2, "alpha": 4.0}, "freeze": "encoder"}
    job = replace(asked, params={**asked.params, "finetune": trained}, folder="scratch/teacher/amiss")
    result = trial.run(job, with_teacher)
    assert result.state == FAILED
    assert "finetune.freeze = 'encoder' forbids" in result.reason


SEARCH = """
search:
  smoke:
    budget: "quality >= 1% of teacher, then least size"
    teacher:
      space: {finetune.learning_rate: [0.0000001, 0.002], finetune.lora: [null, {rank: 2, alpha: 4.0}]}
      trials: 4
      minutes: 10.0
    space:
      prune.ffn: [32, 64]
    trials: 1
    minutes: 30.0
    startup: 2
    rungs: []
    rung_slack: 0.1
    seed: 0
    workers: 1
    runner: local
    dask_address: ""
"""


@pytest.mark.slow
def test_the_better_teacher_is_written_and_made_before_its_students(tmp_path: Path) -> None:
    project = smoke.make_project(tmp_path)
    trained = "epochs: 4\n      patience: 4\n      batch_size: 16\n      learning_rate: "
    put(project / "params.yaml", f"{trained}0.002", f"{trained}0.0000001  # by hand")
    with (project / "params.yaml").open("a", encoding="utf-8") as file:
        file.write(SEARCH)
    smoke.commit(project, "with a teacher that learns nothing")
    done = attempt(project, "python", "-m", "flows.search", smoke.RUN)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout + done.stderr
    assert "PROGRESS teachers 4/4 best so far teacher " in said
    run = params.read(project / "params.yaml")[smoke.RUN]
    assert run["finetune"]["learning_rate"] == 0.002
    written = (project / "params.yaml").read_text(encoding="utf-8")
    assert re.search(r"learning_rate: 0\.002 +# found by `slipway search`", written)
    told = json.loads((project / "data" / smoke.RUN / "search" / "teachers.json").read_text())
    assert [one["state"] for one in told["teachers"]] == ["complete"] * 4
    made = json.loads((project / "data" / smoke.RUN / "finetune" / "metrics.json").read_text())
    assert made["validation"]["macro_f1"] == told["teachers"][told["winner"]]["headline"]
    assert (
        call(project, "dvc", "status", f"finetune@{smoke.RUN}").strip()
        == "Data and pipelines are up to date."
    )
