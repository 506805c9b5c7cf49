"""The whole search as a command, in a scratch project with a tiny teacher.

Killed and gone on with, on a Dask cluster, with a winner.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows.searching import budget
from flows.searching.job import Result
from flows.searching.study import Goal, Study
from tests import smoke
from tests.smoke import RUN, attempt, call
from tests.test_smoke import replace
from tests.waiting import until

pytestmark = pytest.mark.slow

SPACE: dict[str, list[Any]] = {
    "prune.layers": [1, 2],
    "prune.ffn": [32, 64, 96],
    "quantize.format": ["int8-dynamic", "fp32"],
}
BUDGET = "quality >= 1% of teacher, then least size"
SEARCH = f"""
# Kept as it is.
search:
  smoke:
    budget: "{BUDGET}"
    space:   # short
      prune.layers: [1, 2]
      prune.ffn: [32, 64, 96]
      quantize.format: [int8-dynamic, fp32]
    trials: 3
    minutes: 30.0
    startup: 2
    rungs: []
    rung_slack: 0.1
    seed: 0
    workers: 1
    runner: local
    dask_address: ""
"""
FURTHER = "further: {steps: 8, batch_size: 8, learning_rate: 0.001, masked: 0.15}"
QUICK = ((FURTHER, "further: null"), ("epochs: 4\n      patience: 4", "epochs: 1\n      patience: 1"))
LARGEST = (("      ffn: 64", "      ffn: 96"), ("format: int8-dynamic", "format: fp32"))
"""What the search begins with, so that whatever else it tries is smaller."""
SHORT = ("epochs: 3\n      patience: 3", "epochs: 1\n      patience: 1")
COMMAND = ("python", "-m", "flows.search", RUN)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It has a teacher, and nothing after it."""
    project = smoke.make_project(tmp_path_factory.mktemp("search"))
    for old, new in (*QUICK, *LARGEST, SHORT):
        replace(project / "params.yaml", old, new)
    with (project / "params.yaml").open("a", encoding="utf-8") as file:
        file.write(SEARCH)
    call(project, "dvc", "repro", "--quiet", f"finetune@{RUN}")
    smoke.commit(project, "with a teacher")
    return project


@pytest.fixture(scope="module")
def gone_on(project: Path) -> tuple[str, list[str]]:
    """What the search said that went on after a kill in its second trial, and what of the killed one lived
    on.
    """
    with (project.parent / "log").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            [*COMMAND], cwd=project, env=smoke.environment(project), stdout=log, stderr=subprocess.STDOUT
        )
        said = project.parent / "log"
        until(lambda: "trial 1: distill" in said.read_text(encoding="utf-8"), of=process, step=0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
    time.sleep(1)
    alive = list(processes_in(project))
    return call_quietly(project), alive


def call_quietly(project: Path) -> str:
    done = attempt(project, *COMMAND)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def processes_in(project: Path) -> list[str]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if (
                process.pid != os.getpid()
                and process.cwd() == str(project)
                and process.status() != psutil.STATUS_ZOMBIE
            ):
                found.append(" ".join(process.cmdline()))
    return found


def front_of(project: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (project / "data" / RUN / "search" / "front.json").read_text(encoding="utf-8")
    )
    return found


def test_a_kill_leaves_no_process_behind(gone_on: tuple[str, list[str]]) -> None:
    assert gone_on[1] == []


def test_it_goes_on_after_a_kill(gone_on: tuple[str, list[str]], project: Path) -> None:
    said, _ = gone_on
    assert "goes on after 1 trials; 1 begin again that were killed" in said
    assert re.search(
        r"^PROGRESS search 3/3 best so far trial \d; \d+ s a trial, about 0 min left$", said, re.MULTILINE
    )
    assert [one["state"] for one in front_of(project)["trials"]] == ["complete"] * 3


def test_it_proposes_what_it_had_proposed_without_the_kill(
    gone_on: tuple[str, list[str]], project: Path, tmp_path: Path
) -> None:
    assert gone_on
    trials = front_of(project)["trials"]
    study = Study(tmp_path / "study.db", SPACE, Goal.of(budget.parse(BUDGET)), 0, 2)
    study.begin_with({"prune.layers": 2, "prune.ffn": 96, "quantize.format": "fp32"})
    for one in trials:
        (proposal,) = study.propose(1)
        assert proposal.values == one["values"]
        study.tell(proposal, Result(one["state"], one["reason"], one["seconds"], one))


def test_the_winner_stands_in_params_with_comments_and_layout_kept(
    gone_on: tuple[str, list[str]], project: Path
) -> None:
    assert gone_on
    told = front_of(project)
    lines = call(project, "git", "diff", "--unified=0", "params.yaml").splitlines()
    changed = [line for line in lines if re.match(r"[-+] ", line)]
    winner = told["trials"][told["winner"]]["values"]
    first = told["trials"][0]["values"]
    differ = [key for key in SPACE if winner[key] != first[key]]
    assert differ
    assert sorted(changed) == sorted(
        line
        for key in differ
        for line in (
            f"-      {key.split('.')[1]}: {first[key]}",
            f"+      {key.split('.')[1]}: {winner[key]}",
        )
    )
    assert call(project, "python", "-m", "tasks", "check")


def test_asked_again_it_tries_nothing_more_and_has_nothing_to_write(
    gone_on: tuple[str, list[str]], project: Path
) -> None:
    assert gone_on
    said = call_quietly(project)
    assert f"params.yaml: {RUN} has these values already" in said
    assert "PROGRESS search" not in said


@pytest.mark.skipif(
    importlib.util.find_spec("prefect_dask") is None,
    reason="prefect-dask is not installed: requirements/dask.lock",
)
def test_each_of_two_workers_of_a_local_cluster_does_a_trial(
    gone_on: tuple[str, list[str]], project: Path
) -> None:
    """The budget is one that none can keep: that is told, and nothing is written."""
    assert gone_on
    for old, new in (
        ("runner: local", "runner: dask"),
        ("workers: 1", "workers: 2"),
        (BUDGET, "quality >= 1000% of teacher, then least size"),
    ):
        replace(project / "params.yaml", old, new)
    before = (project / "params.yaml").read_text(encoding="utf-8")
    done = attempt(project, *COMMAND)
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert (
        f"{RUN}: none of 3 trials keeps the budget; data/{RUN}/search/front.md shows how near they "
        "came\ntrial " in done.stderr
    )
    assert [one["state"] for one in front_of(project)["trials"]] == ["complete"] * 3
    began = list(re.finditer(r"Task run 'trial [12]: [^']*' - begins on \S+, process (?P<worker>\d+)", said))
    ended = re.findall(r"Task run 'trial [12]: [^']*' - Finished", said)
    assert len({found["worker"] for found in began}) == len(began) == len(ended) == 2, "one did all trials"
    assert (project / "params.yaml").read_text(encoding="utf-8") == before


def test_faults_are_told_before_anything_runs(gone_on: tuple[str, list[str]], project: Path) -> None:
    assert gone_on
    replace(project / "params.yaml", "rung_slack: 0.1", "rung_slack: -1")
    done = attempt(project, *COMMAND)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"params.yaml: search.{RUN}.rung_slack = -1: " in done.stderr
    assert "Traceback" not in done.stderr
