"""The project's files and artifacts as a commit has them, read without checking it out."""

from __future__ import annotations

import copy
from pathlib import Path

from dvc.fs import DVCFileSystem, GitFileSystem
from dvc.repo import Repo


def files(repo: Repo, commit: str) -> DVCFileSystem:
    """Files of git, and artifacts from DVC's cache or remote, by paths relative to the project, be that a
    folder of the repository.

    The remotes are those of the checkout now, whatever the commit says of them: no other host is asked.
    """
    inside = Path(repo.root_dir).resolve().relative_to(Path(repo.scm.root_dir).resolve())
    there = Repo(
        root_dir=f"/{inside.as_posix()}".removesuffix("."),
        fs=GitFileSystem(scm=repo.scm, rev=commit),
        scm=repo.scm,
    )
    there.config["remote"] = copy.deepcopy(repo.config["remote"])
    there.config["core"]["remote"] = repo.config["core"].get("remote")
    return DVCFileSystem(repo=there)
