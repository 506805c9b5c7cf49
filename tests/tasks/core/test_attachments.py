"""Files that a table or a user names: found inside the raw folder, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.core.attachments import attached, given
from tasks.core.errors import UnusableRowError


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    raw = tmp_path / "raw"
    (raw / "train/images").mkdir(parents=True)
    (raw / "train/images/a.png").write_bytes(b"beside")
    (raw / "images").mkdir()
    (raw / "images/a.png").write_bytes(b"top")
    (tmp_path / "secret").write_bytes(b"secret")
    (raw / "out.png").symlink_to(tmp_path / "secret")
    (raw / "in.png").symlink_to("images/a.png")
    return raw


@pytest.mark.parametrize(
    ("name", "beside", "found"),
    [
        ("images/a.png", "train/metadata.csv", b"top"),
        ("train/images/a.png", "train/metadata.csv", b"beside"),
        ("a.png", "train/images/list.csv", b"beside"),
        ("./images\\a.png", "a.csv", b"top"),
        ("in.png", "a.csv", b"top"),
    ],
)
def test_a_named_file_is_found_in_the_raw_folder_first_then_beside_its_table(
    raw: Path, name: str, beside: str, found: bytes
) -> None:
    assert attached(raw, name, beside) == found


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("/etc/passwd", "unsafe path"),
        ("C:\\a.png", "unsafe path"),
        ("../secret", "unsafe path"),
        ("images/../images/a.png", "unsafe path"),
        ("images/../../secret", "unsafe path"),
        ("images\\..\\..\\secret", "unsafe path"),
        ("out.png", "unsafe path"),
        ("gone.png", "no such file"),
        ("", "no such file"),
        (".", "no such file"),
        ("images", "no such file"),
        ("a\0b.png", "no such file"),
        ("long " * 100_000, "no such file"),
    ],
)
def test_a_name_that_leads_elsewhere_is_refused(raw: Path, name: str, reason: str) -> None:
    with pytest.raises(UnusableRowError, match=f"^{reason}: "):
        attached(raw, name, "a.csv")


def test_a_named_file_that_is_too_large_is_refused(raw: Path) -> None:
    with (raw / "large.png").open("wb") as file:
        file.truncate(2**28 + 1)
    with pytest.raises(
        UnusableRowError, match=r"^file too large: 268,435,457 bytes; at most 268,435,456 are allowed"
    ):
        attached(raw, "large.png", "a.csv")


@pytest.mark.parametrize("name", ["gone.png", "images", ""])
def test_what_a_user_names_must_be_a_file(raw: Path, name: str) -> None:
    assert given(raw / "images/a.png") == b"top"
    with pytest.raises(UnusableRowError, match=r"^no such file: "):
        given(raw / name)


@pytest.mark.parametrize("name", ["x" * 5_000, "nul\0", "", "no/such"])
def test_name_that_is_no_file_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnusableRowError, match="no such file"):
        given(tmp_path / name)
