"""How a night's commit becomes the project's: prepared behind a reference of its own, then pushed, taken over
and tagged.

Each of these can be repeated: a kill in between leaves refs/slipway/nights/<run>, and the next night goes on
from there. The commit holds nothing but what retraining writes; it is made in a worktree, so that no edit of
the checkout slips into it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dvc.exceptions import CheckoutError
from dvc.repo import Repo

from flows.checkout.git import GitError, changed, commit, git, names, text
from flows.retraining.arrivals import inbox
from flows.retraining.arrivals.store import Store
from flows.retraining.policy import Policy
from flows.retraining.publishing.push import Say, fetch, push_artifacts, push_commits, push_tags
from flows.retraining.record import history, registry
from tasks.core.errors import DataError, ParamsError

NOBODY = ("-c", "user.name=Slipway", "-c", "user.email=slipway@localhost")


@dataclass(frozen=True)
class Target:
    """Where a run's commits go; an empty `branch` is the one that is checked out.

    `base` is what they build on.
    """

    branch: str
    base: str


def owned(root: Path, run: str) -> list[str]:
    """The paths that a night's commit may hold.

    Params.yaml is one of them for a pin that retraining itself writes.
    """
    pointers = [pointer.path.relative_to(root) for pointer in Store(root, run).pointers()]
    ignored = [path.with_name(".gitignore") for path in pointers]
    named = [path.as_posix() for path in (*pointers, *ignored, registry.folder(run))]
    return ["dvc.lock", "params.yaml", f"data/{run}", *named]


def target(root: Path, run: str, policy: Policy) -> Target:
    """Where a night publishes its commit.

    Raises:
        ParamsError: there is no commit yet, owned files of the checkout have uncommitted edits, or the branch
            and the checkout have diverged.
    """
    head = commit(root)
    if head is None:
        raise ParamsError(str(root), "has no commit yet; retraining builds on one")
    if policy.publish == "main":
        edits = changed(root, *_overwritten(root, run, policy), untracked=True)
        if edits:
            named = ", ".join(edits[:5])
            raise ParamsError(
                named, "has uncommitted edits, which this would have to overwrite; commit or undo them first"
            )
        _check_data(root, run)
        return Target("", head)
    branch = _branch(root, run)
    tip = _find(root, f"refs/heads/{branch}")
    if tip is None or _is_ancestor(root, tip, head) or _same(root, run, tip, head):
        return Target(branch, head)
    if _is_ancestor(root, head, tip):
        return Target(branch, tip)
    raise ParamsError(
        f"branch {branch}", "and the checkout have diverged; merge the branch, or delete it, and run again"
    )


def _check_data(root: Path, run: str) -> None:
    if changed := Store(root, run).changed():
        advice = "`dvc add` and commit the change, or undo it with `dvc checkout --force`"
        raise ParamsError(
            ", ".join(changed),
            f"holds data that are in no commit, which this would have to overwrite; {advice}",
        )


def _branch(root: Path, run: str) -> str:
    """Of the pull requests. It moves under the feet of whoever has it checked out, so nobody may."""
    branch = f"retrain/{run}"
    if git(root, "branch", "--show-current") == branch:
        raise ParamsError(
            f"branch {branch}", "is checked out, and nights commit to it; check out another one"
        )
    return branch


def _overwritten(root: Path, run: str, policy: Policy) -> list[str]:
    """An edit of params.yaml is in the way only where retraining writes there, too."""
    return [path for path in owned(root, run) if path != "params.yaml" or policy.start == "champion"]


def catch_up(root: Path, run: str, policy: Policy, say: Say) -> None:
    """What others pushed since to the branch that is checked out is taken over before a night, or its push
    would be refused.
    """
    if not (policy.push and policy.publish == "main" and (theirs := fetch(root, say))):
        return
    head = commit(root) or ""
    if _is_ancestor(root, theirs, head) or not _is_ancestor(root, head, theirs):
        return
    target(root, run, policy)  # edits that would be in the way are told as for a night
    try:
        git(root, "merge", "--quiet", "--ff-only", theirs)
    except GitError as error:
        raise ParamsError(
            "the checkout",
            f"cannot move to what was pushed to its branch: {error}; commit or undo these edits",
        ) from None
    check_out(root, run)
    say(f"took over what was pushed to the branch, up to {theirs[:12]}")


def prepare(root: Path, folder: Path, run: str, message: str) -> str:
    """Commits what the night wrote in the worktree `folder`; a line of the history at least."""
    known = set(names(folder, "ls-files", "--", *owned(folder, run)))
    paths = [
        path
        for path in owned(folder, run)
        if (folder / path).exists() or any(_within(one, path) for one in known)
    ]
    git(folder, "add", "--all", "--", *paths)
    who = () if _has_identity(folder) else NOBODY
    git(folder, *who, "commit", "--quiet", "--no-verify", "--message", message)
    made = git(folder, "rev-parse", "HEAD")
    git(root, "update-ref", _reference(run), made)
    return made


def prepared(root: Path, run: str) -> str | None:
    return _find(root, _reference(run))


def entry_of(root: Path, run: str, made: str) -> history.Entry:
    """The night's line of the history."""
    return history.parsed(text(root, made, history.file(run).as_posix()))[-1]


def publish(root: Path, run: str, policy: Policy, made: str, say: Say) -> bool:
    """False if the branch has moved on meanwhile: the night must be begun again from there, which trains
    nothing twice.

    Raises:
        PassingError: a remote did not take it; the next night tries again.
    ParamsError: what somebody has edited since the night began is in the way.
    """
    if policy.push:
        push_artifacts(root, run, made, say)
    if _has_moved(root, run, policy, made):
        git(root, "update-ref", "-d", _reference(run))
        return False
    tags = _take_over(root, run, policy, made)
    if policy.push:
        push_commits(root, run, policy, tags, say)
    for one in entry_of(root, run, made)["files"]:
        inbox.remove(inbox.folder(root, run), one["name"], one["sha256"])
    git(root, "update-ref", "-d", _reference(run))
    return True


def _has_moved(root: Path, run: str, policy: Policy, made: str) -> bool:
    """Whether somebody has committed to the branch since the night began.

    A branch that was merged meanwhile has not moved.
    """
    tip = commit(root) if policy.publish == "main" else _find(root, f"refs/heads/retrain/{run}")
    if tip is None or _is_ancestor(root, tip, made) or _is_ancestor(root, made, tip):
        return False
    return policy.publish == "main" or _is_ancestor(root, f"{made}^", tip)


def _take_over(root: Path, run: str, policy: Policy, made: str) -> list[str]:
    if policy.publish == "branch":
        branch = _branch(root, run)
        if not _is_ancestor(root, made, f"refs/heads/{branch}"):
            git(root, "update-ref", f"refs/heads/{branch}", made)
        return []
    if not _is_ancestor(root, made, "HEAD"):
        _check_data(root, run)
        try:
            git(root, "merge", "--quiet", "--ff-only", made)
        except GitError as error:
            fault = (
                f"cannot move to the night's commit {made[:12]}: {error}; commit or undo these edits, "
                "and the next night goes on"
            )
            raise ParamsError("the checkout", fault) from None
    check_out(root, run)
    return tag(root, run)


def tag(root: Path, run: str) -> list[str]:
    """Gives the champion of the commit that is checked out its tag, annotated with the verdict, if it lacks
    one; returns the tag.
    """
    at = registry.commit_of(root, run, "HEAD")
    if not at:
        return []
    champion = registry.parsed(text(root, at, registry.file(run).as_posix()), at)
    if _find(root, f"refs/tags/{champion.tag}") is None:
        entries = history.parsed(text(root, "HEAD", history.file(run).as_posix()))
        brought = next(entry for entry in entries if entry["version"] == champion.version)
        who = () if _has_identity(root) else NOBODY
        git(
            root,
            *who,
            "tag",
            "--annotate",
            "--no-sign",
            "--message",
            history.headline(brought),
            champion.tag,
            at,
        )
    return [champion.tag]


def tag_merged(root: Path, run: str, policy: Policy, say: Say) -> None:
    """Where commits go to a branch, a champion gets its tag when that is merged.

    The remote gets it when it has the commit.
    """
    tags = tag(root, run)
    if policy.push and tags:
        push_tags(root, tags, say)


def check_out(root: Path, run: str) -> None:
    """The artifacts of the run as dvc.lock and the .dvc files have them, from DVC's cache, else from its
    remote.

    Raises:
        DataError: neither has them.
    """
    repo = Repo(str(root), _wait_for_lock=True)
    try:
        stages = [stage for stage in repo.index.stages if stage.addressing.endswith(f"@{run}")]
        outs = [str(out.fs_path) for stage in stages for out in stage.outs if out.use_cache and out.hash_info]
        try:
            repo.checkout(targets=outs, force=True)
        except CheckoutError:
            repo.fetch(targets=[stage.addressing for stage in stages])
            repo.checkout(targets=outs, force=True)
    except Exception as error:  # each kind of remote has errors of its own
        why = " ".join(str(error).split())[:300] or type(error).__name__
        raise DataError(
            f"data/{run}", f"neither DVC's cache nor its remote has all that dvc.lock names: {why}"
        ) from None
    finally:
        repo.close()
    Store(root, run).restore()


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
