"""A small committed DVC project whose answers are planted: the run `r`, ingest → benchmark, made by real `dvc
repro`.

Rows lie in data/raw/r/rows.json; `benchmark.wrong` of the params says which of them the model that ships
answers wrong.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.flows.toy import REPOSITORY, call

RUN, ROWS = "r", 300
LABELS = ["apple", "pear", "plum"]

GRAPH = """\
stages:
  ingest:
    foreach: ${runs}
    do:
      cmd: python plant.py ingest ${key}
      deps: [plant.py, "data/raw/${key}"]
      params: ["runs.${key}.ingest"]
      outs: ["data/${key}/ingest/out"]
      metrics: [{"data/${key}/ingest/metrics.json": {cache: false}}]
  benchmark:
    foreach: ${runs}
    do:
      cmd: python plant.py benchmark ${key}
      deps: [plant.py, "data/${key}/ingest/out"]
      params: ["runs.${key}.benchmark"]
      outs: ["data/${key}/benchmark/out"]
      metrics: [{"data/${key}/benchmark/metrics.json": {cache: false}}, {"data/${key}/benchmark/timings.json": {cache: false}}]
"""  # noqa: E501

PLANT = """\
import hashlib, json, sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from ruamel.yaml import YAML

stage, run = sys.argv[1:]
params = YAML(typ="safe").load(Path("params.yaml").read_text())["runs"][run]
home = Path("data") / run / stage
out = home / "out"
out.mkdir(parents=True, exist_ok=True)
if stage == "ingest":
    rows = json.loads((Path("data/raw") / run / "rows.json").read_text())
    for number, row in enumerate(rows):
        row["id"] = hashlib.sha256((row["text"] + "|" + row["label"]).encode()).hexdigest()[:16]
        row |= {"group": row["id"], "file": "rows.json", "line": number}
    for split in ["train", "validation", "test", *({"fresh"} & {row["split"] for row in rows})]:
        own = [{key: value for key, value in row.items() if key != "split"} for row in rows if row["split"] == split]
        pq.write_table(pa.Table.from_pylist(own), out / f"{split}.parquet")
    (out / "labels.json").write_text(json.dumps(sorted({row["label"] for row in rows})))
    (home / "metrics.json").write_text(json.dumps({"rows": len(rows)}))
else:
    ingest = Path("data") / run / "ingest" / "out"
    names = json.loads((ingest / "labels.json").read_text())
    rows = pq.read_table(ingest / "test.parquet").to_pylist()
    mine = params["benchmark"]
    answers, right = [], 0
    for number, row in enumerate(rows):
        at = (names.index(row["label"]) + (number in mine["wrong"])) % len(names)
        answers.append([0.9 - number / 10000 if each == at else 0.05 for each in range(len(names))])
        right += names[at] == row["label"]
    columns = {"id": [row["id"] for row in rows], "label": [row["label"] for row in rows], "final": answers}
    pq.write_table(pa.table(columns), out / "predictions.parquet")
    share = right / len(rows)
    figures = {"macro_f1": share, "macro_f1_low": share - 0.03, "macro_f1_high": share + 0.03, "bytes": mine["bytes"], "ece": 0.1}
    gate = {"value": share, "bound": mine["least"], "passed": share >= mine["least"], "reason": f"{share:.3f}; {mine['least']} was asked"}
    measured = {"split": "test", "rows": len(rows), "headline": "macro_f1"}
    told = {"teacher": {**figures, "parameters": 9}, "final": figures, "measured": measured, "gates": {"passed": True, "quality": gate}}
    (home / "metrics.json").write_text(json.dumps(told))
    speed = {"speedup": mine["speed"], "speedup_quartile_1": mine["speed"] - 0.1, "speedup_quartile_3": mine["speed"] + 0.1}
    speed |= {"latency_ms": {"answer_1_thread": {"p50": 1.0, "p95": 2.0, "p99": 3.0}}, "peak_rss_mb": 80.0}
    timings = {"final": speed, "teacher": speed, "hardware": {"cpu": mine["cpu"], "cores": 2}, "load": {"before": 0.1, "others": 0.1}}
    (home / "timings.json").write_text(json.dumps(timings))
"""  # noqa: E501


class Planted:
    """A checkout of the project."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *arguments: str) -> str:
        return call(self.root, "git", *arguments).strip()

    def dvc(self, *arguments: str) -> str:
        return call(self.root, "dvc", *arguments)

    def params(self, run: str = RUN, **benchmark: Any) -> None:
        """Changes values of the section benchmark."""
        runs = json.loads((self.root / "params.yaml").read_text())["runs"]
        runs[run]["benchmark"] |= benchmark
        self.write("params.yaml", {"runs": runs})

    def rows(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = json.loads((self.root / f"data/raw/{RUN}/rows.json").read_text())
        return found

    def put(self, rows: list[dict[str, str]], run: str = RUN) -> None:
        self.write(f"data/raw/{run}/rows.json", rows)
        self.dvc("add", "--quiet", f"data/raw/{run}")

    def write(self, path: str, content: Any) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(
            content if isinstance(content, str) else json.dumps(content), encoding="utf-8"
        )

    def commit(self, message: str, run: bool = True) -> str:
        """The hash of the commit, with results unless told otherwise."""
        if run:
            self.dvc("repro", "--quiet")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def clone(self, folder: Path, *arguments: str) -> Planted:
        call(self.root.parent, "git", "clone", "--quiet", *arguments, self.root.as_uri(), str(folder))
        return Planted(folder)

    def share(self, shelf: Path) -> str:
        """Pushes what all tags made to a folder as remote, and commits its name."""
        for level in (["--local"], []):
            self.dvc("remote", "add", *level, "--quiet", "--default", "shelf", str(shelf))
        self.dvc("push", "--quiet", "--all-tags")
        return self.commit("name a remote", run=False)

    def diff(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command as a reviewer gives it."""
        code = (
            f"import sys; sys.path.insert(0, {str(REPOSITORY)!r}); from flows.review import main; "
            "sys.exit(main(sys.argv[1:]))"
        )
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)

    def told(self, *arguments: str, status: int = 0) -> dict[str, Any]:
        """The run `r` of the JSON of a review that ends with this status."""
        done = self.diff("--format", "json", *arguments)
        assert done.returncode == status, done.stdout + done.stderr
        run: dict[str, Any] = json.loads(done.stdout)["runs"][RUN]
        return run


def text(number: int) -> str:
    return f"row number {number} of a basket"


def new(root: Path) -> Planted:
    """One commit on branch main, tagged `good`, in which 10 of 300 test rows are answered wrong."""
    planted = Planted(root)
    root.mkdir()
    call(root, "git", "init", "--quiet", "--initial-branch", "main")
    planted.dvc("init", "--quiet")
    shutil.copy(REPOSITORY / ".dvc" / "config", root / ".dvc" / "config")
    planted.write("plant.py", PLANT)
    planted.write("dvc.yaml", GRAPH)
    benchmark = {
        "wrong": list(range(10)),
        "bytes": 1000,
        "least": 0.5,
        "speed": 5.0,
        "cpu": "a chip",
        "resamples": 500,
    }
    run = {"kind": "text/classification", "seed": 0, "ingest": {"seed": 1}, "benchmark": benchmark}
    planted.write("params.yaml", {"runs": {RUN: run}})
    splits = ["test"] * ROWS + ["train"] * 60 + ["validation"] * 30
    planted.put(
        [{"text": text(at), "label": LABELS[at % 3], "split": split} for at, split in enumerate(splits)]
    )
    planted.write(".gitignore", "/review/\n")
    planted.commit("a good model")
    planted.git("tag", "good")
    return planted


def cells(line: str) -> list[str]:
    """The cells of a line of a table in Markdown."""
    return re.split(r" \| ", line.strip().strip("|").strip())
