"""Kills a night of retraining at random moments, and looks whether the same command, run again, completes it
once and exactly.

    python -m tests.campaigns.nights --times 20 [--run smoke] [--seed 0] [--only aimed]

Works in a scratch folder: the smoke project, or for another run a clone of this repository's last commit with
a lighter recipe; with a bare git remote and a folder as DVC remote. For each of two policies, one that
promotes and one that refuses, a night is played once, unbroken; every other night begins from a copy of the
same project and has to end the same. In turns the whole process group of `python -m flows.retrain night` gets
`kill -9`, or the flow's process alone, and the command is run again at once. Of five kills three fall
anywhere: three to a night, in which nothing is trained yet. Two are aimed, at what comes between training and
the commit, and at publishing: one to a night, which finds its training in DVC's run-cache. Prints a table in
Markdown; exit status 1 if anything is not as the unbroken night left it.
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

from tasks.core import params
from tests import smoke, tiny
from tests.campaigns import claims, nightly, planting
from tests.campaigns.kills import BY_ITSELF_SECONDS
from tests.campaigns.nightly import Project
from tests.campaigns.planting import Corpus, Drop

HEAD = (
    "night",
    "ends as",
    "killed",
    "aimed at",
    "after s",
    "last told",
    "found",
    "seconds to the end",
    "faults",
)
AIMED = ("publishing", "judging", "publishing")
TOGETHER = 3
MOST = 1 / 3
"""Of an unbroken night's time, until a kill that falls anywhere: what was done before the kill before it is
not done again."""
ANYWHERE = "anywhere"
VICTIMS = ("all", "flow")
POLICIES: dict[str, dict[str, Any]] = {
    "promoted": {"promote_if": "no worse", "margin": 0.9, "max_class_fall": 1.0},
    "refused": {"promote_if": "better", "margin": 0.0, "max_growth": 1.0, "max_class_fall": 0.0},
}
"""Of the margins: with the one no challenger can be worse, with the other hardly any can be better."""
COMMON: dict[str, Any] = {"settle_seconds": 0.5, "on_shift": "tell", "max_slowdown": 100.0}
CARD = {"intended_use": "tests", "limits": "-", "data_licence": "-", "model_licence": "-"}
SMOKE: dict[str, Any] = {
    **{
        "min_new_rows": 60,
        "largest_file": 10.0,
        "unseen_labels": "refuse",
        "map_labels": {},
        "max_label_shift": 0.4,
    },
    **{
        "max_length_shift": 0.4,
        "max_content_shift": 0.85,
        "max_surprise": 0.15,
        "start": "pretrained",
        "seeds": 1,
    },
    **{
        "max_growth": 2.0,
        "publish": "main",
        "push": True,
        "card": CARD,
        "settle_seconds": 1.0,
        "on_shift": "refuse",
    },
    **{"margin": 0.01, "promote_if": "better", "max_class_fall": 0.1, "max_slowdown": 1.25},
}
LAX: dict[str, dict[str, Any]] = {
    "pretrain": {"further": None},
    "finetune": {"epochs": 1, "patience": 1},
    "distill": {"epochs": 1, "patience": 1},
    "benchmark": {"gates": {"min_quality_ratio": 0.01, "min_speedup": 0.01, "max_bytes": 10_000_000}},
}
"""What is less of the smoke recipe, for trials to be cheap; the models are as good as random."""
PATIENCE_SECONDS = 3600
TRIES = 5
STAGE = re.compile(
    r"Running stage '(?P<stage>\w+)@|Task run '(?P<cached>\w+)@\w+' - Finished|"
    r"- (?P<told>\S+: \d+ of \d+ rows taken|pushed to the DVC|pushed main)"
)
BENCHMARKED = re.compile(r"'benchmark@\w+' - Finished in state (Completed|Cached)")


@dataclass
class Reference:
    """An unbroken night.

    What it left, and when, in seconds, it had trained, made its commit, and published that.
    """

    left: dict[str, Any]
    end: float
    trained: float = 0.0
    committed: float = 0.0
    published: float = 0.0


@dataclass
class Kill:
    victim: str
    aim: str
    share: float
    after: float = 0.0
    told: str = ""
    found: str = ""


@dataclass
class Trial:
    number: int
    policy: str
    kills: list[Kill]
    tries: int = 0
    seconds: float = 0.0
    faults: list[str] = field(default_factory=list)

    @property
    def is_trained(self) -> bool:
        return self.kills[0].aim != ANYWHERE

    def rows(self) -> Iterator[str]:
        for kill in self.kills:
            last = kill is self.kills[-1]
            ended = [f"{self.seconds:.0f}", "; ".join(self.faults) or "-"] if last else ["", ""]
            start = [
                str(self.number),
                self.policy,
                kill.victim,
                kill.aim,
                f"{kill.after:.1f}",
                kill.told,
                kill.found,
            ]
            yield f"| {' | '.join([*start, *ended])} |"


def plan(times: int, seed: int) -> list[Trial]:
    """Nights with kills at seeded moments."""
    chance, aimed, trials = random.Random(seed), round(times * 0.4), list[Trial]()
    kills = [Kill(VICTIMS[at % 2], ANYWHERE, chance.random()) for at in range(times - aimed)]
    groups = [kills[at : at + TOGETHER] for at in range(0, len(kills), TOGETHER)]
    groups += [[Kill(VICTIMS[at // 2 % 2], AIMED[at % len(AIMED)], chance.random())] for at in range(aimed)]
    for number, group in enumerate(groups, 1):
        trials.append(Trial(number, list(POLICIES)[number % 2], group))
    return trials


# -- the projects --


def prepare(folder: Path, run: str, cache: Path | None) -> tuple[dict[str, Path], Drop]:
    """A folder for each policy, with a project whose champion is enrolled and in whose inbox a drop lies."""
    drop = _drop(run)
    if not (folder / "made").exists():
        (folder / "made").mkdir(parents=True)
        project = _smoke(folder / "made") if run == smoke.RUN else _clone(folder / "made", run)
        if cache:
            shutil.copytree(cache, project.root / ".dvc" / "cache", dirs_exist_ok=True)
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
    return planting.corpus(
        params.read(smoke.REPOSITORY / "params.yaml")[run], nightly.LIGHT["ingest"], seed=0
    )


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
        "tag of the champion": f"{project.run}@v{entry['version']}"
        in project.git("tag", "--points-at", champion).splitlines(),
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
        process = subprocess.Popen(
            command,
            cwd=project.root,
            env=env,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
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
    return Reference(
        left(project, drop), end, *(seen.get(name, end) for name in ("trained", "committed", "published"))
    )


def _marks(project: Project, log: Path) -> dict[str, Callable[[], bool]]:
    return {
        "trained": lambda: bool(BENCHMARKED.search(log.read_text(encoding="utf-8", errors="replace"))),
        "committed": lambda: _reference(project).exists(),
    }


def _reference(project: Project) -> Path:
    return project.root / ".git" / "refs" / "slipway" / "nights" / project.run


def trial(done: Trial, folder: Path, run: str, drop: Drop, usual: Reference, longest: float) -> None:
    project = Project(folder / "project", run)
    for number, kill in enumerate(done.kills):
        _kill(kill, project, folder / f"killed-{number}.log", usual, longest)
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
    done.seconds = time.monotonic() - started
    done.faults += [f"orphan: {one}" for one in _orphans(folder)]
    now = left(project, drop)
    done.faults += [
        f"{name}: {_short(now[name])} instead of {_short(was)}"
        for name, was in usual.left.items()
        if now[name] != was
    ]


def _kill(kill: Kill, project: Project, log: Path, usual: Reference, longest: float) -> None:
    """At its moment, or aimed: some time after a mark was seen."""
    log.touch()
    began, marks = time.monotonic(), _marks(project, log)
    with night(project, log) as process:
        wait = kill.share * MOST * longest
        if kill.aim != ANYWHERE:
            mark = marks["trained" if kill.aim == "judging" else "committed"]
            while process.poll() is None and not mark():
                time.sleep(0.005)
            wait = kill.share * (
                usual.committed - usual.trained
                if kill.aim == "judging"
                else usual.published - usual.committed
            )
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(wait)
        kill.after = time.monotonic() - began
        ended = process.poll() is not None
        with contextlib.suppress(ProcessLookupError):
            (os.killpg if kill.victim == "all" else os.kill)(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_SECONDS)
    kill.told, kill.found = _told_last(log), ("it had ended before; " if ended else "") + _found(project)


def _told_last(log: Path) -> str:
    last = "nothing yet"
    for found in STAGE.finditer(log.read_text(encoding="utf-8", errors="replace")):
        last = (
            f"{found['stage']} runs"
            if found["stage"]
            else f"{found['cached']} is there"
            if found["cached"]
            else found["told"]
        )
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
    made, drop = prepare(folder, given.run, given.cache)
    references: dict[str, Reference] = {}
    caches = folder / "trained"
    for policy, place in made.items():
        copy = _copied(place, folder / "unbroken", caches if caches.exists() else None)
        references[policy] = unbroken(copy, given.run, drop)
        if not caches.exists():
            shutil.copytree(copy / "project" / ".dvc" / "cache", caches)
        print(_told(policy, references[policy]), flush=True)
    longest = max(one.end for one in references.values())  # the first one, which had to train
    print("\n".join(f"| {' | '.join(cells)} |" for cells in (HEAD, ["---"] * len(HEAD))), flush=True)
    failed = count = 0
    for one in plan(given.times, given.seed):
        if given.only and one.is_trained != (given.only == "aimed"):
            continue
        copy = _copied(made[one.policy], folder / f"night-{one.number}", caches if one.is_trained else None)
        trial(one, copy, given.run, drop, references[one.policy], longest)
        failed += bool(one.faults)
        print("\n".join(one.rows()), flush=True)
        count += len(one.kills)
        if not one.faults:
            shutil.rmtree(copy)
    print(f"\n{count} kills; {failed} nights did not end as they should")
    return 1 if failed else 0


def _copied(place: Path, copy: Path, cache: Path | None) -> Path:
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(place, copy, symlinks=True)
    if cache:
        shutil.copytree(cache, copy / "project" / ".dvc" / "cache", dirs_exist_ok=True)
    return copy


def _told(policy: str, usual: Reference) -> str:
    found: Mapping[str, Any] = usual.left
    faults = "; ".join([*found["rows"], *found["unclean"], *found["inbox"], *found["references"]]) or "none"
    return (
        f"* unbroken, {policy}: {found['decision']}, v{found['version']}, {found['commits']} commits; "
        f"trained after {usual.trained:.0f} s, "
        f"commit after {usual.committed:.0f} s, published after {usual.published:.0f} s, ended after "
        f"{usual.end:.0f} s; faults: {faults}"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.nights", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--times", type=int, default=20, help="kills (default: 20)")
    parser.add_argument("--run", default=smoke.RUN, help="smoke, or a run of the committed params.yaml")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument(
        "--only", choices=["anywhere", "aimed"], help="kills that fall anywhere, or those that are aimed"
    )
    parser.add_argument(
        "--cache", type=Path, help="a DVC cache of before, to train the first champion no second time"
    )
    parser.add_argument(
        "--folder",
        type=Path,
        help="to work in; what was made there before is used again (default: a temporary one)",
    )
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="slipway-nights-") as scratch:
        return play((given.folder or Path(scratch) / "nights").resolve(), given)


if __name__ == "__main__":
    sys.exit(main())
