"""A worktree for a run with overrides.

What it holds, what a kill leaves of it, and what an override cannot reach.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from dvc.repo import Repo

from flows.checkout import worktree
from tasks.core.errors import ModelError, ParamsError
from tests import smoke
from tests.flows.toy import Toy, call

OVERRIDE = ["runs.smoke.prune.ffn=48"]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The smoke project, of which nothing was run."""
    return smoke.make_project(tmp_path_factory.mktemp("worktree"))


@pytest.fixture
def root(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(scratch)
    worktree.clear(scratch)
    return scratch


def test_override_stands_in_the_worktree_and_not_in_the_checkout(root: Path) -> None:
    before = (root / "params.yaml").read_bytes()
    with worktree.at(root, "", OVERRIDE) as (folder, changes):
        assert changes == ["runs.smoke.prune.ffn 64 → 48"]
        assert Path.cwd() == folder
        assert "ffn: 48" in Path("params.yaml").read_text(encoding="utf-8")
    assert Path.cwd() == root
    assert (root / "params.yaml").read_bytes() == before
    assert call(root, "git", "status", "--porcelain") == ""


@pytest.mark.parametrize(
    "override",
    [
        "runs.smoke.kind=../../../flows/git",
        "runs.smoke.pretrain.source.folder=../../../../..",
        "runs.smoke.pretrain.source.folder=/etc",
        "runs.smoke.pretrain.source={folder: models/../../tiny, sha256: "
        "0000000000000000000000000000000000000000000000000000000000000000}",
        "runs.smoke.ingest={columns: {}}",
        "runs.smoke.prune.ffn=1.5",
    ],
)
def test_override_that_leaves_the_workspace_or_is_no_value_of_params_is_refused(
    root: Path, override: str
) -> None:
    (root.parent / "tiny").mkdir(exist_ok=True)
    with pytest.raises((ParamsError, ModelError), match=r"params\.yaml|lies outside the workspace"):
        run_with(root, override)
    assert not list((root / "data" / "smoke").glob("*/[!.]*"))


def run_with(root: Path, override: str) -> None:
    """As far as the stage that brings the pretrained model in, whose own refusal becomes a ModelError."""
    with worktree.at(root, "", [override]) as (folder, _):
        smoke.call(folder, "python", "-m", "flows.raw_data.data", "restore")
        done = smoke.attempt(folder, "dvc", "repro", "--single-item", "ingest@smoke", "pretrain@smoke")
        if done.returncode:
            raise ModelError("pretrain", done.stdout + done.stderr)


def test_pretrained_model_that_git_does_not_know_comes_along(root: Path) -> None:
    shutil.copytree(root / "models" / "tiny", root / "models" / "unknown", dirs_exist_ok=True)
    with worktree.at(root, "", ["runs.smoke.pretrain.source.folder=models/unknown"]) as (folder, _):
        here, there = (
            sorted(path.name for path in place.iterdir())
            for place in (folder / "models/unknown", root / "models/tiny")
        )
        assert here == there != []
    shutil.rmtree(root / "models" / "unknown")


def test_cache_and_remotes_are_the_checkouts(toy: Toy) -> None:
    toy.dvc("remote", "add", "--quiet", "--local", "--default", "store", "../remote")
    toy.dvc("remote", "add", "--quiet", "other", "s3://bucket")
    toy.dvc("remote", "modify", "--local", "other", "endpointurl", "http://127.0.0.1:1")
    with worktree.at(toy.root, "", ["runs.a.prune.ffn=8"]) as (folder, _):
        repo = Repo(str(folder))
        config, cache = repo.config, repo.cache.local_cache_dir
        repo.close()
        mode = (folder / ".dvc" / "config.local").stat().st_mode & 0o777
    assert mode == 0o600, "it holds the keys of remotes"
    assert Path(cache) == toy.root / ".dvc" / "cache"
    assert config["core"]["remote"] == "store"
    assert Path(config["remote"]["store"]["url"]).resolve() == (toy.root.parent / "remote").resolve()
    assert config["remote"]["other"]["endpointurl"] == "http://127.0.0.1:1"


def test_same_overrides_go_on_where_a_killed_run_was_and_others_clear_it_away(root: Path) -> None:
    with worktree.at(root, "", OVERRIDE) as (folder, _):
        (folder / "data" / ".scratch").mkdir(parents=True)
        (folder / "data" / ".scratch" / "kept").touch()
        (folder / "half").write_text("left by the killed run")
        (folder / "README.md").write_text("torn")
    with worktree.at(root, "", OVERRIDE) as (again, _):
        assert again == folder
        assert (folder / "data" / ".scratch" / "kept").exists()
        assert not (folder / "half").exists()
        assert (folder / "README.md").read_bytes() == (root / "README.md").read_bytes()
    with worktree.at(root, "", ["runs.smoke.prune.ffn=32"]) as (other, _):
        assert [path.name for path in other.parent.iterdir()] == [other.name]


@pytest.mark.parametrize("left", ["no .git", "locked", "no folder"])
def test_worktree_that_was_killed_while_it_was_made_or_removed_is_made_anew(root: Path, left: str) -> None:
    with worktree.at(root, "", OVERRIDE) as (folder, _):
        pass
    if left == "locked":
        call(root, "git", "worktree", "lock", str(folder))
    if left == "no .git":
        (folder / ".git").unlink()
    else:
        shutil.rmtree(folder)
    with worktree.at(root, "", OVERRIDE) as (again, _):
        assert (again / "dvc.yaml").exists()


def test_name_of_an_experiment_is_one_that_dvc_takes_and_none_has(root: Path) -> None:
    assert worktree.free_name(root, "(try 2)", "0123456789") == "try-2"
    assert worktree.free_name(root, "()", "0123456789") == "0123456789"
    commit = call(root, "git", "rev-parse", "HEAD").strip()
    call(root, "git", "update-ref", f"refs/exps/{commit[:2]}/{commit[2:]}/try-2", commit)
    assert worktree.free_name(root, "(try 2)", "0123456789") == "try-2-2"
    call(root, "git", "update-ref", f"refs/exps/{commit[:2]}/{commit[2:]}/try-2-2", commit)
    assert worktree.free_name(root, "(try 2)", "0123456789") == "try-2-3"


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("a..b", "a-b"),
        ("x@{1}", "x-1"),
        ("y.lock", "y-lock"),
        ("-f --rm", "f---rm"),
        ("wörter\n\x1b[31m", "w-rter-31m"),
        ("n" * 300, "n" * 100),
        ("HEAD", "HEAD-2"),
        ("twig", "twig-2"),
        ("v1", "v1-2"),
    ],
)
def test_name_of_an_experiment_is_one_that_git_and_dvc_take_for_nothing_else(
    root: Path, wanted: str, name: str
) -> None:
    call(root, "git", "branch", "--force", "twig")
    call(root, "git", "tag", "--force", "v1")
    assert worktree.free_name(root, wanted, "0123456789") == name
    call(root, "git", "check-ref-format", f"refs/exps/aa/bb/{name}")
