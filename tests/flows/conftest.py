"""Keeps DVC and Prefect of these tests to a folder of their own, and lends each test a copy of the toy
project or of an empty one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.project import CSV
from tests.flows.toy import Toy, call, new

HOME = Path(tempfile.mkdtemp(prefix="slipway-flows-"))

# Before any test module imports flows, and with it Prefect, which reads its settings then.
os.environ["PREFECT_HOME"] = str(HOME / "prefect")
os.environ.pop("PREFECT_API_URL", None)
for _name in ("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR", "DVC_SITE_CACHE_DIR"):
    os.environ[_name] = str(HOME / _name.lower())
for _name in ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"):
    os.environ[_name] = "toy@example.org"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    toy = new(tmp_path_factory.mktemp("made"))
    toy.dvc("repro", "--quiet")
    (toy.root / "ran.log").unlink()
    call(toy.root, "git", "add", "-A")
    call(toy.root, "git", "commit", "--quiet", "-m", "all made")
    return toy.root


@pytest.fixture
def toy(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """A fresh copy of the toy project, which is also the current directory."""
    root = tmp_path / "toy"
    shutil.copytree(made, root, symlinks=True)
    monkeypatch.chdir(root)
    return Toy(root)


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """Slipway's own embedded server, for all tests of the session."""
    from flows.server import server

    server.ensure()
    yield
    shutil.rmtree(HOME, ignore_errors=True)


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("empty")
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet"], check=True, cwd=root)
    return root


@pytest.fixture
def project(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project, which is also the current directory."""
    root = tmp_path / "project"
    shutil.copytree(empty, root)
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(CSV)
    return path
