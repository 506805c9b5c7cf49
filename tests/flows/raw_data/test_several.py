"""Several sources at once, and patterns."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import datasets
import pytest

from flows.raw_data import data, several
from flows.raw_data.data import main
from tasks.core.errors import DataError
from tasks.ingest.reading import raw_folder
from tests.flows.project import CSV, dvc

pytestmark = pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # of pygtrie, in DVC


@pytest.fixture
def given(tmp_path: Path) -> Path:
    folder = tmp_path / "given"
    for name, content in {
        "train.csv": CSV,
        "test.csv": CSV.replace("foo", "other"),
        "more/train.csv": CSV.replace("bar", "new"),
        "more/same/train.csv": CSV,
        "SMSSpamCollection": "ham\tOk\nspam\tFree\n",
        "cats/1.png": "x",
        "dogs/1.png": "y",
        "LICENSE": "MIT",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


def brought(folder: Path, *sources: str) -> tuple[list[str], list[str]]:
    into = folder / "into"
    into.mkdir()
    names = several.bring(sources, into)
    return names, sorted(path.relative_to(into).as_posix() for path in into.rglob("*") if path.is_file())


def test_several_files_come_side_by_side(given: Path, tmp_path: Path) -> None:
    assert brought(tmp_path, f"{given}/train.csv", f"{given}/SMSSpamCollection", f"{given}/train.csv") == (
        ["train.csv", "SMSSpamCollection"],
        ["SMSSpamCollection", "train.csv"],
    )
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("into-")] == []


def test_a_pattern_names_files_and_of_folders_what_is_in_them(given: Path, tmp_path: Path) -> None:
    assert brought(tmp_path, f"{given}/*.csv") == (["*.csv"], ["test.csv", "train.csv"])


def test_several_folders_keep_their_names(given: Path, tmp_path: Path) -> None:
    assert brought(tmp_path, f"{given}/cats", f"{given}/dogs") == (
        ["cats", "dogs"],
        ["cats/1.png", "dogs/1.png"],
    )


def test_a_folder_alone_gives_what_is_in_it(given: Path, tmp_path: Path) -> None:
    assert brought(tmp_path, f"{given}/cats") == (["cats"], ["1.png"])


def test_files_of_one_name_are_refused_unless_they_are_the_same(given: Path, tmp_path: Path) -> None:
    assert brought(tmp_path, f"{given}/train.csv", f"{given}/more/same/train.csv")[1] == ["train.csv"]
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match=r"brings train\.csv, as .*given/train\.csv does with other bytes"):
        brought(tmp_path / "b", f"{given}/train.csv", f"{given}/more/train.csv")


def test_a_pattern_that_nothing_fits_is_refused(given: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing fits this pattern"):
        brought(tmp_path, f"{given}/*.parquet")


def test_a_name_that_looks_like_a_pattern_is_a_file_if_there_is_one(given: Path, tmp_path: Path) -> None:
    (given / "a[1].csv").write_text(CSV)
    assert brought(tmp_path, f"{given}/a[1].csv") == (["a[1].csv"], ["a[1].csv"])


def test_the_command_takes_several_and_says_what_stayed_behind(
    project: Path, given: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["add", "many", f"{given}/*.csv", f"{given}/SMSSpamCollection"]) == 0
    assert capsys.readouterr().out == (
        "data/raw/many: added *.csv, SMSSpamCollection (3 files); commit data/raw/many.dvc\n"
    )
    assert main(["add", "two", f"{given}/more", f"{given}/cats"]) == 0
    assert sorted(path.name for path in (project / "data/raw/two").iterdir()) == ["cats", "more"]


def test_a_file_without_a_known_ending_is_refused_with_what_it_could_be(
    project: Path, given: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (given / "open.data").write_text("a,b;c\nd,e;f\ng,h;i\n")
    (given / "notes.txt").write_text("Only prose stands here.\nAnd more of it, of course.\n")
    assert main(["add", "a", f"{given}/open.data"]) == 2
    assert (
        "could be a table separated by commas, or a table separated by semicolons" in capsys.readouterr().err
    )
    assert main(["add", "a", f"{given}/notes.txt"]) == 2
    assert "this kind of file cannot be read, by its ending or by its content" in capsys.readouterr().err
    assert list((project / "data/raw").iterdir()) == []


def test_a_set_that_datasets_saved_is_brought_and_read(project: Path, tmp_path: Path) -> None:
    rows = [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}]
    made = datasets.DatasetDict({side: datasets.Dataset.from_list(rows) for side in ("train", "test")})
    made.save_to_disk(str(tmp_path / "set"))
    assert data.add(project, "saved", str(tmp_path / "set")).startswith("data/raw/saved: added set")
    raw = raw_folder.read(project / "data/raw/saved", header=True)
    assert [dict(row.values) for row in raw.rows] == rows * 2


def insert(database: Path, *rows: tuple[str | None, str]) -> None:
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("create table if not exists tickets(message text, team text)")
        connection.executemany("insert into tickets values(?, ?)", rows)


def test_a_table_of_a_database_comes_by_an_import_of_dvc(project: Path, tmp_path: Path) -> None:
    """As docs/data.md has it; the query stands in the .dvc file, and is asked again by `dvc update`."""
    insert(
        tmp_path / "tickets.db", ('He said "no",\nand left', "app"), (None, "app"), ("Paid twice", "cards")
    )
    dvc("config", "--local", "db.tickets.url", f"sqlite:///{tmp_path}/tickets.db")
    (project / "imports").mkdir()
    query = "select message, team from tickets order by rowid"
    dvc("import-db", "--conn", "tickets", "--sql", query, "--out", "imports/tickets.csv")
    assert query in (project / "imports/tickets.csv.dvc").read_text()
    data.add(project, "support", "imports/tickets.csv")
    insert(tmp_path / "tickets.db", ("New one", "cards"))
    dvc("update", "imports/tickets.csv.dvc")
    data.add(project, "support", "imports/tickets.csv", replace=True)
    assert [dict(row.values) for row in raw_folder.read(project / "data/raw/support", header=True).rows] == [
        {"message": 'He said "no",\nand left', "team": "app"},
        {"message": "", "team": "app"},
        {"message": "Paid twice", "team": "cards"},
        {"message": "New one", "team": "cards"},
    ]
