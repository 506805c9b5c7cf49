"""Mends what a kill left of git's work in a checkout: locks of dead processes, and a commit that was taken
over by halves.

Git takes no step past a lock that lies there, and does not merge over files that differ from its index, even
if they are what the merge would write. Only what the merge itself had begun to write is finished here; edits
of others stay as they are and stop the merge.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from flows.checkout.git import content, git, names, top

STALE_SECONDS = 2.0


def drop_locks(root: Path) -> list[str]:
    """Removes the locks of git in the checkout, unless git is at work there; their names."""
    place = (
        root / git(root, "rev-parse", "--git-common-dir")
    ).resolve()  # of a worktree, its own lie below it
    own = Path(git(root, "rev-parse", "--absolute-git-dir")).resolve()
    locks = {*place.glob("*.lock"), *place.glob("refs/**/*.lock"), *own.glob("*.lock")}
    found = sorted(path for path in locks if time.time() - path.stat().st_mtime > STALE_SECONDS)
    if not found or any(_git_at_work(root)):
        return []
    for path in found:
        path.unlink(missing_ok=True)
    return [path.relative_to(place).as_posix() for path in found]


def finish_files(root: Path, made: str) -> list[str]:
    """Brings index and files of the checkout to the commit `made` where a merge had got that far.

    Their paths.
    """
    finished = []
    for path in names(
        root, "diff", "--name-only", "--relative", "--no-renames", "--diff-filter=AM", "HEAD", made
    ):
        file = root / path
        if (
            file.is_file()
            and not file.is_symlink()
            and _is_begun(file.read_bytes(), content(root, "HEAD", path), content(root, made, path))
        ):
            git(root, "checkout", "--quiet", made, "--", path)
            finished.append(path)
    return finished


def _is_begun(now: bytes, before: bytes | None, after: bytes | None) -> bool:
    """Whether a file is what a merge writes, or the beginning of it."""
    return after is not None and now != before and after.startswith(now)


def _git_at_work(root: Path) -> Iterator[psutil.Process]:
    place = top(root)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name() == "git" and Path(process.cwd()).is_relative_to(place):
                yield process
