"""Kills `dvc repro` at random moments in every stage, and looks whether running it again mends all.

    python -m tests.campaigns.kills --times 3 [--run smoke] [--seed 0] [--stages prune ...]

Works in a scratch folder: the smoke project, or a clone of this repository's last commit for another run. In
turns the whole pipeline is killed and DVC alone. Prints a table in Markdown; exit status 1 if any trial did
not end with the bytes of the unbroken run.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
from ruamel.yaml import YAML

from tasks.core import stages
from tests import smoke

RUNNING = re.compile(r"Running stage '(?P<stage>.+)@.+':")
GOING_ON = re.compile(r"going on after (?P<steps>\d+) steps")
BY_ITSELF_SECONDS = 5
PATIENCE_SECONDS = 3600
HEAD = ("stage", "killed", "after s", "found", "went on from step", "recovery s", "same md5s", "faults")


@dataclass(frozen=True)
class Project:
    root: Path
    run: str
    md5s: dict[str, str]
    seconds: dict[str, float]
    """How long each stage took in the unbroken run, DVC's part of it included."""


@dataclass(frozen=True)
class Trial:
    stage: str
    victim: str
    after: float
    found: str
    step: str
    recovery: float
    same: bool
    faults: tuple[str, ...]

    def row(self) -> str:
        cells = (
            self.stage,
            self.victim,
            f"{self.after:.1f}",
            self.found,
            self.step,
            f"{self.recovery:.0f}",
            "yes" if self.same else "NO",
        )
        return f"| {' | '.join([*cells, '; '.join(self.faults) or '-'])} |"


def prepare(folder: Path, run: str) -> Project:
    """A scratch project in which the whole graph ran once, unbroken and timed."""
    root = smoke.make_project(folder) if run == smoke.RUN else _clone(folder)
    log, seconds, current, since = folder / "unbroken.log", {}, "", 0.0
    with _repro(root, log) as process:
        for line, now in _lines(log, process):
            if found := RUNNING.match(line):
                if current:
                    seconds[current] = now - since
                current, since = found["stage"], now
        if process.returncode:
            sys.exit(log.read_text())
        seconds[current] = time.monotonic() - since
    return Project(root, run, smoke.md5s(root, run), seconds)


def _clone(folder: Path) -> Path:
    smoke.call(smoke.REPOSITORY, "git", "clone", "--quiet", "--no-hardlinks", ".", str(folder / "project"))
    smoke.call(folder / "project", "python", "-m", "flows.raw_data.data", "restore")
    return folder / "project"


def trial(project: Project, stage: str, victim: str, share: float) -> Trial:
    """One kill, `share` of the stage's time after it began, and the recovery by hand."""
    forget(project, stage)
    after, log = share * project.seconds[stage], project.root.parent / "killed.log"
    with _repro(project.root, log) as process:
        began = next(
            (now for line, now in _lines(log, process) if (m := RUNNING.match(line)) and m["stage"] == stage),
            None,
        )
        time.sleep(max(0.0, (began or 0) + after - time.monotonic()))
        ended = process.poll() is not None
        with contextlib.suppress(ProcessLookupError):
            (os.kill if victim == "DVC" else os.killpg)(process.pid, signal.SIGKILL)
    faults = [] if began and not ended else [f"it had ended before the kill: {_last_words(log)}"]
    left = _wait_for_none(project.root)
    faults += [f"orphan: {left}"] if left else []
    found = _found(project, stage)
    started, log = time.monotonic(), project.root.parent / "recovery.log"
    with _repro(project.root, log) as process:
        if process.wait(PATIENCE_SECONDS):
            faults.append(f"recovery failed: {_last_words(log)}")
    recovery, said = time.monotonic() - started, GOING_ON.search(log.read_text())
    return Trial(
        stage,
        victim,
        after,
        found,
        said["steps"] if said else "-",
        recovery,
        _is_same(project),
        (*faults, *_unclean(project)),
    )


def forget(project: Project, stage: str) -> None:
    """Takes from DVC all it knows of the stage's result, so that it must run.

    What it made is then gone too.
    """
    lock = project.root / "dvc.lock"
    document = YAML().load(lock.read_text(encoding="utf-8"))
    del document["stages"][f"{stage}@{project.run}"]
    with lock.open("w", encoding="utf-8") as file:
        YAML().dump(document, file)
    shutil.rmtree(project.root / ".dvc" / "cache" / "runs", ignore_errors=True)
    shutil.rmtree(project.root / "data" / project.run / stage)


@contextlib.contextmanager
def _repro(root: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`dvc repro` in a process group of its own, which is gone at the end in any case."""
    with log.open("wb") as output:
        command = ["dvc", "repro"]
        process = subprocess.Popen(
            command,
            cwd=root,
            env=smoke.environment(root),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    except BaseException:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        raise
    finally:
        process.wait(PATIENCE_SECONDS)


def _lines(log: Path, process: subprocess.Popen[bytes]) -> Iterator[tuple[str, float]]:
    """Whole lines as they are written, with the time, until the process ends."""
    with log.open(encoding="utf-8", errors="replace") as stream:
        line = ""
        while True:
            ended = process.poll() is not None
            while piece := stream.readline():
                line += piece
                if line.endswith("\n"):
                    yield line, time.monotonic()
                    line = ""
            if ended:
                return
            time.sleep(0.02)


def _last_words(log: Path) -> str:
    return " ".join(log.read_text(encoding="utf-8", errors="replace").split())[-300:]


def _found(project: Project, stage: str) -> str:
    """What the kill left of the stage's result."""
    place = project.root / "data" / project.run / stage
    left = (
        sorted(path.name for path in place.iterdir() if path.name != ".gitignore") if place.is_dir() else []
    )
    kept = [
        path
        for path in (project.root / "data" / ".scratch" / f"{stage}@{project.run}").glob("*/**/*")
        if path.is_file()
    ]
    begun = f"{len(kept)} files in scratch" if kept else "empty scratch"
    return f"{'+'.join(left) or 'no result'}, {begun}"


def _wait_for_none(root: Path) -> str:
    """The commands still at work in the project some seconds after the kill, ended then.

    Empty if all ended by themselves.
    """
    deadline = time.monotonic() + BY_ITSELF_SECONDS
    while (alive := list(_processes(root))) and time.monotonic() < deadline:
        time.sleep(0.1)
    left = []
    for process in alive:
        with contextlib.suppress(psutil.Error):
            left.append(" ".join(process.cmdline())[-60:])
            process.kill()
    return ", ".join(left)


def _processes(root: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cwd() == str(root) and process.status() != psutil.STATUS_ZOMBIE:
                yield process


def _is_same(project: Project) -> bool:
    return (project.root / "dvc.lock").exists() and smoke.md5s(project.root, project.run) == project.md5s


def _unclean(project: Project) -> list[str]:
    status = smoke.attempt(project.root, "dvc", "status").stdout.strip()
    faults = (
        []
        if status == "Data and pipelines are up to date."
        else [f"dvc status: {' '.join(status.split())[:200]}"]
    )
    scratch = [path for path in (project.root / "data" / ".scratch").glob("*/*") if path.is_dir()]
    faults += [f"left in scratch: {scratch}"] if scratch else []
    return faults + ([f"orphan after recovery: {left}"] if (left := _wait_for_none(project.root)) else [])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.kills", description=__doc__.partition("\n")[0] if __doc__ else None
    )
    parser.add_argument("--times", type=int, default=3, help="trials per stage (default: 3)")
    parser.add_argument("--run", default=smoke.RUN, help="smoke, or a run of the committed params.yaml")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument(
        "--stages",
        nargs="+",
        choices=list(stages.load_all()),
        default=list(stages.load_all()),
        metavar="STAGE",
    )
    given = parser.parse_args(arguments)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="slipway-kills-") as folder:
        project = prepare(Path(folder).resolve(), given.run)
        print("\n".join(f"| {' | '.join(cells)} |" for cells in (HEAD, ["---"] * len(HEAD))), flush=True)
        for number, stage in enumerate(given.stages):
            for time_ in range(given.times):
                share = random.Random(f"{given.seed} {stage} {time_}").random()
                done = trial(project, stage, ("all", "DVC")[(number + time_) % 2], share)
                failed += bool(done.faults) or not done.same
                print(done.row(), flush=True)
    print(
        f"\n{failed} of {len(given.stages) * given.times} failed; each stage's seconds unbroken: "
        f"{project.seconds}"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
