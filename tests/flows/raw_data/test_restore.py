"""Raw data that are missing come back, the same bytes, or it is said what cannot be had."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flows.raw_data.data import add, main
from tests.flows.project import CSV, dvc, everything

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # of pygtrie, in DVC


def test_restore_makes_the_embedded_corpus_again_without_cache_or_remote(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["add", "bbc", "bbc-news"])
    before, committed = everything(project), (project / "data/raw/bbc.dvc").read_bytes()
    shutil.rmtree(project / "data/raw/bbc")
    shutil.rmtree(project / ".dvc/cache")
    capsys.readouterr()
    assert main(["restore"]) == 0
    assert capsys.readouterr().out == "data/raw/bbc: made again from bbc-news, the same bytes\n"
    assert everything(project) == before
    assert (project / "data/raw/bbc.dvc").read_bytes() == committed
    assert "up to date" in dvc("status")
    assert main(["restore"]) == 0
    assert capsys.readouterr().out == "data/raw/bbc: complete\n"


def test_restore_makes_two_embedded_sources_again_together(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(project, "tweets", "wnut-16", beside=["unlabelled-news"])
    before = everything(project)
    shutil.rmtree(project / "data/raw/tweets")
    shutil.rmtree(project / ".dvc/cache")
    assert main(["restore"]) == 0
    said = "data/raw/tweets: made again from wnut-16 and unlabelled-news, the same bytes\n"
    assert capsys.readouterr().out == said
    assert everything(project) == before
    assert (project / "data/raw/tweets/unlabelled/news.txt").exists()


def test_restore_refuses_an_embedded_corpus_of_other_bytes(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["add", "bbc", "bbc-news"])
    path = project / "data/raw/bbc.dvc"
    path.write_text(path.read_text().replace("748737b9", "00000000"))
    shutil.rmtree(project / "data/raw/bbc")
    assert main(["restore"]) == 2
    assert "data/raw/bbc" in capsys.readouterr().err
    assert not list((project / "data/raw").glob("bbc/*"))


def test_restore_pulls_what_only_a_remote_has(
    project: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dvc("remote", "add", "--default", "local", str(tmp_path / "remote"))
    main(["add", "tweets", str(table)])
    dvc("push")
    shutil.rmtree(project / "data/raw/tweets")
    shutil.rmtree(project / ".dvc/cache")
    capsys.readouterr()
    assert main(["restore"]) == 0
    assert capsys.readouterr().out == "data/raw/tweets: pulled\n"
    assert (project / "data/raw/tweets/table.csv").read_text() == CSV


def test_restore_tells_all_that_cannot_be_had(
    project: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for run in ("one", "two"):
        main(["add", run, str(table)])
        shutil.rmtree(project / f"data/raw/{run}")
    shutil.rmtree(project / ".dvc/cache")
    capsys.readouterr()
    assert main(["restore"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("restore: 2 faults\n  data/raw/one: ")
    assert said.count("no remote, for none is configured") == 2
    assert said.count("the data came from table.csv") == 2
    assert not (project / "data/raw/one").exists()


def test_restore_of_one_run_leaves_the_others(
    project: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another run's data may need packages that are not installed."""
    for run in ("one", "two"):
        main(["add", run, str(table)])
    shutil.rmtree(project / "data/raw/two")
    shutil.rmtree(project / ".dvc/cache")
    assert main(["restore", "two"]) == 2
    assert main(["restore", "one"]) == 0
    capsys.readouterr()
    assert main(["restore", "none"]) == 0
    assert "no .dvc files of these runs" in capsys.readouterr().out


def test_restore_leaves_changed_files_alone(
    project: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["add", "tweets", str(table)])
    (project / "data/raw/tweets/table.csv").write_text("mine")
    assert main(["restore"]) == 2
    assert "its files were changed; `dvc add data/raw/tweets` keeps the change" in capsys.readouterr().err
    assert (project / "data/raw/tweets/table.csv").read_text() == "mine"
