"""What the flows ask of git: commits, uncommitted edits, worktrees."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from flows import hooks

LAST_WORDS = 300
# git tells a hook or an alias where it is by these; a command about another folder must not hear them.
OF_ANOTHER = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")


class GitError(Exception):
    """With git's own words."""


class HookError(GitError):
    """With the last words of the hook that refused."""

    exit_code = 2


def git(root: Path, *arguments: str) -> str:
    """What `git arguments` prints in the folder `root`.

    Raises:
        HookError: a hook of the checkout refused it.
        GitError: it failed.
    """
    with tempfile.TemporaryDirectory(prefix="slipway-git-") as folder:
        trace = Path(folder) / "trace"
        done = _asked(root, *arguments, env={hooks.VARIABLE: str(trace)})
        hook = hooks.refused(trace) if done.returncode and trace.exists() else None
    if hook:
        words = " ".join((done.stdout + done.stderr).decode(errors="replace").split())[-LAST_WORDS:] or "it said nothing"
        remedy = "mend what it objects to, or the hook, and run this again"
        raise HookError(f"git {arguments[0]} was refused by the hook {Path(hook).name} ({hook}): {words}; {remedy}")
    if done.returncode:
        raise GitError(" ".join(done.stderr.decode(errors="replace").split()) or f"git {arguments[0]} ended with {done.returncode}")
    return done.stdout.decode().rstrip("\n")


def content(root: Path, revision: str, path: str) -> bytes | None:
    """A file as a commit has it; None where it has none."""
    done = _asked(root, "cat-file", "blob", f"{revision}:{path}")
    return None if done.returncode else done.stdout


def _asked(root: Path, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[bytes]:
    inherited = {name: value for name, value in os.environ.items() if name not in OF_ANOTHER}
    whole = {**inherited, "GIT_TERMINAL_PROMPT": "0", **(env or {})}
    return subprocess.run(["git", *arguments], cwd=root, env=whole, stdin=subprocess.DEVNULL, capture_output=True, check=False)


def commit(root: Path) -> str | None:
    """The full hash of the commit that is checked out; None where there is none yet."""
    try:
        return git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    except GitError:
        return None


def who(root: Path) -> str:
    """The name and address under which commits would be made here."""
    try:
        return git(root, "var", "GIT_COMMITTER_IDENT").rpartition(" ")[0].rpartition(" ")[0]
    except GitError:
        return "somebody without a name in git"


def edited(root: Path) -> list[str]:
    """Tracked files with uncommitted edits, those excepted that stages write: dvc.lock and data/, raw data's pointers apart."""
    try:
        lines = git(root, "status", "--porcelain", "--untracked-files=no", "--no-renames").splitlines()
    except GitError:
        return []
    names = sorted(line[3:].strip('"') for line in lines)
    return [name for name in names if name != "dvc.lock" and (not name.startswith("data/") or name.startswith("data/raw/"))]


def find(root: Path, revision: str) -> str | None:
    """The full hash of a commit, asked of the git remote where the checkout does not have it; None where neither knows it."""
    for fetch in (False, True):
        try:
            if fetch:
                git(root, "fetch", "--quiet", "--all")
            return git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        except GitError:
            continue
    return None
