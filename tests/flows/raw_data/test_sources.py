"""What data become on their way into the raw folder.

The hub itself cannot be reached from tests: a data set of it is made here.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, Features, List, Value

from flows.raw_data import sources
from tasks.core.errors import DataError


def test_numbers_of_labels_become_their_names_alone_and_in_lists() -> None:
    names = ClassLabel(names=["O", "B-per"])
    features = Features({"tokens": List(Value("string")), "tags": List(names), "topic": names})
    rows = {"tokens": [["a", "b"], []], "tags": [[1, 0], []], "topic": [1, None]}
    split = sources._with_names(Dataset.from_dict(rows, features=features))
    assert split["tags"][:] == [["B-per", "O"], []]
    assert split["topic"][:] == ["B-per", None]
    assert split["tokens"][:] == rows["tokens"]


def test_a_folder_of_images_and_idx_files_is_brought_whole(tmp_path: Path) -> None:
    brought = [
        "Bag/1.png",
        "Bag/2.JPEG",
        "a.csv",
        "t10k-labels-idx1-ubyte.gz",
        "top.webp",
        "train-images.idx3-ubyte",
    ]
    for name in [*brought, "setup.exe", ".hidden/1.png"]:
        path = tmp_path / "from" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "into").mkdir()
    assert sources.bring(str(tmp_path / "from"), tmp_path / "into") == "from"
    assert {
        path.relative_to(tmp_path / "into").as_posix(): path.read_text()
        for path in (tmp_path / "into").rglob("*.*")
    } == {name: name for name in brought}


def test_images_with_unsafe_names_or_links_are_refused(tmp_path: Path) -> None:
    (tmp_path / "from").mkdir()
    (tmp_path / "from/a:b.png").write_bytes(b"x")
    (tmp_path / "from/out.png").symlink_to("/etc/hostname")
    (tmp_path / "into").mkdir()
    with pytest.raises(DataError) as caught:
        sources.bring(str(tmp_path / "from"), tmp_path / "into")
    assert len(caught.value.faults) == 2
    assert list((tmp_path / "into").iterdir()) == []


@pytest.fixture
def cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package of solar cells with three of them."""
    package = tmp_path / "package"
    (package / "images").mkdir(parents=True)
    for number in range(3):
        (package / f"images/cell{number}.png").write_bytes(bytes([number]))
    (package / "labels.csv").write_text(
        "images/cell0.png  0.3333333333333333  mono\nimages/cell1.png  0.6666666666666666  "
        "poly\nimages/cell2.png  0.0  mono\n"
    )
    monkeypatch.setattr(sources, "_package_folder", lambda *_: package)
    return package


@pytest.mark.usefixtures("cells")
def test_solar_cells_are_defective_from_a_probability_of_a_half(tmp_path: Path) -> None:
    into = tmp_path / "into"
    into.mkdir()
    assert sources.bring("elpv", into) == "elpv"
    assert (into / "cells.csv").read_text().splitlines() == [
        "path,label,probability,type",
        "images/cell0.png,functional,0.3333333333333333,mono",
        "images/cell1.png,defective,0.6666666666666666,poly",
        "images/cell2.png,functional,0.0,mono",
    ]
    assert [path.read_bytes() for path in sorted((into / "images").iterdir())] == [b"\0", b"\1", b"\2"]


def test_solar_cells_outside_their_folder_are_refused(cells: Path, tmp_path: Path) -> None:
    (cells / "labels.csv").write_text("images/../../secret.png 1.0 mono\n")
    (tmp_path / "into").mkdir()
    with pytest.raises(DataError, match="no file in its folder"):
        sources.bring("elpv", tmp_path / "into")


def test_a_missing_package_is_named_as_pip_knows_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []
    monkeypatch.setattr("importlib.util.find_spec", asked.append)
    with pytest.raises(DataError, match=r"`pip install elpv-dataset==1\.0\.0\.post1`"):
        sources.bring("elpv", tmp_path)
    assert asked == ["elpv_dataset"]
