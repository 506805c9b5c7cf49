"""A toy project with real git, DVC and Prefect: the runs `a` and `b`, each ingest → prune → distill, in
commands that take no time.

A file control.json, no dependency of any stage, makes a stage sleep, wait for a file, print, fail or die.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]

PARAMS = """\
runs:
  a: {ingest: {seed: 1}, prune: {ffn: 512, layers: [0, 2]}, distill: {epochs: 3}}
  b: {ingest: {seed: 2}, prune: {ffn: 256, layers: [0, 1]}, distill: {epochs: 3}}
"""

GRAPH = """\
stages:
  ingest:
    foreach: ${runs}
    do:
      cmd: python step.py data/${key}/ingest/out data/raw/${key}
      deps: [step.py, "data/raw/${key}"]
      params: ["runs.${key}.ingest"]
      outs: ["data/${key}/ingest/out"]
  prune:
    foreach: ${runs}
    do:
      cmd: python step.py data/${key}/prune/out data/${key}/ingest/out
      deps: [step.py, "data/${key}/ingest/out"]
      params: ["runs.${key}.prune"]
      outs: ["data/${key}/prune/out"]
      metrics: [{"data/${key}/prune/metrics.json": {cache: false}}]
      meta: {prefect: {tags: [gpu], retries: 1, retry_delay_seconds: 0}}
  distill:
    foreach: ${runs}
    do:
      cmd: python step.py data/${key}/distill/out data/${key}/prune/out
      deps: [step.py, "data/${key}/prune/out"]
      params: ["runs.${key}.distill"]
      outs: ["data/${key}/distill/out"]
      meta: {prefect: {timeout_seconds: 1800}}
"""

STEP = """\
import json, os, sys, time
from pathlib import Path

out, source = map(Path, sys.argv[1:])
stage = os.environ["DVC_STAGE"]
with Path("ran.log").open("a") as log:
    print(stage, os.getpid(), file=log)
control = Path("control.json")
orders = json.loads(control.read_text()) if control.exists() else {}
order = orders.get(stage, {})
for number in range(order.get("progress", 0)):
    print(f"PROGRESS {stage} epoch {number + 1}/{order['progress']}", flush=True)
if "print" in order:
    print("the variable is", os.environ[order["print"]], flush=True)
time.sleep(order.get("sleep", 0))
while "until" in order and not Path(order["until"]).exists():
    time.sleep(0.05)
if "kill" in order:
    os.kill(os.getpid(), order["kill"])
if order.get("times", 1) > 0 and "exit" in order:
    order["times"] = order.get("times", 1000) - 1
    control.write_text(json.dumps(orders))
    if "message" in order:
        Path(os.environ["SLIPWAY_FAULT_FILE"]).write_text(json.dumps({"code": order["exit"], "message": order["message"]}))
    print("these are my last words", flush=True)
    sys.exit(order["exit"])
out.parent.mkdir(parents=True, exist_ok=True)
out.write_text(source.read_text() + Path("params.yaml").read_text())
if stage.startswith("prune"):
    (out.parent / "metrics.json").write_text(json.dumps({"size": len(out.read_text())}))
"""  # noqa: E501


class Toy:
    """A project of its own in a temporary folder, in which every stage is up to date at first."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def replace(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text(encoding="utf-8")
        assert old in text
        self.write(path, text.replace(old, new, 1))

    def order(self, **stages: dict[str, Any]) -> None:
        """How stages of run `a` behave: `order(prune={"exit": 2})`."""
        self.write("control.json", json.dumps({f"{stage}@a": order for stage, order in stages.items()}))

    def ran(self) -> list[str]:
        """The stages whose command was started, in order."""
        log = self.root / "ran.log"
        return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []

    def dvc(self, *arguments: str) -> str:
        return call(self.root, "dvc", *arguments)


def new(root: Path) -> Toy:
    """A toy project of which nothing was run yet; nothing is committed."""
    toy = Toy(root)
    root.mkdir(exist_ok=True)
    call(root, "git", "init", "--quiet")
    toy.dvc("init", "--quiet")
    toy.dvc("config", "core.analytics", "false")
    for name, text in {
        "params.yaml": PARAMS,
        "dvc.yaml": GRAPH,
        "step.py": STEP,
        "data/raw/a": "raw a\n",
        "data/raw/b": "raw b\n",
    }.items():
        toy.write(name, text)
    toy.dvc("add", "--quiet", "data/raw/a", "data/raw/b")
    return toy


def call(root: Path, *command: str) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        command, cwd=root, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
