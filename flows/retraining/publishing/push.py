"""Takes a night's artifacts to DVC's remote, and its commit and tags to git's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dvc.repo import Repo

from flows.checkout.git import GitError, HookError, git, names
from flows.retraining.arrivals.store import Store
from flows.retraining.policy import Policy
from tasks.core.errors import PassingError

Say = Callable[[str], object]


def push_artifacts(root: Path, run: str, made: str, say: Say) -> None:
    repo = Repo(str(root), config={"remote": _remotes(root)}, _wait_for_lock=True)
    try:
        if not repo.config["core"].get("remote"):
            say("there is no default DVC remote: artifacts stay here")
            return
        pointers = [pointer.path.relative_to(root).as_posix() for pointer in Store(root, run).pointers()]
        held = set(names(root, "ls-tree", "-r", "--name-only", made, "--", *pointers))
        stages = [stage.addressing for stage in repo.index.stages if stage.addressing.endswith(f"@{run}")]
        count = repo.push(targets=[*stages, *sorted(held)], revs=[made], run_cache=True)
        say(f"pushed to the DVC remote: {count} files")
    except Exception as error:  # each kind of remote has errors of its own
        why = " ".join(str(error).split())[:300] or type(error).__name__
        raise PassingError(
            "DVC remote", f"did not take the night's artifacts: {why}; the next night tries again"
        ) from None
    finally:
        repo.close()


def _remotes(root: Path) -> dict[str, Any]:
    """As the checkout resolves them.

    Of another commit DVC would take a folder named relative to the project for one below `/`.
    """
    repo = Repo(str(root))
    try:
        return {name: dict(remote) for name, remote in repo.config["remote"].items()}
    finally:
        repo.close()


def push_commits(root: Path, run: str, policy: Policy, tags: Sequence[str], say: Say) -> None:
    branch = f"retrain/{run}" if policy.publish == "branch" else git(root, "branch", "--show-current")
    if not branch:
        say("no branch is checked out: nothing was pushed")
        return
    push(
        root,
        [f"refs/heads/{branch}:refs/heads/{branch}", *(f"refs/tags/{one}" for one in tags)],
        policy.publish == "branch",
        say,
    )


def push(root: Path, refs: Sequence[str], rewritten: bool, say: Say) -> None:
    """One after the other: where the remote refuses a branch, the tags of its commits stay here, too.

    Args:
        refs: the branch before the tags.
        rewritten: the first of them may have to forget what the remote has of it, as a branch begun anew
            after a merge.

    Raises:
        PassingError: the remote did not take them, or a hook of the checkout refused.
    """
    remote = _remote(root)
    if remote is None:
        say("there is no git remote: commits stay here")
        return
    try:
        # A branch that was merged and deleted there would break the lease.
        force = (
            ["--force-with-lease"]
            if rewritten and git(root, "ls-remote", remote, refs[0].partition(":")[0])
            else []
        )
        for ref in refs:
            git(root, "push", "--quiet", *force, remote, ref)
            force = []
    except HookError as error:
        raise PassingError(
            f"git remote {remote}",
            f"did not get the night's commit: {error}; it waits here for the next night",
        ) from None
    except GitError as error:
        advice = "if it has commits that are not here, `git pull --no-rebase`; the next night tries again"
        raise PassingError(
            f"git remote {remote}", f"did not take the night's commit: {error}; {advice}"
        ) from None
    say(f"pushed {', '.join(one.partition(':')[0].split('/', 2)[2] for one in refs)} to {remote}")


def push_tags(root: Path, tags: Sequence[str], say: Say) -> None:
    """Those that the remote lacks, of commits that it has on its branch.

    The others wait until their branch is pushed.
    """
    remote = _remote(root)
    theirs = fetch(root, say) if remote else None
    if remote is None or theirs is None:
        return
    there = git(root, "ls-remote", "--tags", remote)
    new = [one for one in tags if f"refs/tags/{one}\n" not in f"{there}\n" and _holds(root, theirs, one)]
    if new:
        push(root, [f"refs/tags/{one}" for one in new], rewritten=False, say=say)


def _holds(root: Path, commit: str, tag: str) -> bool:
    try:
        git(root, "merge-base", "--is-ancestor", f"refs/tags/{tag}", commit)
    except GitError:
        return False
    return True


def fetch(root: Path, say: Say) -> str | None:
    """The commit that the remote has of the branch that is checked out.

    None if it has none, or cannot be asked now.
    """
    remote, branch = _remote(root), git(root, "branch", "--show-current")
    if remote is None or not branch:
        return None
    try:
        if not git(root, "ls-remote", remote, f"refs/heads/{branch}"):
            return None
        git(root, "fetch", "--quiet", remote, f"refs/heads/{branch}")
    except GitError as error:
        say(f"the git remote cannot be asked now: {error}")
        return None
    return git(root, "rev-parse", "FETCH_HEAD")


def _remote(root: Path) -> str | None:
    remotes = git(root, "remote").splitlines()
    return "origin" if "origin" in remotes else next(iter(remotes), None)
