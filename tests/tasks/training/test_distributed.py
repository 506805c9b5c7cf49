"""Two true processes train as one does, the same twice, and whatever is killed: nothing hangs, nothing is
left, nothing is lost.

After some fifty steps at a learning rate of 0.002, which moved weights by 0.007 in the mean, answers and the
learning curve agree to 1e-5, most weights to 1e-7, and every weight to 5e-5. The last is for the biases of
attention's keys: softmax cancels them, so their gradient is nothing but rounding, of which Adam makes steps;
the others agree to 1e-5 too.
"""

from __future__ import annotations

import copy
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.core import params
from tasks.core.errors import ParamsError, SlipwayError
from tasks.kinds.base.kind import load_kind
from tasks.training import distributed
from tests import tiny
from tests.tasks import stage
from tests.tasks.conftest import Run
from tests.waiting import PATIENCE_SECONDS, until

TOLERANCE = 1e-5
WEIGHT = 5e-5
MOST = 1e-7


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    place = Workspace(tmp_path)
    yield place
    for process in place.started:
        process.kill()
        process.communicate()


class Workspace:
    """A folder with params.yaml and what finetune and distill read, where true commands run them."""

    def __init__(self, root: Path) -> None:
        self.root, self.started, self._runs = root, list[subprocess.Popen[str]](), dict[str, Any]()

    def add(
        self,
        run: str,
        artifacts: dict[str, Path],
        processes: int,
        kind: str = "text/classification",
        **changed: Any,
    ) -> None:
        values = copy.deepcopy(params.read(stage.ROOT / "params.yaml")["bbc"])
        values.update(kind=kind, options=tiny.OPTIONS[kind], threads=1, input_size=32, processes=processes)
        values.update({key: changed.pop(key) for key in [*changed] if key in values})
        # What the later stages could do with a model of this size: they are asked before it is trained.
        values["prune"] = {
            **{key: value for key, value in values["prune"].items() if key not in SIZES},
            **tiny.CUT[kind],
        }
        if not load_kind(kind).data.has_pool:
            values["ingest"]["pool_words"] = None
        values["distill"].update(relations=None, pool=0)
        values["quantize"].update(embeddings="as_format")
        for name in ("finetune", "distill"):
            values[name].update(
                {key: value for key, value in changed.items() if key in values[name]}, patience=1000
            )
        self._runs[run] = values
        (self.root / "params.yaml").write_text(json.dumps({"runs": self._runs}))
        for name, folder in artifacts.items():
            shutil.copytree(folder, self.root / "data" / run / name)

    def start(self, name: str, run: str) -> subprocess.Popen[str]:
        environment = {
            **os.environ,
            "PYTHONPATH": str(stage.ROOT),
            "SLIPWAY_FAULT_FILE": str(self.root / "fault.json"),
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "tasks", name, run],
            cwd=self.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def call(self, name: str, *runs: str) -> list[str]:
        """What is said by runs of the stage that must succeed, all at once."""
        processes = [self.start(name, run) for run in runs]
        said = [process.communicate() for process in processes]
        assert [process.returncode for process in processes] == [0] * len(runs), said
        assert [error for _, error in said] == [""] * len(runs)
        return [output for output, _ in said]

    def result(self, name: str, run: str) -> dict[str, bytes]:
        return stage.contents(self.root / "data" / run / name)

    def learning(self, name: str, run: str) -> list[dict[str, float]]:
        with (self.root / "data" / run / name / "plots" / "learning.csv").open() as stream:
            return [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]

    def state(self, run: str) -> Path | None:
        """What the training has kept so far."""
        return next(
            (self.root / "data" / ".scratch" / f"finetune@{run}").glob("*/**/state.safetensors"), None
        )


def workers(process: subprocess.Popen[str]) -> dict[int, int]:
    """Rank -> id of the processes it started."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    ranks = {}
    for child in map(int, listed):
        environment = dict(
            pair.split("=", 1)
            for pair in Path(f"/proc/{child}/environ").read_text().split("\0")
            if "=" in pair
        )
        ranks[int(environment["RANK"])] = child
    return ranks


def lives(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def in_training(workspace: Workspace, run: str) -> tuple[subprocess.Popen[str], dict[int, int]]:
    """A fine-tuning of two processes that has done an epoch and has many before it."""
    process = workspace.start("finetune", run)
    until(lambda: workspace.state(run) or process.poll() is not None, step=0.02)
    assert process.poll() is None, process.communicate()
    return process, workers(process)


def read_by_finetune(run: Run) -> dict[str, Path]:
    return {"ingest/out": run.ingest, "pretrain/out": run.pretrained}


def read_by_distill(run: Run) -> dict[str, Path]:
    return {
        "ingest/out": run.ingest,
        "prune/out": run.prune / "out",
        "finetune/outputs": run.finetune / "outputs",
        "finetune/out": run.finetune / "out",
    }


DEEP: dict[str, Any] = {
    "rewording": {"copies": 1, "drop": 0.1, "mask": 0.1, "replace": 0.1, "swap": 0.1},
    "hidden": {"weight": 1.0},
    "relations": {"weight": 1.0, "layer": 1, "heads": 16},
}
SIZES = ("layers", "hidden", "ffn", "vocabulary")
LONG: dict[str, Any] = {
    "epochs": 60,
    "batch_size": 2,
    "learning_rate": 0.001,
    "dropout": 0.2,
    "freeze": "none",
    "pool_outputs": 5,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "batch_size"),
    [
        ("finetune", "text/classification", 8),  # 60 rows: the last batch has 4
        ("finetune", "text/tagging", 59),  # here it has 1, so that a process has none
        ("distill", "text/classification", 13),  # 200 rows: shares of 6 and 7
    ],
)
def test_two_processes_train_as_one(
    tiny_run: Run, tmp_path: Path, workspace: Workspace, name: str, kind: str, batch_size: int
) -> None:
    import torch
    from safetensors.torch import load

    ingested = tiny.ingest_out(tmp_path / "ingest", kind=kind)
    artifacts = {
        **(read_by_finetune(tiny_run) if name == "finetune" else read_by_distill(tiny_run)),
        "ingest/out": ingested,
    }
    changed = {
        "epochs": 6,
        "batch_size": batch_size,
        "learning_rate": 0.002,
        "dropout": 0.0,
        "freeze": "none",
        "pool_outputs": 20,
    }
    for run, processes in {"one": 1, "two": 2}.items():
        workspace.add(
            run, artifacts, processes, kind, **changed, **DEEP, repeats=2, pool=20, teachers=2, soup=2
        )
    workspace.call(name, "one", "two")
    one, two = workspace.result(name, "one"), workspace.result(name, "two")
    assert one.keys() == two.keys()
    for file in (name for name in one if name.endswith(".safetensors")):
        theirs, ours = load(one[file]), load(two[file])
        off = torch.cat([(tensor - ours[key]).abs().flatten() for key, tensor in theirs.items()])
        assert 0 < off.max() < (WEIGHT if file == "out/model.safetensors" else TOLERANCE), file
        assert off.median() < (MOST if file == "out/model.safetensors" else TOLERANCE)
    for row, other in zip(workspace.learning(name, "one"), workspace.learning(name, "two"), strict=True):
        assert other == pytest.approx(row, abs=TOLERANCE)


@pytest.mark.slow
def test_killed_training_of_two_goes_on_and_ends_with_the_same_bytes(
    tiny_run: Run, workspace: Workspace
) -> None:
    """So two unbroken ones would too. With dropout, whose chance each of them has for itself."""
    for run in ("broken", "unbroken"):
        workspace.add(
            run, read_by_finetune(tiny_run), 2, **{**LONG, "epochs": 6, "batch_size": 6, "teachers": 2}
        )
    process, started = in_training(workspace, "broken")
    for one in (process.pid, *started.values()):
        os.kill(one, signal.SIGKILL)
    process.communicate()
    assert not (workspace.root / "data" / "broken" / "finetune").exists()
    again, _ = workspace.call("finetune", "broken", "unbroken")
    assert "going on after" in again
    assert workspace.result("finetune", "broken") == workspace.result("finetune", "unbroken") != {}


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_when_one_dies_all_end_with_one_message(tiny_run: Run, workspace: Workspace, rank: int) -> None:
    workspace.add("run", read_by_finetune(tiny_run), 2, **LONG)
    process, started = in_training(workspace, "run")
    assert sorted(started) == [0, 1]
    os.kill(started[rank], signal.SIGKILL)
    _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 75
    message = (
        f"process {rank + 1} of 2: was ended by signal 9 (Killed): perhaps memory ran out; run again, "
        "the training goes on where it was"
    )
    assert said.splitlines()[-1] == message
    assert json.loads((workspace.root / "fault.json").read_text()) == {"code": 75, "message": message}
    assert not any(map(lives, started.values()))
    assert workspace.state("run") is not None


@pytest.mark.slow
def test_when_the_watching_one_is_killed_none_is_left(tiny_run: Run, workspace: Workspace) -> None:
    workspace.add("run", read_by_finetune(tiny_run), 2, **LONG)
    process, started = in_training(workspace, "run")
    assert len(started) == 2
    assert all(map(lives, started.values()))
    process.kill()
    until(lambda: not any(map(lives, started.values())))


@pytest.mark.slow
def test_fault_that_all_of_them_find_is_told_once(tmp_path: Path, workspace: Workspace) -> None:
    kind = "image/classification"
    artifacts = {
        "ingest/out": tiny.ingest_out(tmp_path / "ingest", kind=kind),
        "pretrain/out": tiny.pretrained_for(kind, tmp_path / "net"),
    }
    workspace.add("run", artifacts, 2, kind, **LONG)
    process = workspace.start("finetune", "run")
    output, said = process.communicate()
    assert (process.returncode, output) == (2, "")
    assert said == (
        "params.yaml: processes = 2: the model normalizes over the whole batch; "
        "set processes = 1, or take a model without batch normalization, such as ViT or ConvNeXt\n"
    )
    assert json.loads((workspace.root / "fault.json").read_text()) == {"code": 2, "message": said.strip()}


@pytest.mark.parametrize(
    ("device", "said"),
    [
        ("cuda", "processes = 3: each needs a GPU of its own; there are 2"),
        ("mps", "processes = 3: device mps is a single one; set"),
    ],
)
def test_each_needs_a_device_of_its_own(monkeypatch: pytest.MonkeyPatch, device: str, said: str) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    with pytest.raises(ParamsError, match=said):
        distributed.join(device, 3)


def test_several_are_not_asked_of_a_process_that_is_alone() -> None:
    with pytest.raises(SlipwayError, match="2 have to be started together"):
        distributed.join("cpu", 2)


def test_watching_takes_neither_torch_nor_accelerate() -> None:
    code = "import sys; from tasks.launch import runner; print({'torch', 'accelerate'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=stage.ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "set()\n"
