"""agents/entrypoint, run for real: a container's checkout, from a git remote or mounted."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[1]
FILES = [".dvc/config", ".dvc/.gitignore", ".gitignore", "dvc.yaml", "flows", "params.yaml", "tasks"]
USERS_FAULT = 2


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bare repository of the project, without its data."""
    work, bare = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("remote") / "slipway.git"
    for name in FILES:
        (work / name).parent.mkdir(exist_ok=True)
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, work / name)
    git(work, "init", "--quiet", "--initial-branch", "main")
    git(work, "add", "--all")
    git(
        work,
        "-c",
        "user.name=toy",
        "-c",
        "user.email=toy@example.org",
        "commit",
        "--quiet",
        "--message",
        "all",
    )
    git(work, "clone", "--quiet", "--bare", str(work), str(bare))
    return bare


class Container:
    """Starts the entrypoint as a container would: in an environment and a home of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.checkout = folder / "home" / "checkout"
        self.checkout.parent.mkdir(exist_ok=True)
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        self.env = {
            "PATH": path,
            "HOME": str(folder / "home"),
            "GIT_CONFIG_NOSYSTEM": "1",
            "DVC_NO_ANALYTICS": "1",
            **environment,
        }

    def popen(self, *command: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [ROOT / "agents" / "entrypoint", *command], env=self.env, stdout=pipe, stderr=pipe, text=True
        )

    def start(self, *command: str) -> tuple[int, str, str]:
        return ended(self.popen(*command))


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, out, err


@pytest.mark.slow
def test_the_first_start_clones_and_later_ones_go_on_with_it(remote: Path, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    container = Container(
        tmp_path,
        SLIPWAY_GIT_REMOTE=str(remote),
        SLIPWAY_DVC_CACHE=cache,
        SLIPWAY_DVC_REMOTE="s3://bucket/slipway",
    )
    code, out, err = container.start(
        "bash", "-c", "pwd; git config user.email; cat .dvc/config.local; exit 7"
    )
    assert (code, err) == (7, "")
    place, committer, *settings = out.splitlines()[1:]
    assert (place, committer) == (str(container.checkout), "slipway@localhost")
    assert {f"dir = {cache}", "remote = agents", "['remote \"agents\"']", "url = s3://bucket/slipway"} <= {
        line.strip() for line in settings
    }
    assert git(container.checkout, "status", "--porcelain", "--branch") == "## main...origin/main"
    assert (container.checkout / ".dvc" / "offline.html").stat().st_size > 100_000
    (container.checkout / "params.yaml").write_text("runs: {}\n")
    git(container.checkout, "config", "user.email", "someone@example.org")
    container.env |= {"SLIPWAY_GIT_REMOTE": "/nowhere", "SLIPWAY_DVC_CACHE": "", "SLIPWAY_DVC_REMOTE": ""}
    assert container.start("git", "config", "user.email")[1].endswith("\nsomeone@example.org\n")
    assert (container.checkout / "params.yaml").read_text() == "runs: {}\n"


@pytest.mark.slow
def test_a_clone_that_was_killed_is_finished(remote: Path, tmp_path: Path) -> None:
    container = Container(tmp_path, SLIPWAY_GIT_REMOTE=str(remote))
    (container.checkout / ".clone" / "half").mkdir(parents=True)
    (container.checkout / "lost+found").mkdir()
    first, second = container.popen("true"), container.popen("true")
    assert [ended(first)[0], ended(second)[0]] == [0, 0]
    assert not (container.checkout / ".clone").exists()
    (container.checkout / "dvc.yaml").unlink()
    (container.checkout / ".git" / "unfinished").touch()
    assert container.start("test", "-f", "dvc.yaml")[0] == 0
    assert git(container.checkout, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("there", "from_where", "said"),
    [
        (None, "", "set SLIPWAY_GIT_REMOTE"),
        (None, "/nowhere/slipway.git", "could not be cloned"),
        ("thesis.tex", "remote", "neither empty nor a checkout"),
        (".git/HEAD", "", "no checkout of Slipway"),
    ],
)
def test_what_cannot_become_a_checkout_is_refused(
    there: str | None, from_where: str, said: str, remote: Path, tmp_path: Path
) -> None:
    container = Container(tmp_path, SLIPWAY_GIT_REMOTE=str(remote) if from_where == "remote" else from_where)
    if there:
        (container.checkout / there).parent.mkdir(parents=True)
        (container.checkout / there).touch()
    code, _, err = container.start("touch", str(tmp_path / "ran"))
    assert code == USERS_FAULT
    assert said in err
    assert not (tmp_path / "ran").exists()
