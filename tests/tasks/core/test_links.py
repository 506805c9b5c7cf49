"""Which links of a folder are followed; DVC's own are made by DVC itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.core import links


def dvc(project: Path, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def linked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose folder `models/tiny` DVC has linked into a cache that lies elsewhere."""
    home = tmp_path_factory.mktemp("linked")
    project = home / "project"
    (project / "models" / "tiny").mkdir(parents=True)
    for name in ("config.json", "weights.safetensors"):
        (project / "models" / "tiny" / name).write_text(name)
    dvc(project, "init", "--no-scm", "--quiet")
    dvc(project, "config", "cache.type", "symlink")
    dvc(project, "config", "--local", "cache.dir", str(home / "shared cache"))
    dvc(project, "add", "--quiet", "models/tiny")
    dvc(project, "checkout", "--quiet", "--relink")
    return project


def test_links_that_dvc_made_into_its_cache_are_followed(linked: Path) -> None:
    folder = linked / "models" / "tiny"
    files = sorted(folder.iterdir())
    assert [file.is_symlink() for file in files] == [True, True]
    assert [links.fault(file, folder) for file in files] == ["", ""]


def test_an_object_that_was_edited_through_its_link_is_told(linked: Path) -> None:
    file = linked / "models" / "tiny" / "config.json"
    target = file.resolve()
    before, mode = target.read_bytes(), target.stat().st_mode
    target.chmod(0o644)
    try:
        target.write_text("edited")
        assert "DVC's cache that was changed" in links.fault(file, file.parent)
    finally:
        target.write_bytes(before)
        target.chmod(mode)


def test_an_object_of_another_project_and_what_only_looks_like_one_are_refused(
    linked: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "project" / "models" / "tiny"
    folder.mkdir(parents=True)
    (tmp_path / "project" / ".dvc").mkdir()
    (folder / "foreign").symlink_to((linked / "models" / "tiny" / "config.json").resolve())
    stray = tmp_path / "project" / ".dvc" / "cache" / "files" / "md5" / "notes"
    stray.parent.mkdir(parents=True)
    stray.write_text("no object")
    (folder / "stray").symlink_to(stray)
    faults = [links.fault(folder / name, folder) for name in ("foreign", "stray")]
    assert faults == ["is a link that leads out of the folder; put the file itself there"] * 2


def test_links_within_the_folder_are_followed_and_others_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "real").write_text("here")
    (folder / "within").symlink_to("real")
    (folder / "nowhere").symlink_to("gone")
    (folder / "loop").symlink_to("loop")
    (folder / "out").symlink_to("/etc/hostname")
    (folder / "up").symlink_to(os.pardir)
    told = {path.name: links.fault(path, folder) for path in folder.iterdir()}
    assert {name for name, fault in told.items() if not fault} == {"real", "within"}
    assert told["out"] == told["up"] == "is a link that leads out of the folder; put the file itself there"
    assert "leads nowhere" in told["nowhere"]
    assert "leads nowhere" in told["loop"]
