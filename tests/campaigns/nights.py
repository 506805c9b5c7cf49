"""Kills a night of retraining at random moments, and looks whether the same command, run again, completes it once and exactly.

    python -m tests.campaigns.nights --times 20 [--run smoke] [--seed 0] [--only 3 4 ...]

Works in a scratch folder: the smoke project, or for another run a clone of this repository's last commit with a lighter recipe; with a
bare git remote and a folder as DVC remote. For each of two policies, one that promotes and one that refuses, a night is played once,
unbroken. A trial begins from a copy of the project as it was before, so that nothing is trained yet; in turns the whole process group of
`python -m flows.retrain night` gets `kill -9`, or the flow's process alone. The moments are spread over the whole night; two in five are
aimed, at what comes between training and the commit, and at publishing. Prints a table in Markdown; exit status 1 if a trial did not end
as the unbroken night did.
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from tasks.shared import params
from tests import smoke, tiny
from tests.campaigns import claims, nightly, planting
from tests.campaigns.kills import BY_ITSELF_SECONDS
from tests.campaigns.nightly import Project
from tests.campaigns.planting import Corpus, Drop

HEAD = ("no.", "ends as", "killed", "aimed at", "after s", "phase", "found", "runs until done", "recovery s", "faults")
AIMS = ("anywhere", "anywhere", "publishing", "anywhere", "judging")
VICTIMS = ("all", "flow")
POLICIES: dict[str, dict[str, Any]] = {
    "promoted": {"promote_if": "no worse", "margin": 0.9, "max_class_fall": 1.0},
    "refused": {"promote_if": "better", "margin": 0.0, "max_growth": 1.0, "max_class_fall": 0.0},
}
"""Of the margins: with the one no challenger can be worse, with the other hardly any can be better."""
COMMON: dict[str, Any] = {"settle_seconds": 0.5, "on_shift": "tell", "max_slowdown": 100.0}
CARD = {"intended_use": "tests", "limits": "-", "data_licence": "-", "model_licence": "-"}
SMOKE: dict[str, Any] = {
    **{"min_new_rows": 60, "largest_file": 10.0, "unseen_labels": "refuse", "map_labels": {}, "max_label_shift": 0.4},
    **{"max_length_shift": 0.4, "max_content_shift": 0.85, "max_surprise": 0.15, "start": "pretrained", "seeds": 1},
    **{"max_growth": 2.0, "publish": "main", "push": True, "card": CARD, "settle_seconds": 1.0, "on_shift": "refuse"},
    **{"margin": 0.01, "promote_if": "better", "max_class_fall": 0.1, "max_slowdown": 1.25},
}
LAX: dict[str, dict[str, Any]] = {
    "pretrain": {"steps": 0},
    "finetune": {"epochs": 1, "patience": 1},
    "distill": {"epochs": 1, "patience": 1},
    "benchmark": {"gates": {"min_quality_ratio": 0.01, "min_speedup": 0.01, "max_bytes": 10_000_000}},
}
"""What is less of the smoke recipe, for trials to be cheap; the models are as good as random."""
PATIENCE_SECONDS = 3600
TRIES = 5
STAGE = re.compile(r"Running stage '(?P<stage>\w+)@|(?P<told>rows taken|pushed to the DVC remote|pushed main)")
BENCHMARKED = re.compile(r"benchmark@\w+.*Completed|'benchmark@\w+'.*Completed")


@dataclass
class Reference:
    """An unbroken night: what it left, and when, in seconds, it had trained, made its commit, and published that."""

    left: dict[str, Any]
    end: float
    trained: float = 0.0
    committed: float = 0.0
    published: float = 0.0


@dataclass
class Trial:
    number: int
    policy: str
    victim: str
    aim: str
    after: float = 0.0
    phase: str = ""
    found: str = ""
    tries: int = 0
    recovery: float = 0.0
    faults: list[str] = field(default_factory=list)

    def row(self) -> str:
        cells = [str(self.number), self.policy, self.victim, self.aim, f"{self.after:.1f}", self.phase, self.found]
        return f"| {' | '.join([*cells, str(self.tries), f'{self.recovery:.0f}', '; '.join(self.faults) or '-'])} |"


# -- the projects --


def prepare(folder: Path, run: str) -> tuple[dict[str, Path], Drop]:
    """A folder for each policy, with a project whose champion is enrolled and in whose inbox a drop lies."""
    drop = _drop(run)
    if not (folder / "made").exists():
        (folder / "made").mkdir(parents=True)
        project = _smoke(folder / "made") if run == smoke.RUN else _clone(folder / "made", run)
        nightly.make_champion(project)
        enrolled = project.call("enroll", run)
        assert enrolled.code == 0, enrolled.said
    made = {}
    for policy, values in POLICIES.items():
        made[policy] = folder / policy
        shutil.rmtree(made[policy], ignore_errors=True)
        shutil.copytree(folder / "made", made[policy], symlinks=True)
        one = Project(made[policy] / "project", run)
        nightly.with_params(one.root, run, {}, {**COMMON, **values})
        smoke.commit(one.root, f"a policy for nights that are {policy}")
        one.git("push", "--quiet", "origin", "main")
        one.inbox.mkdir(parents=True)
        (one.inbox / drop.name).write_bytes(drop.content)
    return made, drop


def _drop(run: str) -> Drop:
    rows = tiny.articles()[smoke.ROWS : smoke.ROWS + 100] if run == smoke.RUN else _corpus(run).later[:150]
    return planting.malformed("drop.jsonl", rows, random.Random(0))


def _corpus(run: str) -> Corpus:
    return planting.corpus(params.read(smoke.REPOSITORY / "params.yaml")[run], nightly.LIGHT["ingest"], seed=0)


def _smoke(folder: Path) -> Project:
    root = smoke.make_project(folder)
    smoke.call(root, "git", "branch", "--move", "main")
    nightly.with_params(root, smoke.RUN, LAX, SMOKE)
    nightly.with_remotes(root)
    smoke.commit(root, "how it is retrained")
    return Project(root, smoke.RUN)


def _clone(folder: Path, run: str) -> Project:
    project = nightly.clone(folder, run, _corpus(run).start, {"seeds": 1})
    smoke.commit(project.root, "how it is retrained")
    return project


def left(project: Project, drop: Drop) -> dict[str, Any]:
    """What has to be the same after a night, however often it was begun."""
    entry = project.history()[-1]
    locked = {path: md5 for path, md5 in project.locked().items() if not path.endswith(smoke.OF_THE_DAY)}
    tags = project.git("for-each-ref", "--format=%(refname:short)", "refs/tags").splitlines()
    champion = project.git("log", "-1", "--format=%H", "--", f"registry/{project.run}/champion.json")
    return {
        "decision": entry["decision"],
        "version": entry["version"],
        "lines of history": len(project.history()),
        "commits": int(project.git("rev-list", "--count", "HEAD")),
        "tags": tags,
        "tag of the champion": f"{project.run}@v{entry['version']}" in project.git("tag", "--points-at", champion).splitlines(),
        "raw": project.pointed("raw"),
        "collected": project.pointed("collected"),
        "quarantine": project.pointed("quarantine"),
        "outputs": locked,
        "inbox": sorted(path.name for path in project.inbox.iterdir()),
        "rows": [str(one) for one in claims.of_rows(project, [drop]) if not one.holds],
        "unclean": project.unclean(),
        "references": project.git("for-each-ref", "--format=%(refname)", "refs/slipway").splitlines(),
        "worktrees": len(project.git("worktree", "list").splitlines()),
    }


# -- a night --


@contextlib.contextmanager
def night(project: Project, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "flows.retrain", "night", project.run]
    env = smoke.environment(project.root)
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=project.root, env=env, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_SECONDS)


def unbroken(folder: Path, run: str, drop: Drop) -> Reference:
    project, log, started = Project(folder / "project", run), folder / "unbroken.log", time.monotonic()
    seen: dict[str, float] = {}
    with night(project, log) as process:
        while process.poll() is None:
            for name, true in _marks(project, log).items():
                if name not in seen and true():
                    seen[name] = time.monotonic() - started
            if "published" not in seen and "committed" in seen and not _reference(project).exists():
                seen["published"] = time.monotonic() - started
            time.sleep(0.01)
        assert process.returncode == 0, log.read_text(encoding="utf-8")
    end = time.monotonic() - started
    return Reference(left(project, drop), end, *(seen.get(name, end) for name in ("trained", "committed", "published")))


def _marks(project: Project, log: Path) -> dict[str, Callable[[], bool]]:
    return {
        "trained": lambda: bool(BENCHMARKED.search(log.read_text(encoding="utf-8", errors="replace"))),
        "committed": lambda: _reference(project).exists(),
    }


def _reference(project: Project) -> Path:
    return project.root / ".git" / "refs" / "slipway" / "nights" / project.run


def trial(done: Trial, folder: Path, run: str, drop: Drop, usual: Reference, share: float) -> Trial:
    project, log = Project(folder / "project", run), folder / "killed.log"
    log.touch()
    _kill(done, project, log, usual, share)
    started = time.monotonic()
    while done.tries < TRIES:
        done.tries += 1
        with night(project, folder / "recovery.log") as process:
            code = process.wait(PATIENCE_SECONDS)
        if code == 0:
            break
        time.sleep(1)
    else:
        done.faults.append(f"never completed, last ended {code}: {_last_words(folder / 'recovery.log')}")
    done.recovery = time.monotonic() - started
    done.faults += [f"orphan: {one}" for one in _orphans(folder)]
    now = left(project, drop)
    done.faults += [f"{name}: {_short(now[name])} instead of {_short(was)}" for name, was in usual.left.items() if now[name] != was]
    return done


def _kill(done: Trial, project: Project, log: Path, usual: Reference, share: float) -> None:
    """At its moment, or aimed: some time after a mark was seen."""
    began, marks = time.monotonic(), _marks(project, log)
    with night(project, log) as process:
        if done.aim == "anywhere":
            wait = share * usual.end
        else:
            mark = marks["trained" if done.aim == "judging" else "committed"]
            while process.poll() is None and not mark():
                time.sleep(0.005)
            length = usual.committed - usual.trained if done.aim == "judging" else usual.published - usual.committed
            wait = share * length
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, wait if done.aim != "anywhere" else began + wait - time.monotonic()))
        done.after = time.monotonic() - began
        if process.poll() is not None:
            done.found = "it had ended before; "
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if done.victim == "all" else os.kill)(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_SECONDS)
    done.phase, done.found = _phase(log), done.found + _found(project)


def _phase(log: Path) -> str:
    """What the log told last."""
    last = "before the intake"
    for found in STAGE.finditer(log.read_text(encoding="utf-8", errors="replace")):
        last = f"in or after {found['stage']}" if found["stage"] else f"after: {found['told']}"
    return last


def _found(project: Project) -> str:
    commit = "a commit prepared" if _reference(project).exists() else "no commit prepared"
    taken = len(project.git("log", "--format=%H", "origin/main..HEAD").splitlines())
    return f"{commit}, {taken} not pushed, {len(list(project.inbox.iterdir()))} in the inbox"


def _orphans(folder: Path) -> list[str]:
    """Commands at work in the trial's folder some seconds after all was over."""
    deadline = time.monotonic() + BY_ITSELF_SECONDS
    while (alive := list(_processes(folder))) and time.monotonic() < deadline:
        time.sleep(0.1)
    told = []
    for process in alive:
        with contextlib.suppress(psutil.Error):
            told.append(" ".join(process.cmdline())[-60:])
            process.kill()
    return told


def _processes(folder: Path) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if Path(process.cwd()).is_relative_to(folder) and process.status() != psutil.STATUS_ZOMBIE:
                yield process


def _last_words(log: Path) -> str:
    return " ".join(log.read_text(encoding="utf-8", errors="replace").split())[-300:]


def _short(value: object) -> str:
    return str(value)[:200]


def play(folder: Path, given: argparse.Namespace) -> int:
    made, drop = prepare(folder, given.run)
    references: dict[str, Reference] = {}
    for policy, place in made.items():
        copy = folder / "unbroken"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(place, copy, symlinks=True)
        references[policy] = unbroken(copy, given.run, drop)
        print(_told(policy, references[policy]), flush=True)
        shutil.rmtree(copy)
    print("\n".join(f"| {' | '.join(cells)} |" for cells in (HEAD, ["---"] * len(HEAD))), flush=True)
    failed = 0
    for number in given.only or range(1, given.times + 1):
        policy = list(POLICIES)[(number // 2) % 2]
        one = Trial(number, policy, VICTIMS[number % 2], AIMS[number % 5])
        copy = folder / f"trial-{number}"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(made[policy], copy, symlinks=True)
        trial(one, copy, given.run, drop, references[policy], random.Random(f"{given.seed} {number}").random())
        failed += bool(one.faults)
        print(one.row(), flush=True)
        if not one.faults:
            shutil.rmtree(copy)
    print(f"\n{failed} of {len(given.only or range(given.times))} failed")
    return 1 if failed else 0


def _told(policy: str, usual: Reference) -> str:
    found: Mapping[str, Any] = usual.left
    faults = "; ".join([*found["rows"], *found["unclean"], *found["inbox"], *found["references"]]) or "none"
    return (
        f"* unbroken, {policy}: {found['decision']}, v{found['version']}, {found['commits']} commits; trained after {usual.trained:.0f} s, "
        f"commit after {usual.committed:.0f} s, published after {usual.published:.0f} s, ended after {usual.end:.0f} s; faults: {faults}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.nights", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--times", type=int, default=20, help="trials (default: 20)")
    parser.add_argument("--run", default=smoke.RUN, help="smoke, or a run of the committed params.yaml")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--only", type=int, nargs="+", metavar="N", help="these trials alone, by their numbers from 1 on")
    parser.add_argument("--folder", type=Path, help="to work in; what was made there before is used again (default: a temporary one)")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="slipway-nights-") as scratch:
        return play((given.folder or Path(scratch) / "nights").resolve(), given)


if __name__ == "__main__":
    sys.exit(main())
