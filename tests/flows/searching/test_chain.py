"""A trial runs the stages of the graph: one that is added before what ships is not missed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from flows.searching import chain, inputs, job
from flows.searching.job import COMPLETE, StudentJob
from tests.flows.searching.conftest import RUN

EASY = "quality >= 1% of teacher, then least latency"
ROOT = Path(__file__).resolve().parents[3]
TOY = '''\
"""A toy: makes a classifier that gives one label to every row.

Reads {reads}. Writes out/.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from tasks.core.params import Section
from tasks.core.stages import Metrics, artifact


class Params(Section):
    label: int = Field(ge=0, description="number of the label, by the order of labels.json")


@dataclass(frozen=True)
class Inputs:
    student: Path = artifact("{reads}")


def run(inputs: Inputs, params: Params, out: Path, scratch: Path) -> Metrics:
    from safetensors.torch import load_file, save_file

    shutil.copytree(inputs.student, out / "out")
    weights = load_file(inputs.student / "model.safetensors")
    weights["classifier.weight"].zero_()
    weights["classifier.bias"].zero_()[params.label] = 9.0
    save_file(weights, out / "out" / "model.safetensors", metadata={{"format": "pt"}})
    return Metrics({{"label": params.label}})
'''


def test_the_stages_of_a_trial_are_those_of_the_graph() -> None:
    found = chain.of_trial()
    assert (
        [*found.before, chain.RECOVERY, *found.after] == chain.searched() == ["prune", "distill", "quantize"]
    )
    assert found.start == "prune/out"
    assert found.given == {"ingest/out", "finetune/out", "finetune/outputs"}


@pytest.fixture(scope="module")
def with_toys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The code with two stages more: `bend` before the recovery and `polish` after it."""
    code = tmp_path_factory.mktemp("code")
    for name in ("tasks", "flows"):
        shutil.copytree(ROOT / name, code / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, reads, reader in (("bend", "prune", "distill"), ("polish", "distill", "quantize")):
        (code / "tasks" / name).mkdir()
        (code / "tasks" / name / "__init__.py").write_text('"""A toy."""\n')
        (code / "tasks" / name / "stage.py").write_text(TOY.format(reads=f"{reads}/out"))
        file = code / "tasks" / reader / "stage.py"
        before = file.read_text()
        file.write_text(before.replace(f'artifact("{reads}/out")', f'artifact("{name}/out")'))
        assert file.read_text() != before
    return code


@pytest.mark.slow
def test_a_stage_that_is_added_runs_in_every_trial(
    with_teacher: Path, with_toys: Path, section: dict[str, Any]
) -> None:
    """The one before the recovery is where that begins; the one after it decides what ships."""
    run = {**section, "bend": {"label": 0}, "polish": {"label": 1}}
    hashes = inputs.hashes(with_teacher, RUN)
    folder = with_teacher / "scratch" / "toys" / "one"
    job.write(
        folder / "job.json",
        StudentJob(
            0, RUN, {}, run, folder.relative_to(with_teacher).as_posix(), hashes, EASY, (), 0.1, {}, {}, None
        ),
    )
    done = subprocess.run(
        [sys.executable, "-m", "flows.searching.trial", str(folder)],
        cwd=with_teacher,
        env={**os.environ, "PYTHONPATH": str(with_toys)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    steps = [line.partition(": ")[2] for line in done.stdout.splitlines() if line.startswith("trial 0: ")]
    assert steps == ["prune", "bend", "before-polish", "before-quantize", "distill", "polish", "quantize"]
    result = job.read_result(folder / "result.json")
    assert result is not None
    assert result.state == COMPLETE, result.reason
    labels = pq.read_table(folder / "ingest" / "out" / "validation.parquet").column("label").to_pylist()
    # macro F1 of one label for all rows, by hand
    share = labels.count(sorted(set(labels))[1]) / len(labels)
    assert result.figures["headline"] == pytest.approx(2 * share / (1 + share) / len(set(labels)), abs=1e-6)
