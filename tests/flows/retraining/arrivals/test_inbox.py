"""The inbox.

What is whole is a drop, what is being written is left alone, and nothing is followed out of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.retraining.arrivals import inbox
from tasks.core.errors import DataError


def names(found: tuple[list[inbox.Drop], list[str]]) -> tuple[list[str], list[str]]:
    return [drop.name for drop in found[0]], found[1]


def test_no_inbox_is_an_empty_one(tmp_path: Path) -> None:
    assert inbox.look(tmp_path / "none", 0) == ([], [])


def test_inbox_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "inbox").symlink_to("/etc")
    with pytest.raises(DataError, match="the inbox is a link; mount or make the folder itself there"):
        inbox.look(tmp_path / "inbox", 0)


def test_files_and_folders_are_drops_and_unfinished_ones_are_left_alone(tmp_path: Path) -> None:
    for name in ("b.csv", "a.jsonl", "c.csv.part", ".hidden.csv", "d.csv~", "e.tmp"):
        (tmp_path / name).write_text("text,label\nx,y\n")
    (tmp_path / "sport").mkdir()
    (tmp_path / "sport" / "1.txt").write_text("goal")
    (tmp_path / "cats").mkdir()
    (tmp_path / "cats" / "1.png.part").write_text("x")
    assert names(inbox.look(tmp_path, 0)) == (
        ["a.jsonl", "b.csv", "sport"],
        [".hidden.csv", "c.csv.part", "cats", "d.csv~", "e.tmp"],
    )


def test_name_that_is_no_text_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "sport").mkdir()
    for name in (b"caf\xe9.csv", b"sport/\xe9.txt"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_text("x")
    found = inbox.look(tmp_path, 0)
    assert names(found) == (
        [],
        ["caf\\xe9.csv (a name is no UTF-8; rename it)", "sport (a name is no UTF-8; rename it)"],
    )


def test_file_that_changed_a_moment_ago_is_left_alone_whatever_its_time_says(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\n")
    os.utime(tmp_path / "a.csv", (0, 0))
    assert names(inbox.look(tmp_path, 60)) == ([], ["a.csv"])
    time.sleep(1.1)
    assert names(inbox.look(tmp_path, 1)) == (["a.csv"], [])


def test_file_that_another_process_has_open_for_writing_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    code = (
        f"import sys; f = open({str(file)!r}, 'w'); f.write('text'); f.flush(); print('open', "
        "flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        assert names(inbox.look(tmp_path, 0)) == ([], ["a.csv"])
        with file.open():
            pass
        writer.communicate()
    with file.open():  # being read is no reason to wait
        assert names(inbox.look(tmp_path, 0)) == (["a.csv"], [])


@pytest.mark.parametrize(
    ("make", "fault"),
    [
        (lambda folder: (folder / "x.csv").symlink_to("/etc/passwd"), "is a link; put the file itself there"),
        (lambda folder: (folder / "x").symlink_to("/etc"), "is a link; put the file itself there"),
        (lambda folder: os.mkfifo(folder / "x.csv"), "is no ordinary file"),
        (lambda folder: (folder / "x.exe").write_text("x"), "this kind of file cannot be read"),
        (lambda folder: (folder / "x.csv").write_text(""), "is empty"),
        (lambda folder: (folder / "-rf.csv").write_text("x"), "not safe in a file's name"),
        (lambda folder: (folder / "a\\b.csv").write_text("x"), "not safe in a file's name"),
    ],
)
def test_what_cannot_be_opened_says_why(tmp_path: Path, make: object, fault: str) -> None:
    make(tmp_path)  # type: ignore[operator]
    (drop,), left = inbox.look(tmp_path, 0)
    assert fault in drop.fault
    assert left == []


def test_link_inside_a_folder_spoils_it(tmp_path: Path) -> None:
    (tmp_path / "sport").mkdir()
    (tmp_path / "sport" / "1.txt").symlink_to("/etc/passwd")
    (drop,), _ = inbox.look(tmp_path, 0)
    assert "'1.txt', which is a link" in drop.fault


def test_hash_is_of_the_content_and_of_the_names_in_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("one\n")
    (tmp_path / "b.csv").write_text("one\n")
    for name in ("c", "d"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.txt").write_text("one\n")
    hashes = [drop.sha256 for drop in inbox.look(tmp_path, 0)[0]]
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_drop_is_taken_away_only_if_it_is_still_what_was_taken(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("one\n")
    (tmp_path / "sport").mkdir()
    (tmp_path / "sport" / "1.txt").write_text("goal")
    (table, folder), _ = inbox.look(tmp_path, 0)
    (tmp_path / "a.csv").write_text("one\ntwo\n")
    assert not inbox.remove(tmp_path, "a.csv", table.sha256)
    assert inbox.remove(tmp_path, "sport", folder.sha256)
    assert not inbox.remove(tmp_path, "sport", folder.sha256)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
