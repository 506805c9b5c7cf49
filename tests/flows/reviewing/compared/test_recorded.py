"""Code that differs is told by its files, in folders too, and across the change from files to folders."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.flows.reviewing import planted
from tests.flows.reviewing.planted import GRAPH, Planted
from tests.flows.toy import call

FILES = 'deps: [plant.py, code/one.py, code/two.py, old/three.py, "data/${key}/ingest/out"]'
FOLDERS = 'deps: [plant.py, code, new, "data/${key}/ingest/out"]'


@pytest.fixture(scope="session")
def listing_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Commits `files`, where the benchmark lists its code file by file."""
    one = planted.new(tmp_path_factory.mktemp("reviewed") / "project")
    for name in ("code/one", "code/two", "old/three"):
        one.write(f"{name}.py", f"# {name}\n" + "value = 1\n" * 20)
    one.write(".dvcignore", "*.md\n")
    one.write("dvc.yaml", GRAPH.replace('deps: [plant.py, "data/${key}/ingest/out"]', FILES))
    one.commit("list files")
    one.git("tag", "files")
    return one.root


@pytest.fixture
def project(listing_files: Path, tmp_path: Path) -> Planted:
    root = tmp_path / "project"
    shutil.copytree(listing_files, root, symlinks=True)
    return Planted(root)


def code(project: Planted, a: str, b: str) -> list[str]:
    found = project.told("--a", a, "--b", b, "--run", "r", "--fail-on", "never")["code"]
    assert all(one["stages"] == ["benchmark"] for one in found)
    return [one["path"] for one in found]


def move(project: Planted) -> None:
    """old/three.py becomes new/three.py, and dvc.yaml lists folders."""
    (project.root / "new").mkdir()
    call(project.root, "git", "mv", "old/three.py", "new/three.py")
    file = project.root / "dvc.yaml"
    file.write_text(file.read_text().replace(FILES, FOLDERS))


@pytest.mark.slow
def test_a_move_without_a_change_names_no_code(project: Planted) -> None:
    move(project)
    project.commit("list folders")
    assert code(project, "files", "HEAD") == []
    assert code(project, "HEAD", "files") == []


@pytest.mark.slow
def test_across_the_move_what_changed_is_named_once(project: Planted) -> None:
    """By its file where files of that folder were listed before, else by the folder."""
    move(project)
    project.write("code/two.py", "# other\n")
    project.write("new/three.py", "# other\n")
    project.write("code/README.md", "a page\n")
    project.commit("list folders and edit")
    assert code(project, "files", "HEAD") == ["code/two.py", "new"]


@pytest.mark.slow
def test_after_the_move_files_of_folders_are_named(project: Planted) -> None:
    move(project)
    project.commit("list folders")
    project.write("new/three.py", "# other\n")
    project.write("new/four.py", "# new\n")
    project.commit("edit")
    assert code(project, "HEAD~1", "HEAD") == ["new/four.py", "new/three.py"]


@pytest.mark.slow
def test_a_stage_that_was_not_run_again_names_the_files(project: Planted) -> None:
    move(project)
    project.commit("list folders")
    project.write("new/three.py", "# other\n")
    said = "benchmark was not run again since these changed: new/three.py"
    assert project.told("--run", "r", "--fail-on", "never")["behind"]["b"] == [said]
    project.commit("edit, and run nothing", run=False)
    assert project.told("--a", "HEAD~1", "--run", "r", "--fail-on", "never")["behind"]["b"] == [said]


def test_a_lock_of_before_beside_folders_is_behind_and_no_fault(project: Planted) -> None:
    """The workspace lists folders, and was not run since."""
    move(project)
    assert project.told("--run", "r", "--fail-on", "never")["behind"]["b"] == [
        "benchmark was not run again since these changed: code, new"
    ]
