"""A scratch project for nights of retraining, with a bare git remote and a folder as DVC remote beside it,
and what is looked at in it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests import smoke

CLEAN = "Data and pipelines are up to date."
POOL = 1000
"""Texts that the teacher labels for the student."""
LIGHT: dict[str, dict[str, Any]] = {
    "ingest": {"test": 0.5},
    "finetune": {"epochs": 3, "patience": 3, "pool_outputs": POOL},
    "prune": {"measured": {"batches": 10, "batch_size": 32}},
    "distill": {"pool": POOL},
    "quantize": {"min_agreement": 0.9},
    "benchmark": {
        "resamples": 500,
        "latency_inputs": 3,
        "rounds": 3,
        "gates": {"min_quality_ratio": 0.8, "min_speedup": 2.0, "max_bytes": 4570000},
    },
}
"""What makes the committed recipe lighter, so that a night takes minutes, with wider gates; and the frozen
test split larger, so that it can see what a quarter brings: with 649 rows what a few hundred more rows to
learn from gain is smaller than what they can see."""


@dataclass(frozen=True)
class Project:
    root: Path
    run: str

    @property
    def inbox(self) -> Path:
        return self.root / "data" / "inbox" / self.run

    def git(self, *arguments: str) -> str:
        return smoke.call(self.root, "git", *arguments).strip()

    def locked(self, revision: str = "HEAD") -> dict[str, str]:
        """Path -> md5 of each output of the run in a commit's dvc.lock."""
        stages = YAML(typ="safe").load(self.git("show", f"{revision}:dvc.lock"))["stages"]
        return {
            out["path"]: out["md5"]
            for name, one in stages.items()
            if name.endswith(f"@{self.run}")
            for out in one["outs"]
        }

    def pointed(self, place: str, revision: str = "HEAD") -> str:
        """The md5 of data/<place>/<run> in a commit; empty if it has none."""
        found = smoke.attempt(self.root, "git", "show", f"{revision}:data/{place}/{self.run}.dvc")
        return str(YAML(typ="safe").load(found.stdout)["outs"][0]["md5"]) if found.returncode == 0 else ""

    def folder(self, md5: str) -> dict[str, str]:
        """Name -> md5 of the files of a folder in DVC's cache."""
        return (
            {one["relpath"]: one["md5"] for one in json.loads(self.cached(md5).read_text(encoding="utf-8"))}
            if md5
            else {}
        )

    def cached(self, md5: str) -> Path:
        return self.root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]

    def history(self) -> list[dict[str, Any]]:
        file = self.root / "data" / self.run / "retrain" / "history.jsonl"
        return (
            [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
            if file.exists()
            else []
        )

    def call(self, *arguments: str) -> Ended:
        """`python -m flows.retrain ...`, however it ends."""
        started = time.monotonic()
        done = smoke.attempt(self.root, "python", "-m", "flows.retrain", *arguments)
        return Ended(done.returncode, done.stdout + done.stderr, time.monotonic() - started)

    def unclean(self) -> list[str]:
        """What git, DVC or the remotes say that is not right after a night."""
        found = [f"git: {line}" for line in self.git("status", "--porcelain").splitlines()]
        for what, command in {"DVC": ("status",), "DVC remote": ("status", "--cloud")}.items():
            said = smoke.attempt(self.root, "dvc", *command)
            told = " ".join((said.stdout + said.stderr).split())
            if said.returncode or not ("up to date" in told or "in sync" in told):
                found.append(f"{what}: {told[:300]}")
        here = self.git("rev-parse", "HEAD")
        tags = self.git("for-each-ref", "--format=%(refname)", "refs/tags").splitlines()
        there = {
            name: md5
            for md5, name in (line.split("\t") for line in self.git("ls-remote", "origin").splitlines())
        }
        if there.get("refs/heads/main") != here:
            found.append("git remote: its main is not ours")
        found += [f"git remote: lacks {tag}" for tag in tags if tag not in there]
        return found


@dataclass(frozen=True)
class Ended:
    code: int
    said: str
    seconds: float


def clone(
    folder: Path, run: str, start: Sequence[Mapping[str, str]], policy: Mapping[str, Any], pool: int = POOL
) -> Project:
    """This repository's last commit, with a lighter recipe and the rows of the start.

    Its champion is not made yet.
    """
    root = folder / "project"
    smoke.call(smoke.REPOSITORY, "git", "clone", "--quiet", "--no-hardlinks", ".", str(root))
    smoke.call(root, "git", "checkout", "--quiet", "-B", "main")
    smoke.call(root, "git", "remote", "remove", "origin")
    for tag in smoke.call(root, "git", "tag").splitlines():
        smoke.call(root, "git", "tag", "--delete", tag)
    with_params(
        root,
        run,
        {**LIGHT, "finetune": {**LIGHT["finetune"], "pool_outputs": pool}, "distill": {"pool": pool}},
        policy,
    )
    (root / "data" / "raw" / f"{run}.dvc").unlink()
    rows = folder / "start.jsonl"
    rows.write_text(json_lines(start), encoding="utf-8")
    smoke.call(root, "python", "-m", "flows.raw_data.data", "add", run, str(rows))
    with_remotes(root)
    return Project(root, run)


def with_params(
    root: Path, run: str, recipe: Mapping[str, Mapping[str, Any]], policy: Mapping[str, Any]
) -> None:
    yaml = YAML()
    yaml.width = 1000
    document = yaml.load((root / "params.yaml").read_text(encoding="utf-8"))
    for stage, values in recipe.items():
        document["runs"][run][stage].update(values)
    document.setdefault("retrain", {}).setdefault(run, {}).update(policy)
    with (root / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(document, file)


def with_remotes(root: Path) -> None:
    """Both beside the project, named relative to it, so that a copy of the whole folder has remotes of its
    own.
    """
    smoke.call(root, "git", "init", "--quiet", "--bare", "../remote.git")
    smoke.call(root, "git", "remote", "add", "origin", "../remote.git")
    smoke.call(root, "dvc", "remote", "add", "--quiet", "--default", "store", "../store")


def make_champion(project: Project) -> float:
    """`dvc repro`, committed and pushed; the seconds it took."""
    started = time.monotonic()
    done = smoke.attempt(project.root, "dvc", "repro", f"benchmark@{project.run}")
    assert done.returncode == 0, done.stdout + done.stderr
    seconds = time.monotonic() - started
    smoke.commit(project.root, "the first model")
    smoke.call(project.root, "git", "push", "--quiet", "origin", "main")
    smoke.attempt(project.root, "dvc", "push")
    return seconds


def json_lines(rows: Sequence[Mapping[str, str]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
