"""A scratch project with the one run `smoke`: this repository's own files, 300 real headlines, a tiny random
model, all by true commands.

Everything lies in one folder: `project`, and beside it the raw rows and what DVC and Prefect would else keep
in the user's home.
"""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

from tasks.pretrain.locate import content_hash
from tests import tiny

REPOSITORY = Path(__file__).resolve().parents[1]
RUN = "smoke"
ROWS = 300
LEFT_OUT = "data/", "dvc.lock"
OF_THE_DAY = "benchmark/timings.json", "benchmark/speed.json", "benchmark/report"

PARAMS = """\
runs:
  smoke:
    kind: text/classification
    options: {long_texts: head}
    seed: 0
    threads: 1
    processes: 1
    device: cpu
    input_size: 32
    ingest:
      columns: {text: headline, label: desk, pool: body}
      header: true
      near_duplicates: 0.8
      split: sticky
      split_seed: 0
      validation: 0.15
      test: 0.25
      fresh: 0.2
      pool_words: 12
      min_rows_per_class: 20
      min_test_rows: 40
    pretrain:
      source: {folder: models/tiny, sha256: SHA256}
      further: {steps: 8, batch_size: 8, learning_rate: 0.001, masked: 0.15}
    finetune:
      epochs: 4
      patience: 4
      batch_size: 16
      learning_rate: 0.002
      warmup: 0.1
      weight_decay: 0.01
      dropout: 0.0
      head_epochs: 0
      lora: null
      teachers: 1
      label_smoothing: 0.0
      class_weights: null
      clip: 1.0
      freeze: none
      precision: fp32
      pool_outputs: 100
    prune:
      layers: 2
      hidden: 32
      ffn: 64
      vocabulary: 800
      layers_by: spread
      importance: taylor
      measured: {batches: 4, batch_size: 8}
      recovery: null
    distill:
      epochs: 3
      patience: 3
      batch_size: 16
      learning_rate: 0.002
      warmup: 0.1
      weight_decay: 0.01
      dropout: 0.0
      clip: 1.0
      precision: fp32
      temperature: 2.0
      label_weight: 0.1
      best_by: divergence
      soup: 1
      repeats: 2
      pool: 100
      rewording: null
      hidden: null
      relations: null
    quantize:
      graph: exported
      format: int8-dynamic
      embeddings: as_format
      calibration_rows: null
      max_difference: 0.0001
      min_agreement: 0.5
      max_float_operators: 0
    benchmark:
      split: test
      resamples: 200
      latency_inputs: 5
      rounds: 3
      batch: 8
      openvino: false
      gates: {min_quality_ratio: 0.5, min_speedup: 1.0, max_bytes: 1000000}
"""


def make_project(folder: Path) -> Path:
    """The project, committed, with its raw data in and nothing run yet."""
    project = folder / "project"
    _copy_repository(project)
    tiny.checkpoint_in(project / "models" / "tiny")
    sha256 = content_hash(project / "models" / "tiny")
    (project / "params.yaml").write_text(PARAMS.replace("SHA256", sha256), encoding="utf-8")
    _write_rows(folder / "rows.csv")
    call(project, "git", "init", "--quiet")
    call(project, "python", "-m", "flows.raw_data.data", "add", RUN, "../rows.csv")
    commit(project, "a scratch project")
    return project


def _copy_repository(project: Path) -> None:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
    for name in listed.split("\0"):
        if name and not name.startswith(LEFT_OUT) and (REPOSITORY / name).is_file():
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, project / name)


def _write_rows(file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, ["headline", "desk", "body"])
        writer.writeheader()
        writer.writerows(tiny.articles()[:ROWS])


def environment(project: Path) -> dict[str, str]:
    """What `make` gives its commands, and a home of the project's own for DVC.

    Prefect's is in the project by itself.
    """
    given = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "DVC_"))}
    homes = {
        name: str(project.parent / name.lower())
        for name in ("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR", "DVC_SITE_CACHE_DIR")
    }
    people = {
        f"GIT_{who}_{what}": "smoke@example.org"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), given.get("PATH", os.defpath)])
    return {**given, **homes, **people, "PATH": path, "DVC_NO_ANALYTICS": "1", "PYTHONUNBUFFERED": "1"}


def attempt(project: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in the project, however it ends."""
    return subprocess.run(
        command, cwd=project, env=environment(project), capture_output=True, text=True, check=False
    )


def call(project: Path, *command: str) -> str:
    """The output of a command that must succeed, and must say nothing on stderr that looks like a failure."""
    done = attempt(project, *command)
    said = f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
    assert done.returncode == 0, said
    assert not [
        sign for sign in ("Traceback", "ERROR", "WARNING", "Error:", "failed") if sign in done.stderr
    ], said
    return done.stdout


def commit(project: Path, message: str) -> None:
    call(project, "git", "add", "--all")
    call(project, "git", "commit", "--quiet", "--message", message)


def md5s(project: Path, run: str = RUN) -> dict[str, str]:
    """Path -> md5 of every output in dvc.lock that must be the same each time.

    All but what the clock had a hand in.
    """
    locked = YAML(typ="safe").load((project / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    outs = {out["path"]: out["md5"] for stage in locked.values() for out in stage["outs"]}
    return {path: md5 for path, md5 in outs.items() if path.removeprefix(f"data/{run}/") not in OF_THE_DAY}
