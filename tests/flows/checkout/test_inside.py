"""A project that is a folder of a larger git repository, with a name that shells and git quote, works as one
of its own does.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows.checkout import git, workspace, worktree
from flows.retraining.publishing import repair
from tasks.core.errors import ParamsError
from tests.flows.reviewing import planted
from tests.flows.reviewing.planted import RUN, Planted
from tests.flows.toy import Toy, call

INSIDE = "ml/it's a slïpway"


def outer(project: Path, made: Path) -> Path:
    """An outer repository with a file of its own, and the project in it."""
    repository = project.parents[1]
    project.parent.mkdir(parents=True)
    call(repository, "git", "init", "--quiet", "--initial-branch", "main")
    (repository / "other.txt").write_text("not ours\n", encoding="utf-8")
    shutil.copytree(made, project, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    call(repository, "git", "add", "--all")
    call(repository, "git", "commit", "--quiet", "--message", "a project among others")
    return repository


@pytest.fixture
def toy(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    project = tmp_path / "outer" / INSIDE
    outer(project, made)
    monkeypatch.chdir(project)
    return Toy(project)


def test_only_edits_of_the_project_are_its_edits(toy: Toy) -> None:
    (toy.root.parents[1] / "other.txt").write_text("edited\n", encoding="utf-8")
    assert git.edited(toy.root) == []
    toy.replace("params.yaml", "512", "8")
    toy.write("data/raw/new.dvc", "outs: []\n")
    assert git.edited(toy.root) == ["params.yaml"]
    assert git.changed(toy.root, "params.yaml", "data", untracked=True) == ["params.yaml", "data/raw/new.dvc"]
    assert git.content(toy.root, "HEAD", "other.txt") is None
    assert git.text(toy.root, "HEAD", "step.py") == (toy.root / "step.py").read_text().rstrip("\n")


def test_a_worktree_holds_the_project_where_it_lies_and_saves_an_experiment(toy: Toy) -> None:
    with (
        workspace.hold(toy.root),
        worktree.at(toy.root, "", ["runs.a.prune.ffn=8"]) as (folder, changes),
        workspace.hold(folder),
    ):
        assert changes == ["runs.a.prune.ffn 512 → 8"]
        assert folder.as_posix().endswith(f"/{INSIDE}")
        Toy(folder).dvc("checkout", "--quiet")
        Toy(folder).dvc("repro", "--quiet")
        (folder / "note é.txt").write_text("new\n", encoding="utf-8")
        worktree.save("leaner", ["prune@a", "distill@a"], lambda _line: None)
    worktree.clear(toy.root)
    assert "leaner" in toy.dvc("exp", "list", "--name-only")
    toy.dvc("exp", "apply", "leaner")
    assert "ffn: 8" in (toy.root / "params.yaml").read_text()
    assert (toy.root / "note é.txt").is_file()


def test_a_commit_without_the_project_is_told(toy: Toy) -> None:
    call(toy.root.parents[1], "git", "checkout", "--quiet", "--orphan", "before")
    call(toy.root.parents[1], "git", "rm", "-rq", "--cached", ".")
    call(toy.root.parents[1], "git", "add", "other.txt")
    call(toy.root.parents[1], "git", "commit", "--quiet", "--message", "no project yet")
    with (
        pytest.raises(ParamsError, match="has no project at ml/it's a slïpway"),
        worktree.at(toy.root, git.commit(toy.root) or "", ()),
    ):
        pass


def test_a_merge_that_was_cut_short_is_finished_below_the_project(toy: Toy) -> None:
    toy.replace("params.yaml", "512", "8")
    call(toy.root, "git", "commit", "--quiet", "--all", "--message", "made by a night")
    made = git.git(toy.root, "rev-parse", "HEAD")
    call(toy.root, "git", "reset", "--quiet", "--hard", "HEAD~1")
    (toy.root / "params.yaml").write_bytes(git.content(toy.root, made, "params.yaml") or b"")
    assert repair.finish_files(toy.root, made) == ["params.yaml"]


@pytest.mark.slow
def test_a_review_knows_both_sides(tmp_path: Path) -> None:
    alone = planted.new(tmp_path / "alone")
    project = Planted(tmp_path / "outer" / INSIDE)
    repository = outer(project.root, alone.root)
    project.params(wrong=list(range(60)))
    project.commit("a worse model")
    told = project.told("--a", "HEAD~1", status=3)
    assert (told["verdict"], told["in_a"], told["quality"]["lost"]) == ("worse", True, 50)
    (repository / "other.txt").write_text("edited\n", encoding="utf-8")
    assert "the commit before" in project.diff("--fail-on", "never").stdout
    project.git("worktree", "add", "--quiet", str(tmp_path / "second"), "HEAD")
    second = Planted(tmp_path / "second" / INSIDE)
    second.write(".dvc/config.local", f"[cache]\n    dir = {project.root / '.dvc' / 'cache'}\n")
    second.dvc("checkout", "--quiet")
    assert second.told("--a", "HEAD~1", status=3)["verdict"] == "worse"


def test_a_project_without_git_or_one_that_git_will_not_read_says_so_once(
    tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tmp_path / "project"
    shutil.copytree(made, project, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    code = "import sys; from flows.review import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        env=clean(project),
    )
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "is not a git repository" in done.stderr
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(git.GitError, match="git: is not installed"):
        git.git(project, "status")


def clean(project: Path) -> dict[str, str]:
    import os

    return {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).resolve().parents[3]),
        "GIT_CEILING_DIRECTORIES": str(project.parent),
    }


def test_json_of_a_champion_is_the_projects_own(toy: Toy) -> None:
    from flows.retraining.record import registry

    toy.write("registry/a/champion.json", json.dumps({"version": 1}))
    call(toy.root, "git", "add", "--all")
    call(toy.root, "git", "commit", "--quiet", "--message", "ours")
    ours = git.git(toy.root, "rev-parse", "HEAD")
    call(toy.root, "git", "tag", "a@v1", "HEAD~1")
    assert registry.find(toy.root, RUN.replace("r", "a"), 1, "HEAD") == ours


def test_a_branch_without_a_commit_has_none_and_a_folder_of_another_owner_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call(tmp_path, "git", "init", "--quiet", "new")
    assert git.commit(tmp_path / "new") is None
    assert git.commit(tmp_path) is None
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(git.GitError, match=r"git: fatal: detected dubious ownership .* safe\.directory"):
        git.commit(tmp_path / "new")
