"""What the flows ask of git: commits, uncommitted edits, worktrees.

Paths are the project's, which may lie inside a larger repository.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from flows.checkout import hooks
from tasks.core.errors import SlipwayError

LAST_WORDS = 300
# git tells a hook or an alias where it is by these; a command about another folder must not hear them.
OF_ANOTHER = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_NAMESPACE"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_SHALLOW_FILE", "GIT_GRAFT_FILE"),
)


UNBORN = "`git rev-parse` ended with 1"
"""What is said of a branch that has no commit."""
ENGLISH = {"GIT_TERMINAL_PROMPT": "0", "LANGUAGE": "en"}


class GitError(SlipwayError):
    """With git's own words."""

    exit_code = 2

    def __init__(self, words: str) -> None:
        super().__init__("git", words)


class HookError(GitError):
    """With the last words of the hook that refused."""

    exit_code = 2


def git(root: Path, *arguments: str) -> str:
    """What `git arguments` prints in the folder `root`.

    Raises:
        HookError: a hook of the checkout refused it.
        GitError: it failed, or there is no git.
    """
    with tempfile.TemporaryDirectory(prefix="slipway-git-") as folder:
        trace = Path(folder) / "trace"
        done = _asked(root, *arguments, env={hooks.VARIABLE: str(trace)})
        hook = hooks.refused(trace) if done.returncode and trace.exists() else None
    if hook:
        words = (
            " ".join((done.stdout + done.stderr).decode(errors="replace").split())[-LAST_WORDS:]
            or "it said nothing"
        )
        remedy = "mend what it objects to, or the hook, and run this again"
        raise HookError(
            f"git {arguments[0]} was refused by the hook {Path(hook).name} ({hook}): {words}; {remedy}"
        )
    if done.returncode:
        raise GitError(
            " ".join(done.stderr.decode(errors="replace").split())
            or f"`git {arguments[0]}` ended with {done.returncode}"
        )
    return os.fsdecode(done.stdout).rstrip("\n")


def names(root: Path, *arguments: str) -> list[str]:
    """The paths that a git command lists, whatever signs are in them."""
    command, *rest = arguments
    return [name for name in git(root, command, "-z", *rest).split("\0") if name]


def prefix(root: Path) -> str:
    """Where the project lies in its repository: empty, or `ml/slipway/`."""
    return git(root, "rev-parse", "--show-prefix")


def top(root: Path) -> Path:
    """The top folder of the repository that the project lies in."""
    return Path(git(root, "rev-parse", "--show-toplevel"))


def content(root: Path, revision: str, path: str) -> bytes | None:
    """A file of the project as a commit has it; None where it has none."""
    done = _asked(root, "cat-file", "blob", f"{revision}:./{path}")
    return None if done.returncode else done.stdout


def text(root: Path, revision: str, path: str) -> str:
    """A file of the project as a commit has it.

    Raises:
        GitError: it has none.
    """
    return git(root, "cat-file", "blob", f"{revision}:./{path}")


def changed(root: Path, *paths: str, untracked: bool = False) -> list[str]:
    """Files of the project, below these paths if any are named, that differ from the commit that is checked
    out.

    Raises:
        GitError: there is no repository, or git will not read it.
    """
    listed = f"--untracked-files={'all' if untracked else 'no'}"
    found, begin = (
        names(root, "status", "--porcelain", "--no-renames", listed, "--", *(paths or (".",))),
        prefix(root),
    )
    return [line[3:].removeprefix(begin) for line in found]


def _asked(
    root: Path, *arguments: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    inherited = {name: value for name, value in os.environ.items() if name not in OF_ANOTHER}
    whole = {**inherited, **ENGLISH, **(env or {})}
    try:
        return subprocess.run(
            ["git", *arguments],
            cwd=root,
            env=whole,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        what = (
            "is not installed, or not on the PATH"
            if root.is_dir()
            else f"has nothing to look at: {root} is not there"
        )
        raise GitError(what) from None


def commit(root: Path) -> str | None:
    """The full hash of the commit that is checked out; None where there is none yet, or no repository.

    Raises:
        GitError: git will not say, as of a folder of another owner.
    """
    try:
        return git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    except GitError as error:
        if error.faults[0] == UNBORN or "not a git repository" in error.faults[0]:
            return None
        raise


def who(root: Path) -> str:
    """The name and address under which commits would be made here."""
    try:
        return git(root, "var", "GIT_COMMITTER_IDENT").rpartition(" ")[0].rpartition(" ")[0]
    except GitError:
        return "somebody without a name in git"


def edited(root: Path) -> list[str]:
    """Tracked files with uncommitted edits, those excepted that stages write.

    Dvc.lock and data/, raw data's pointers apart.
    """
    try:
        found = sorted(changed(root))
    except GitError:
        return []
    return [
        name
        for name in found
        if name != "dvc.lock" and (not name.startswith("data/") or name.startswith("data/raw/"))
    ]


def find(root: Path, revision: str) -> str | None:
    """The full hash of a commit, asked of the git remote where the checkout does not have it.

    None where neither knows it.
    """
    for fetch in (False, True):
        try:
            if fetch:
                git(root, "fetch", "--quiet", "--all")
            return git(root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
        except GitError:
            continue
    return None
