"""The stage of docs/add-a-stage.md: in a copy of the project it is found, in order, and runs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tasks.core import tables
from tests.tasks import stage
from tests.tasks.conftest import Run

PAGE = (stage.ROOT / "docs" / "add-a-stage.md").read_text(encoding="utf-8")


def block(name: str) -> str:
    (found,) = re.findall(rf"<!-- toy {name} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def insert(file: Path, before: str, text: str) -> None:
    content = file.read_text(encoding="utf-8")
    at = content.index(before)
    file.write_text(content[:at] + text + content[at:], encoding="utf-8")


def ask(project: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "tasks", *arguments]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_stage_of_the_page_runs(tmp_path: Path, tiny_run: Run) -> None:
    for name in ("tasks", "requirements"):
        shutil.copytree(stage.ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copy(stage.ROOT / name, tmp_path)
    folder = tmp_path / "tasks" / "lengths"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""Stage lengths: how long inputs are."""\n')
    (folder / "stage.py").write_text(block("stage"))
    insert(tmp_path / "dvc.yaml", "  prune:\n", block("stanza"))
    insert(tmp_path / "params.yaml", "    finetune:\n", block("params"))
    assert f"{len(block('stage').splitlines()) + 1} lines of code" in PAGE

    listed = [line.split()[0] for line in ask(tmp_path, "--list").splitlines()]
    stanzas = re.findall(r"^  (\w+):$", (tmp_path / "dvc.yaml").read_text(), re.MULTILINE)
    assert listed == stanzas
    assert len(listed) == 8
    assert "in order: bbc" in ask(tmp_path, "check")

    made = tmp_path / "data" / "bbc"
    shutil.copytree(tiny_run.ingest, made / "ingest" / "out")
    shutil.copytree(tiny_run.pretrained, made / "pretrain" / "out")
    ask(tmp_path, "lengths", "bbc")
    counts = json.loads((made / "lengths" / "out" / "lengths.json").read_text())
    assert sum(counts.values()) == len(tables.read(tiny_run.ingest / "train.parquet"))
    longest = json.loads((made / "lengths" / "metrics.json").read_text())["length"]
    assert longest in map(int, counts)
