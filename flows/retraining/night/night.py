"""What a night works with.

A worktree of the project, the run and how it is retrained, and a way to bring the run up to date there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dvc.repo import Repo

from flows.checkout import committed
from flows.checkout.git import git, names
from flows.retraining.arrivals.intake import Taken
from flows.retraining.arrivals.store import Store
from flows.retraining.policy import Policy
from flows.retraining.publishing.push import Say
from flows.retraining.record import history, registry
from flows.retraining.record.history import Entry
from tasks.core import documents, params
from tasks.core.errors import DataError

MODEL, INGEST, TEACHER = "quantize/out", "ingest/out", "finetune/out"
Train = Callable[[str], None]
"""Brings a run up to date in the current directory. Raises NotTrainedError."""


class NotTrainedError(Exception):
    """A stage failed. `code` is as in flows/pipeline/reproduce.py."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Night:
    """`root` is the worktree, which is the current directory, at the commit `base`.

    `train` brings the run up to date in it.
    """

    root: Path
    run: str
    policy: Policy
    train: Train
    say: Say
    base: str

    @property
    def params(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = params.read(self.root / "params.yaml")[self.run]
        return found

    @property
    def store(self) -> Store:
        return Store(self.root, self.run)

    def folder(self, artifact: str) -> Path:
        return self.root / "data" / self.run / artifact

    def champions_commit(self) -> str:
        return registry.commit_of(self.root, self.run, self.base)

    def fetch(self, artifact: str, commit: str, to: Path) -> None:
        """An artifact of the run as a commit has it, from DVC's cache or remote.

        Raises:
            DataError: neither has it.
        """
        to.parent.mkdir(parents=True, exist_ok=True)
        try:
            with closing(Repo(str(self.root))) as repo:
                committed.files(repo, commit).get(f"data/{self.run}/{artifact}", str(to), recursive=True)
        except Exception as error:  # each kind of remote has errors of its own
            why = " ".join(str(error).split())[:200]
            raise DataError(
                f"data/{self.run}/{artifact}",
                f"of {commit[:12]} is neither in DVC's cache nor in its remote: {why}",
            ) from None

    def locked(self) -> dict[str, str]:
        """Path -> md5 of the run's outputs in dvc.lock."""
        path = self.root / "dvc.lock"
        stages = (
            (documents.yaml(path.read_bytes(), path.name) or {}).get("stages", {}) if path.exists() else {}
        )
        return {
            out["path"]: out["md5"]
            for name, stage in stages.items()
            if name.endswith(f"@{self.run}")
            for out in stage.get("outs", [])
        }

    def back_to_champion(self) -> None:
        """Params, lock, figures and raw data are those of the base again.

        What was collected, set aside or measured of seeds stays.
        """
        git(
            self.root,
            "checkout",
            "--quiet",
            self.base,
            "--",
            "params.yaml",
            "dvc.lock",
            f"{self.store.raw.name}.dvc",
        )
        self.take_pointer(self.base)
        kept = f"{history.folder(self.run).as_posix()}/"
        for path in names(self.root, "ls-tree", "-r", "--name-only", self.base, "--", f"data/{self.run}"):
            if not path.startswith(kept):
                git(self.root, "checkout", "--quiet", self.base, "--", path)
        self.store.restore()

    def take_pointer(self, commit: str) -> None:
        """The pointer of the teacher that a commit's champion began from, if it has one."""
        teacher = self.store.teacher
        if git(self.root, "ls-tree", "--name-only", commit, "--", f"{teacher.name}.dvc"):
            git(self.root, "checkout", "--quiet", commit, "--", f"{teacher.name}.dvc")
        else:
            teacher.path.unlink(missing_ok=True)

    def entry(self, decision: str, why: str, version: int, taken: Sequence[Taken] = (), **more: Any) -> Entry:
        """A line of the history; rows that could not even be counted are not counted."""
        entries = history.read(self.root, self.run)
        arrived, kept = sum(one.rows or 0 for one in taken), sum(one.taken for one in taken)
        told: Entry = {
            "run": self.run,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "base": self.base,
            "decision": decision,
            "why": why,
            "version": version,
            "files": [one.as_json() for one in taken],
            "rows": {"arrived": arrived, "taken": kept, "set_aside": arrived - kept},
            "collected": entries[-1]["collected"] if entries else 0,
            "waiting": history.waiting(entries),
            "seconds": 0.0,
            "judgement": None,
            "spread": None,
        }
        return told | more
