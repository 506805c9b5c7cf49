"""The stages on a device: all of them; those that use it once more; finetune and distill killed as well: the
same bytes are asked for. Then one process more than there are devices, which must be refused, and bf16.

    python -m tests.campaigns.devices --device cuda

In a scratch folder, the tests' tiny model on 300 headlines, with params that take the longer ways through the
stages. Prints a table in Markdown; exit status 1 if anything came out otherwise.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from ruamel.yaml import YAML

from tasks.core import stages
from tests import smoke
from tests.tasks.stage import contents

CHANGES: dict[str, dict[str, Any]] = {
    "finetune": {"teachers": 2, "dropout": 0.1, "epochs": 40, "patience": 40},
    "prune": {
        "recovery": {"steps": 2, "epochs": 1, "batch_size": 8, "learning_rate": 0.0005},
        "layers_by": "importance",
        "word_rank": 16,
    },
    "distill": {
        "epochs": 30,
        "patience": 30,
        "soup": 2,
        "dropout": 0.1,
        "rewording": {"copies": 1, "drop": 0.1, "mask": 0.1, "replace": 0.1, "swap": 0.1},
        "hidden": {"weight": 1.0},
        "relations": {"weight": 10.0, "layer": 1, "heads": 4},
    },
    "quantize": {"min_agreement": 0.0},
    "benchmark": {"gates": {"min_quality_ratio": 0.0, "min_speedup": 0.0, "max_bytes": 10_000_000}},
}
"""Longer ways through the stages, and trainings that are long enough for a kill to meet one that has saved
its state."""
TO_KILL = ("finetune", "distill")
PATIENCE_SECONDS = 600
Row = tuple[str, str, bool]


def change(project: Path, of_run: dict[str, Any], of_stages: dict[str, dict[str, Any]]) -> None:
    file, yaml = project / "params.yaml", YAML()
    document = yaml.load(file.read_text(encoding="utf-8"))
    values = document["runs"][smoke.RUN]
    values.update(of_run)
    for name, changed in of_stages.items():
        values[name].update(changed)
    with file.open("w", encoding="utf-8") as stream:
        yaml.dump(document, stream)


def stage(project: Path, name: str) -> Row:
    """Runs it as `dvc repro` would."""
    began = time.monotonic()
    done = smoke.attempt(project, "python", "-m", "tasks", name, smoke.RUN)
    said = (done.stdout + done.stderr).strip().splitlines()[-1:] if done.returncode else []
    return name, " ".join([f"{time.monotonic() - began:.1f} s", *said]), done.returncode == 0


def made(project: Path, *names: str) -> dict[str, bytes]:
    """All that the stages made."""
    home = project / "data" / smoke.RUN
    return {f"{name}/{file}": content for name in names for file, content in contents(home / name).items()}


def killed(project: Path, name: str) -> Row:
    """A stage that is killed when its training has saved its state, and run again."""
    before, scratch = made(project, name), project / "data" / ".scratch" / f"{name}@{smoke.RUN}"
    shutil.rmtree(project / "data" / smoke.RUN / name, ignore_errors=True)
    command = ["python", "-m", "tasks", name, smoke.RUN]
    process = subprocess.Popen(
        command,
        cwd=project,
        env=smoke.environment(project),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (
        not (saved := list(scratch.rglob("state.safetensors")))
        and process.poll() is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    caught = process.wait() == -signal.SIGKILL and bool(saved)
    _, said, good = stage(project, name)
    same = bool(before) and made(project, name) == before
    faults = [
        fault for fault, found in (("nothing was killed", not caught), ("other bytes", not same)) if found
    ]
    return f"{name}, killed and run again", "; ".join([said, *faults]), good and not faults


def refused(project: Path, device: str) -> Row:
    """One process more than there are devices."""
    count = torch.cuda.device_count() if device == "cuda" else 1
    change(project, {"processes": count + 1}, {})
    _, said, good = stage(project, "finetune")
    change(project, {"processes": 1}, {})
    return f"finetune in {count + 1} processes", said, not good and "processes" in said


def campaign(project: Path, device: str) -> Iterator[Row]:
    trained = [
        name
        for name in stages.load_all()
        if "device" in stages.load(name).Params.model_fields and name != "benchmark"
    ]
    change(project, {"device": device}, CHANGES)
    for name in stages.load_all():
        yield stage(project, name)
    before = made(project, *trained)
    for name in trained:
        yield stage(project, name)
    yield (
        f"{', '.join(trained)}: same bytes twice",
        f"{len(before)} files",
        bool(before) and made(project, *trained) == before,
    )
    for name in TO_KILL:
        yield killed(project, name)
    if device != "cpu":
        yield refused(project, device)
    change(project, {}, {name: {"precision": "bf16"} for name in TO_KILL})
    for name in TO_KILL:
        _, said, good = stage(project, name)
        yield f"{name} in bf16", said, good


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.devices", description=__doc__.partition("\n")[0] if __doc__ else None
    )
    parser.add_argument("--device", choices=("cpu", "cuda", "mps"), default="cuda", help="(default: cuda)")
    device = parser.parse_args(arguments).device
    print("| what | time, or what it said | |\n|---|---|---|")
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for what, said, good in campaign(smoke.make_project(Path(folder)), device):
            print(f"| {what} | {said} | {'as asked' if good else '**NO**'} |", flush=True)
            bad += not good
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
