"""`python -m tasks` for a user: one message, the right exit status, nothing half-written, no traceback."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests import disks, tiny
from tests.tasks import stage


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    shutil.copy(stage.ROOT / "params.yaml", tmp_path)
    return tmp_path


def tasks(workspace: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tasks", *arguments],
        cwd=workspace,
        env={**os.environ, "PYTHONPATH": str(stage.ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def edit(workspace: Path, old: str, new: str) -> None:
    file = workspace / "params.yaml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_list_prints_the_graph(workspace: Path) -> None:
    done = tasks(workspace, "--list")
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert names[0] == "ingest"
    assert names[-1] == "benchmark"
    assert len(names) == 7


def test_check_imports_neither_torch_nor_transformers(workspace: Path) -> None:
    code = (
        "import sys; from tasks.__main__ import main; main(['check']); print({'torch', 'transformers', "
        "'sklearn'} & set(sys.modules))"
    )
    environment = {**os.environ, "PYTHONPATH": str(stage.ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=workspace,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "set()"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "old", "new", "code", "said"),
    [
        (["check"], "seed: 0", "seed: zero", 2, "runs.bbc.seed = 'zero'"),
        (["finetune", "bbc"], " ffn: ", " fnn: ", 2, "did you mean `ffn`?"),
        (["finetune", "bbc"], " ffn: ", ' "\\e[31mffn\\u202e": ', 2, "\\x1b[31mffn\\u202e"),
        (["finetune", "bcc"], "", "", 2, "there is no run `bcc`; did you mean `bbc`?"),
        (["finetune"], "", "", 2, "name a run: bbc"),
        (["finetune", "bbc"], "", "", 2, "data/bbc/ingest/out, data/bbc/pretrain/out: is missing"),
        (["ingest", "bbc"], "", "", 2, "data/raw/bbc: is missing"),
        (["predict", "bbc", "text"], "", "", 2, "has no model.onnx yet"),
        (["gate", "bbc"], "", "", 2, "has no figures yet"),
        (["summary", "bbc"], "", "", 2, "has no figures yet"),
    ],
)
def test_fault_of_the_user_ends_with_one_message(
    workspace: Path, arguments: list[str], old: str, new: str, code: int, said: str
) -> None:
    edit(workspace, old, new)
    fault = workspace / "fault.json"
    done = tasks(workspace, *arguments, SLIPWAY_FAULT_FILE=str(fault))
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert said in done.stderr
    assert json.loads(fault.read_text()) == {"code": code, "message": done.stderr.strip()}
    assert sorted(path.name for path in workspace.iterdir()) == ["fault.json", "params.yaml"]


def test_example_of_own_data_is_in_order(workspace: Path) -> None:
    page = (stage.ROOT / "docs" / "own-data.md").read_text(encoding="utf-8")
    example = re.search(r"<!-- example -->\n```yaml\n(.*?)```", page, re.DOTALL)
    assert example is not None
    (workspace / "params.yaml").write_text(example[1])
    done = tasks(workspace, "check")
    assert (done.returncode, done.stderr) == (0, "")


def test_missing_params_file_ends_with_one_message(tmp_path: Path) -> None:
    done = tasks(tmp_path, "check")
    assert done.returncode == 2
    assert done.stderr.strip().startswith("params.yaml: there is no such file here")


def test_second_process_for_the_same_stage_is_refused(workspace: Path) -> None:
    import fcntl

    (workspace / "data" / "raw" / "bbc").mkdir(parents=True)
    home = workspace / "data" / ".scratch" / "ingest@bbc"
    home.mkdir(parents=True)
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = tasks(workspace, "ingest", "bbc")
    assert done.returncode == 75
    assert (
        done.stderr.strip()
        == "ingest@bbc: is being run by another process in this checkout; wait for it to end"
    )


@pytest.mark.slow
@pytest.mark.parametrize(("option", "said"), [("remount", "the disk is full"), ("remount,ro", "read-only")])
def test_disk_that_cannot_be_written_ends_with_one_message(workspace: Path, option: str, said: str) -> None:
    edit(workspace, "min_test_rows: 600", "min_test_rows: 100")
    data, draw = workspace / "data", random.Random(0)
    with disks.mounted(data, "size=500k"):
        (data / "raw" / "bbc").mkdir(parents=True)
        lines = [
            {"headline": draw.randbytes(100).hex(), "desk": "ab"[n % 2], "body": ""} for n in range(1500)
        ]
        (data / "raw" / "bbc" / "rows.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
        subprocess.run(["mount", "-o", option, str(data)], check=True)
        done = tasks(workspace, "ingest", "bbc")
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
        assert said in done.stderr
        assert not (data / "bbc" / "ingest").exists()


@pytest.mark.slow
def test_disk_too_small_for_a_checkpoint_ends_with_one_message(workspace: Path) -> None:
    """safetensors writes it, and words the error of the operating system in its own way."""
    data = workspace / "data"
    with disks.mounted(data, "size=20m"):
        tiny.ingest_out(data / "bbc" / "ingest" / "out")
        done = tasks(workspace, "pretrain", "bbc")
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
        assert "the disk is full" in done.stderr
        assert not (data / "bbc" / "pretrain").exists()


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        (
            "dvc.lock",
            "<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> x\n",
            "dvc.lock: line 1 is a conflict marker of git",
        ),
        ("dvc.yaml", "a: &a [1, *a]\n", "dvc.yaml: line 1: `*a` stands within what it names"),
        ("params.yaml", "runs: {a: " + "9" * 5000 + "}", "has 5,000 digits"),
        (
            "params.yaml",
            "runs: {inbox: {}}",
            "runs.inbox: `inbox` is a folder of data/ that all runs share; choose another name",
        ),
    ],
)
def test_check_tells_of_files_that_would_stop_dvc(workspace: Path, file: str, text: str, said: str) -> None:
    (workspace / file).write_text(text)
    done = tasks(workspace, "check")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
