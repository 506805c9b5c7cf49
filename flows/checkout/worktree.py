"""A second working tree of the checkout, at a commit of its own, for a run that must not touch the first.
Both share one DVC cache.

It lies in .dvc/tmp/worktrees/. A run that completes clears it away; what a failed or killed one leaves there
is gone on with by a run of the same commit and overrides, and cleared away by the next of others. The caller
holds the checkout's workspace.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

from configobj import ConfigObj
from dvc.repo import Repo

from flows.checkout import overrides, params_file
from flows.checkout.git import GitError, HookError, commit, find, git, names, prefix
from flows.process import child, private
from tasks.core import params
from tasks.core.errors import ParamsError, PassingError, SlipwayError
from tasks.pretrain import locate

PLACE = Path(".dvc") / "tmp" / "worktrees"
SAVE_SECONDS = 600
LONGEST_NAME = 100
HASH = r"^([0-9a-f]{7,40})?$"


@contextmanager
def at(root: Path, revision: str, changes: Sequence[str]) -> Iterator[tuple[Path, list[str]]]:
    """The current directory is a worktree at `revision` (the checkout's own commit, if empty) with `changes`
    in params.yaml.

    Yields:
        The project's folder in it, and what the changes did: `runs.bbc.prune.ffn 512 → 256`.
    Raises:
        ParamsError: there is no such commit, or the changes name no params.
    """
    wanted = _resolve(root, revision)
    name = f"{wanted[:12]}-{hashlib.sha256(repr(sorted(changes)).encode()).hexdigest()[:8]}"
    top = root / PLACE / name
    folder = top / prefix(root)
    clear(root, but=top)
    _check_out(root, top, wanted)
    if not (folder / ".dvc").is_dir():
        raise ParamsError(
            f"commit {wanted[:12]}", f"has no project at {prefix(root) or '.'}; it has no .dvc there"
        )
    _share_store(root, folder)
    said = overrides.apply(folder / "params.yaml", changes) if changes else []
    if changes or not revision:  # another commit may have other params: its stages check them themselves
        params_file.check(folder)
    _bring_checkpoints(root, folder)
    with contextlib.chdir(folder):
        yield folder, said


def save(experiment: str, stages: Sequence[str], say: Callable[[str], object]) -> None:
    """`dvc exp save` of these stages in the current directory, a worktree; the checkout's `dvc exp show` then
    lists the experiment.

    Raises:
        PassingError: DVC did not do it.
    """
    lines: list[str] = []
    new = names(Path.cwd(), "ls-files", "--others", "--exclude-standard")
    untracked = [argument for file in new for argument in ("--include-untracked", file)]
    command = [
        "exp",
        "save",
        f"--name={experiment}",
        "--message",
        f"slipway: {experiment}",
        *untracked,
        *stages,
    ]

    def take(line: str) -> None:
        lines.append(line)
        say(line)

    if child.run("dvc", *command, env={**os.environ}, on_line=take, timeout=SAVE_SECONDS, keep=()):
        raise PassingError(f"experiment {experiment}", f"was not saved: {' '.join(lines)[-300:]}")


def free_name(root: Path, wanted: str, run_id: str) -> str:
    """A name for an experiment that nothing has yet: what is wanted, in signs that DVC takes, if need be with
    a number.

    `dvc exp apply` takes a branch, a tag or the beginning of a commit for an experiment of that name; such
    names are not free either.
    """
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", wanted).strip("-")[:LONGEST_NAME] or run_id
    taken = git(root, "for-each-ref", "--format=%(refname:lstrip=-1)", "refs/exps").splitlines()
    numbered = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(one for one in numbered if one not in taken and not _is_revision(root, one))


def _is_revision(root: Path, name: str) -> bool:
    try:
        git(root, "rev-parse", "--verify", "--quiet", name)
    except GitError:
        return False
    return True


def clear(root: Path, but: Path | None = None) -> None:
    """Removes the worktrees that lie there, but for one.

    No run is at work in them: it would hold the checkout's workspace.
    """
    place = root / PLACE
    for folder in place.iterdir() if place.is_dir() else ():
        if folder != but:
            shutil.rmtree(folder)
    git(root, "worktree", "prune")


def _resolve(root: Path, revision: str) -> str:
    wanted = find(root, revision) if revision else commit(root)
    if wanted is None:
        what = f"revision {revision}" if revision else "HEAD"
        raise ParamsError(
            what, "neither this checkout nor its git remote has this commit; commit and push it"
        )
    return wanted


def _check_out(root: Path, folder: Path, wanted: str) -> None:
    """The files of the commit.

    Of what a killed run left only what git ignores stays, its scratch folders among it.
    """
    try:
        if (folder / ".git").exists():
            (Path(git(folder, "rev-parse", "--absolute-git-dir")) / "index.lock").unlink(missing_ok=True)
            git(folder, "reset", "--quiet", "--hard", wanted)
            git(folder, "clean", "--quiet", "--force", "-d")
            return
    except GitError:
        pass
    shutil.rmtree(folder, ignore_errors=True)
    try:
        git(root, "worktree", "prune")
        git(root, "worktree", "add", "--quiet", "--force", "--force", "--detach", str(folder), wanted)
    except HookError as error:
        raise ParamsError("the checkout", f"git cannot make a worktree: {error}") from None
    except GitError as error:
        raise SlipwayError(folder.name, f"git cannot make a worktree: {error}") from None


def _share_store(root: Path, folder: Path) -> None:
    """DVC's settings there.

    The checkout's cache and remotes, as the commit, uncommitted edits and its own settings have them
    together.
    """
    with closing(Repo(str(root))) as repo:
        settings = {
            "core": {key: value for key, value in repo.config["core"].items() if key == "remote"},
            "cache": {**repo.config["cache"], "dir": str(Path(repo.cache.local_cache_dir).resolve())},
            **{f'remote "{name}"': dict(remote) for name, remote in repo.config["remote"].items()},
        }
    lines = ConfigObj(
        settings, encoding="utf-8"
    ).write()  # DVC's own writer takes no folder with other signs than ASCII in its name
    private.write(
        folder / ".dvc" / "config.local", "".join(f"{os.fsdecode(line)}\n" for line in lines)
    )  # the remotes' keys are in it


def _bring_checkpoints(root: Path, folder: Path) -> None:
    """Pretrained models in folders of the checkout that git does not know, where possible at no cost in
    space.
    """
    for run in params.read(folder / "params.yaml").values():
        source = run.get("pretrain", {}).get("source", {}) if isinstance(run, dict) else {}
        named = source.get("folder") if isinstance(source, dict) else None
        if isinstance(named, str) and not (folder / named).exists() and (root / named).is_dir():
            found = locate.workspace_folder(named, root)
            shutil.copytree(found, folder / found.relative_to(root.resolve()), copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, as a mounted volume is
        shutil.copyfile(source, target)
