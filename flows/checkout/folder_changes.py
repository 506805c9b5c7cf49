"""Which files of a folder changed: dvc.lock keeps one hash for a folder of code, and git knows the rest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from flows.checkout import git
from flows.checkout.git import GitError
from tasks.core import documents
from tasks.core.errors import SlipwayError

LOCK = "dvc.lock"
MOST_COMMITS = 50
"""How far back the commit that wrote an entry of dvc.lock is looked for, in commits that touched its hash."""
MOVED = "R100"


def between(root: Path, a: str | None, b: str | None) -> list[str]:
    """Files of the project that differ between two commits, sorted; None stands for the workspace.

    A file that was moved and not changed is none of them; one that was moved and changed has its new name.

    Raises:
        GitError: git cannot compare the two.
    """
    if a is None and b is None:
        return []
    order = [a, b] if a and b else [a] if a else ["-R", str(b)]
    told = git.names(root, "diff", "--no-ext-diff", "--relative", "--name-status", "-M", *filter(None, order))
    files = set(_changed(iter(told)))
    if a is None or b is None:
        files.update(git.names(root, "ls-files", "--others", "--exclude-standard"))
    return sorted(files)


def _changed(words: Iterator[str]) -> Iterator[str]:
    """Of `git diff --name-status -z`: a status, then one name, or two of what was moved or copied."""
    for status in words:
        name = next(words)
        if status[0] in "RC":
            name = next(words)
        if status != MOVED:
            yield name


def since_run(root: Path, stage: str, folder: str, md5: str, revision: str | None) -> list[str]:
    """Files of a folder that changed since the stage was run with it; [] where git cannot say.

    Args:
        stage: As dvc.lock names it, such as prune@bbc.
        folder: Relative to the project, as dvc.lock has it.
        md5: The hash of the folder in dvc.lock, as it is in `revision`.
        revision: The commit that is looked at; None for the workspace.
    """
    try:
        written = _writer(root, stage, folder, md5, revision or "HEAD")
        return within(folder, between(root, written, revision)) if written else []
    except GitError:
        return []


def within(folder: str, files: list[str]) -> list[str]:
    """Those of the files that lie in the folder, pages apart: DVC leaves them out of a folder's hash."""
    return [name for name in files if name.startswith(f"{folder}/") and not name.endswith(".md")]


def _writer(root: Path, stage: str, folder: str, md5: str, revision: str) -> str | None:
    """The commit that wrote the entry of the stage into dvc.lock as it is; None where none did."""
    touched = git.git(
        root, "log", f"-S{md5}", f"-n{MOST_COMMITS}", "--format=%H", revision, "--", LOCK
    ).splitlines()
    found = None
    for commit in touched:  # the newest first
        if _locked(root, commit, stage).get(folder) != md5:
            break
        found = commit
    return found


def _locked(root: Path, commit: str, stage: str) -> dict[str, str]:
    """Dependency -> hash of a stage, as dvc.lock of a commit has them."""
    try:
        lock: Any = documents.yaml(git.content(root, commit, LOCK) or b"", LOCK)
        deps = lock["stages"][stage]["deps"]
        return {normal(str(dep["path"])): str(dep.get("md5")) for dep in deps}
    except (SlipwayError, LookupError, TypeError, AttributeError):
        return {}


def normal(path: str) -> str:
    """The path without `..`, as git names it; dvc.yaml may say `${item.kind}/../common`."""
    steps: list[str] = []
    for step in path.split("/"):
        if step == ".." and steps:
            steps.pop()
        elif step not in ("", "."):
            steps.append(step)
    return "/".join(steps)
