"""Which two revisions are compared.

Commits, tags, branches, DVC experiments or the workspace, all faults of the call at once.
"""

from __future__ import annotations

import difflib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dvc.repo import Repo
from dvc.repo.experiments.utils import exp_refs
from dvc.scm import RevError, resolve_rev

from flows.checkout import git
from flows.checkout.git import GitError
from tasks.core.errors import ParamsError, did_you_mean

WORKSPACE = "workspace"
MAIN = ("main", "origin/main", "master", "origin/master")
MOST = 20
"""Names that a message lists."""
REACH = 50
"""How many commits a shallow clone is deepened by to find one that is named by its distance."""


@dataclass(frozen=True)
class Revision:
    """`commit` is None for the workspace; `why` says how it was chosen, where the caller did not name it."""

    name: str
    commit: str | None
    why: str = ""

    @property
    def told(self) -> str:
        """The name, and the commit where the name does not say it."""
        if self.commit is None or self.commit.startswith(self.name):
            return self.name if self.commit is None else self.name[:7]
        return f"{self.name} ({self.commit[:7]})"


def resolve(root: Path, repo: Repo, a: str | None, b: str | None) -> tuple[Revision, Revision]:
    """The two revisions; A by default what the work on this branch began from, B the workspace.

    Raises:
        ParamsError: there is no such revision, or no history to compare with.
    """
    faults: list[str] = []
    second = Revision(WORKSPACE, None) if b in (None, WORKSPACE) else _named(root, repo, str(b), "B", faults)
    first = _base(root, second, faults) if a is None else _named(root, repo, a, "A", faults)
    if first is None or second is None:
        raise ParamsError("revisions", *faults)
    return first, second


def _named(root: Path, repo: Repo, name: str, side: str, faults: list[str]) -> Revision | None:
    if name == WORKSPACE:
        return Revision(WORKSPACE, None)
    commit = None if name.startswith("-") or not name.strip() else _find(root, repo, name)
    if commit is None:
        shallow = "; this clone is shallow: `git fetch --unshallow` brings the rest" if _shallow(root) else ""
        known = did_you_mean(name, [WORKSPACE, *_names(root, repo, name)])
        faults.append(
            f"{side} = {name!r}: is no commit, tag, branch or experiment that is known here{shallow or known}"
        )
        return None
    return Revision(name, commit)


def _find(root: Path, repo: Repo, name: str) -> str | None:
    """Here, else where the clone came from: what a shallow clone lacks is fetched, and no more.

    DVC is asked for names of experiments.
    """
    if found := _commit(root, name):
        return found
    with suppress(RevError):
        return str(resolve_rev(repo.scm, name))
    for fetch in _fetches(root, name):
        with suppress(GitError):
            git.git(root, "fetch", "--quiet", *fetch)
            return _commit(root, "FETCH_HEAD" if fetch[-1] == name else name)
    return None


def _commit(root: Path, name: str) -> str | None:
    try:
        return git.git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    except GitError:
        return None


def _fetches(root: Path, name: str) -> list[list[str]]:
    remotes = git.git(root, "remote").splitlines()
    if (
        not remotes or name.startswith("+") or set(name) & set(":*")
    ):  # git would take them for branches to write here
        return []
    remote, shallow = "origin" if "origin" in remotes else remotes[0], _shallow(root)
    if set(name) & set("~^@{}"):
        return [[f"--deepen={REACH}", remote]] if shallow else []
    return [[*(["--depth=1"] if shallow else []), remote, name]]


def _shallow(root: Path) -> bool:
    return git.git(root, "rev-parse", "--is-shallow-repository") == "true"


def _names(root: Path, repo: Repo, wrong: str) -> list[str]:
    refs = git.git(
        root, "for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/tags", "refs/remotes"
    ).splitlines()
    names = [*refs, *(ref.name for ref in exp_refs(repo.scm))]
    return names if len(names) <= MOST else difflib.get_close_matches(wrong, names) or names[:MOST]


def _base(root: Path, other: Revision | None, faults: list[str]) -> Revision | None:
    """Where the branch left main.

    On main itself the commit before, or the last one if the workspace has edits.
    """
    tip = (other and other.commit) or git.commit(root)
    if tip is None:
        faults.append("A: this project has no commit yet; make one, and there is something to compare with")
        return None
    for main in MAIN:
        try:
            base = git.git(root, "merge-base", main, tip)
        except GitError:
            continue
        if base != tip:
            return Revision(f"merge base with {main}", base, f"where this branch left {main}")
    if (other is None or other.commit is None) and git.changed(root):
        return Revision("HEAD", tip, "the last commit: the workspace has edits")
    try:
        return Revision(
            f"{tip[:7]}~1", git.git(root, "rev-parse", "--verify", "--quiet", f"{tip}~1"), "the commit before"
        )
    except GitError:
        more = (
            "this clone is shallow: name A, or `git fetch --unshallow`"
            if _shallow(root)
            else "there is no commit before it"
        )
        faults.append(f"A: {tip[:7]} has nothing before it here; {more}")
        return None
