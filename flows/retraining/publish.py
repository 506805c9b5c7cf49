"""How a night's commit becomes the project's: prepared behind a reference of its own, then pushed, taken over and tagged.

Each of these can be repeated: a kill in between leaves refs/slipway/nights/<run>, and the next night goes on from there. The commit holds
nothing but what retraining writes; it is made in a worktree, so that no edit of the checkout slips into it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.repo import Repo

from flows.git import GitError, commit, git
from flows.retraining import history, inbox, registry
from flows.retraining.policy import Policy
from flows.retraining.store import Store
from tasks.shared.errors import ParamsError, PassingError

Say = Callable[[str], object]
NOBODY = ("-c", "user.name=Slipway", "-c", "user.email=slipway@localhost")


@dataclass(frozen=True)
class Target:
    """Where a run's commits go; an empty `branch` is the one that is checked out. `base` is what they build on."""

    branch: str
    base: str


def owned(root: Path, run: str) -> list[str]:
    """The paths that a night's commit may hold. params.yaml is one of them for a pin that retraining itself writes."""
    pointers = [pointer.path.relative_to(root) for pointer in Store(root, run).pointers()]
    ignored = [path.with_name(".gitignore") for path in pointers]
    named = [path.as_posix() for path in (*pointers, *ignored, registry.folder(run))]
    return ["dvc.lock", "params.yaml", f"data/{run}", *named]


def target(root: Path, run: str, policy: Policy) -> Target:
    """Raises:
    ParamsError: there is no commit yet, owned files of the checkout have uncommitted edits, or the branch and the checkout have diverged.
    """
    head = commit(root)
    if head is None:
        raise ParamsError(str(root), "has no commit yet; retraining builds on one")
    if policy.publish == "main":
        edits = git(root, "status", "--porcelain", "--no-renames", "--", *_overwritten(root, run, policy)).splitlines()
        if edits:
            named = ", ".join(line[3:] for line in edits[:5])
            raise ParamsError(named, "has uncommitted edits, which this would have to overwrite; commit or undo them first")
        if changed := Store(root, run).changed():
            advice = "`dvc add` and commit the change, or undo it with `dvc checkout --force`"
            raise ParamsError(", ".join(changed), f"holds data that are in no commit, which this would have to overwrite; {advice}")
        return Target("", head)
    branch = f"retrain/{run}"
    tip = _find(root, f"refs/heads/{branch}")
    if tip is None or _is_ancestor(root, tip, head) or _same(root, run, tip, head):
        return Target(branch, head)
    if _is_ancestor(root, head, tip):
        return Target(branch, tip)
    raise ParamsError(f"branch {branch}", "and the checkout have diverged; merge the branch, or delete it, and run again")


def _overwritten(root: Path, run: str, policy: Policy) -> list[str]:
    """An edit of params.yaml is in the way only where retraining writes there, too."""
    return [path for path in owned(root, run) if path != "params.yaml" or policy.start == "champion"]


def prepare(root: Path, folder: Path, run: str, message: str) -> str:
    """Commits what the night wrote in the worktree `folder`; a line of the history at least."""
    known = set(git(folder, "ls-files", "--", *owned(folder, run)).splitlines())
    paths = [path for path in owned(folder, run) if (folder / path).exists() or any(_within(one, path) for one in known)]
    git(folder, "add", "--all", "--", *paths)
    who = () if _has_identity(folder) else NOBODY
    git(folder, *who, "commit", "--quiet", "--no-verify", "--message", message)
    made = git(folder, "rev-parse", "HEAD")
    git(root, "update-ref", _reference(run), made)
    return made


def prepared(root: Path, run: str) -> str | None:
    return _find(root, _reference(run))


def publish(root: Path, run: str, policy: Policy, made: str, say: Say) -> bool:
    """False if the branch has moved on meanwhile: the night must be begun again from there, which trains nothing twice.

    Raises:
        PassingError: a remote did not take it; the next night tries again.
    """
    entry = history.parsed(git(root, "show", f"{made}:{history.file(run).as_posix()}"))[-1]
    if policy.push:
        _push_artifacts(root, run, made, say)
    if policy.publish == "main" and not _is_ancestor(root, commit(root) or "", made) and not _is_ancestor(root, made, "HEAD"):
        git(root, "update-ref", "-d", _reference(run))
        return False
    tags = _take_over(root, run, policy, made, entry)
    if policy.push:
        _push_commits(root, run, policy, tags, say)
    for one in entry["files"]:
        inbox.remove(inbox.folder(root, run), one["name"], one["sha256"])
    git(root, "update-ref", "-d", _reference(run))
    return True


def _take_over(root: Path, run: str, policy: Policy, made: str, entry: dict[str, Any]) -> list[str]:
    if policy.publish == "branch":
        git(root, "update-ref", f"refs/heads/retrain/{run}", made)
        return []
    git(root, "merge", "--quiet", "--ff-only", made)
    check_out(root, run)
    return tag(root, run, entry)


def tag(root: Path, run: str, entry: dict[str, Any]) -> list[str]:
    """Gives the champion that is checked out its tag, annotated with the verdict, if it lacks one; returns the tag."""
    champion = registry.read(root, run)
    if champion is None:
        return []
    if _find(root, f"refs/tags/{champion.tag}") is None:
        who = () if _has_identity(root) else NOBODY
        at = registry.commit_of(root, run, "HEAD")
        git(root, *who, "tag", "--annotate", "--no-sign", "--message", history.headline(entry), champion.tag, at)
    return [champion.tag]


def check_out(root: Path, run: str) -> None:
    """The artifacts of the run as dvc.lock and the .dvc files have them."""
    repo = Repo(str(root), _wait_for_lock=True)
    try:
        stages = [stage for stage in repo.index.stages if stage.addressing.endswith(f"@{run}")]
        outs = [str(out.fs_path) for stage in stages for out in stage.outs if out.use_cache and out.hash_info]
        repo.checkout(targets=outs, force=True)
    finally:
        repo.close()
    Store(root, run).restore()


def _push_artifacts(root: Path, run: str, made: str, say: Say) -> None:
    repo = Repo(str(root), config={"remote": _remotes(root)}, _wait_for_lock=True)
    try:
        if not repo.config["core"].get("remote"):
            say("there is no default DVC remote: artifacts stay here")
            return
        pointers = [pointer.path.relative_to(root).as_posix() for pointer in Store(root, run).pointers()]
        held = set(git(root, "ls-tree", "-r", "--name-only", made, "--", *pointers).splitlines())
        stages = [stage.addressing for stage in repo.index.stages if stage.addressing.endswith(f"@{run}")]
        count = repo.push(targets=[*stages, *sorted(held)], revs=[made], run_cache=True)
        say(f"pushed to the DVC remote: {count} files")
    except Exception as error:  # each kind of remote has errors of its own
        why = " ".join(str(error).split())[:300] or type(error).__name__
        raise PassingError("DVC remote", f"did not take the night's artifacts: {why}; the next night tries again") from None
    finally:
        repo.close()


def _remotes(root: Path) -> dict[str, Any]:
    """As the checkout resolves them: of another commit DVC would take a folder named relative to the project for one below `/`."""
    repo = Repo(str(root))
    try:
        return {name: dict(remote) for name, remote in repo.config["remote"].items()}
    finally:
        repo.close()


def _push_commits(root: Path, run: str, policy: Policy, tags: Sequence[str], say: Say) -> None:
    remotes = git(root, "remote").splitlines()
    if not remotes:
        say("there is no git remote: commits stay here")
        return
    remote = "origin" if "origin" in remotes else remotes[0]
    branch = f"retrain/{run}" if policy.publish == "branch" else git(root, "branch", "--show-current")
    if not branch:
        say("no branch is checked out: nothing was pushed")
        return
    force = ["--force-with-lease"] if policy.publish == "branch" else []
    try:
        git(root, "push", "--quiet", *force, remote, f"refs/heads/{branch}:refs/heads/{branch}", *(f"refs/tags/{one}" for one in tags))
    except GitError as error:
        raise PassingError(f"git remote {remote}", f"did not take the night's commit: {error}; the next night tries again") from None
    say(f"pushed {', '.join([branch, *tags])} to {remote}")


def _reference(run: str) -> str:
    return f"refs/slipway/nights/{run}"


def _find(root: Path, name: str) -> str | None:
    try:
        return git(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    except GitError:
        return None


def _is_ancestor(root: Path, one: str, other: str) -> bool:
    try:
        git(root, "merge-base", "--is-ancestor", one, other)
    except GitError:
        return False
    return True


def _same(root: Path, run: str, one: str, other: str) -> bool:
    """Whether a branch was merged as one commit of another name."""
    return not git(root, "diff", "--name-only", one, other, "--", *owned(root, run))


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _has_identity(folder: Path) -> bool:
    try:
        git(folder, "var", "GIT_COMMITTER_IDENT")
    except GitError:
        return False
    return True
