from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from flows.checkout.git import GitError, git
from flows.retraining.publishing import repair

OLD = time.time() - 60


@pytest.fixture
def taken(tmp_path: Path) -> tuple[Path, str]:
    """A checkout, and a commit that changes, adds and removes files of it."""
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    for name in ("user.name", "user.email"):
        git(tmp_path, "config", name, "someone@example.org")
    (tmp_path / "dvc.lock").write_text("old\n")
    (tmp_path / "collected.dvc").write_text("old\n")
    _commit(tmp_path)
    git(tmp_path, "checkout", "--quiet", "--detach")
    (tmp_path / "dvc.lock").write_text("new and longer\n")
    (tmp_path / "quality.png").write_bytes(bytes(range(256)) * 20)
    (tmp_path / "collected.dvc").unlink()
    made = _commit(tmp_path)
    git(tmp_path, "checkout", "--quiet", "main")
    return tmp_path, made


def _commit(root: Path) -> str:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "a commit")
    return git(root, "rev-parse", "HEAD")


def _merge(root: Path, made: str) -> None:
    git(root, "merge", "--quiet", "--ff-only", made)


@pytest.mark.parametrize("written", [0, 1000, 5120])
def test_a_merge_that_was_killed_half_way_is_finished(taken: tuple[Path, str], written: int) -> None:
    root, made = taken
    (root / "quality.png").write_bytes((bytes(range(256)) * 20)[:written])
    (root / "dvc.lock").write_text("new and longer\n")
    (root / "collected.dvc").unlink()
    lock = root / ".git" / "index.lock"
    lock.touch()
    os.utime(lock, (OLD, OLD))
    with pytest.raises(GitError):
        _merge(root, made)
    assert repair.drop_locks(root) == ["index.lock"]
    with pytest.raises(GitError):
        _merge(root, made)
    assert repair.finish_files(root, made) == ["dvc.lock", "quality.png"]
    _merge(root, made)
    assert git(root, "rev-parse", "HEAD") == made
    assert git(root, "status", "--porcelain") == ""


def test_an_edit_of_somebody_stops_the_merge(taken: tuple[Path, str]) -> None:
    root, made = taken
    (root / "dvc.lock").write_text("mine\n")
    assert repair.finish_files(root, made) == []
    with pytest.raises(GitError):
        _merge(root, made)
    assert (root / "dvc.lock").read_text() == "mine\n"


def test_a_lock_of_a_living_git_stays(taken: tuple[Path, str]) -> None:
    root, _ = taken
    lock = root / ".git" / "index.lock"
    lock.touch()
    assert repair.drop_locks(root) == []
    os.utime(lock, (OLD, OLD))
    with subprocess.Popen(["git", "cat-file", "--batch"], cwd=root, stdin=subprocess.PIPE) as living:
        assert repair.drop_locks(root) == []
        assert living.stdin is not None
        living.stdin.close()
    assert repair.drop_locks(root) == ["index.lock"]
