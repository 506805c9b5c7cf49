"""Class folders of texts and of images, and the folder of unlabelled texts."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image, features

from tasks.core.errors import DataError
from tasks.ingest import unread
from tasks.ingest.reading import class_folders
from tasks.ingest.reading.raw_folder import read
from tasks.kinds.image.common import images


def test_class_folders_give_text_title_body_and_label(tmp_path: Path) -> None:
    for label, name, content in (
        ("tech", "1.txt", "Head\nbody\nmore\n"),
        ("sport", "2.TXT", "Only caf\u00e9 and cr\u00e8me"),
        ("sport", "3.txt", ""),
    ):
        (tmp_path / label).mkdir(exist_ok=True)
        (tmp_path / label / name).write_bytes(content.encode("iso-8859-1"))
    (tmp_path / "README.txt").write_text("not a row")
    raw = read(tmp_path, True)
    assert [(row.file, row.values["label"], row.values["title"], row.values["body"]) for row in raw.rows] == [
        ("sport/2.TXT", "sport", "Only caf\u00e9 and cr\u00e8me", ""),
        ("sport/3.txt", "sport", "", ""),
        ("tech/1.txt", "tech", "Head", "body\nmore"),
    ]
    assert [(note.file, note.encoding, note.rows) for note in raw.notes] == [
        ("sport/", "iso-8859-1 (1), utf-8 (1)", 2),
        ("tech/", "utf-8 (1)", 1),
    ]
    assert raw.ignored == ["README.txt"]


def test_texts_that_are_named_by_numbers_need_no_ending(tmp_path: Path) -> None:
    for label in ("sci.space", "rec.autos"):
        (tmp_path / "20news" / label).mkdir(parents=True)
        for number in (59904, 61091):
            text = f"From: a@b.c\nSubject: {label} {number}\n\nBody"
            (tmp_path / "20news" / label / f"{number}").write_text(text, encoding="utf-8")
    raw = read(tmp_path, True)
    assert [(row.file, row.values["label"]) for row in raw.rows] == [
        ("20news/rec.autos/59904", "rec.autos"),
        ("20news/rec.autos/61091", "rec.autos"),
        ("20news/sci.space/59904", "sci.space"),
        ("20news/sci.space/61091", "sci.space"),
    ]


def put(raw: Path, *names: str) -> None:
    for name in names:
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_bytes(b"not looked into")


def test_class_folders_of_images_give_names_and_labels(tmp_path: Path) -> None:
    put(
        tmp_path,
        "train/Bag/1.png",
        "train/Bag/2.JPG",
        "train/Bag/3.png",
        "test/Coat/1.webp",
        "top.png",
        "train/LICENSE.txt",
        "a.xyz",
    )
    raw = read(tmp_path, True)
    assert [(row.file, row.line, row.values) for row in raw.rows] == [
        (name, 1, {"image": name, "label": name.split("/")[1]})
        for name in ("test/Coat/1.webp", "train/Bag/1.png", "train/Bag/2.JPG", "train/Bag/3.png")
    ]
    assert [(note.file, note.encoding, note.rows) for note in raw.notes] == [
        ("test/Coat/", "webp (1)", 1),
        ("train/Bag/", "png (2), jpg (1)", 3),
    ]
    assert [(one.file, one.reason.split(":")[0]) for one in raw.rejected] == [
        ("top.png", "image without a label")
    ]
    assert raw.ignored == ["a.xyz", "train/LICENSE.txt"]


def test_beside_a_table_images_are_what_it_names(tmp_path: Path) -> None:
    put(tmp_path, "Bag/1.png", "top.png", "b.xyz")
    (tmp_path / "a.csv").write_text("path,label\nBag/1.png,x\n")
    raw = read(tmp_path, True)
    assert [row.values for row in raw.rows] == [{"path": "Bag/1.png", "label": "x"}]
    assert (raw.rejected, raw.ignored) == ([], ["b.xyz"])


def test_texts_with_a_few_images_beside_them_stay_texts(tmp_path: Path) -> None:
    put(tmp_path, "sport/1.txt", "sport/1.png", "top.png")
    raw = read(tmp_path, True)
    assert [row.values["label"] for row in raw.rows] == ["sport"]
    assert (raw.rejected, raw.ignored) == ([], ["sport/1.png", "top.png"])


def test_images_without_any_label_are_no_data(tmp_path: Path) -> None:
    put(tmp_path, "a.png", "b.png")
    with pytest.raises(DataError, match=r"holds only a\.png, b\.png; what can be read: "):
        read(tmp_path, True)


def test_text_in_the_folder_unlabelled_is_no_row(tmp_path: Path) -> None:
    (tmp_path / "unlabelled").mkdir()
    (tmp_path / "unlabelled" / "news.txt").write_bytes(
        "First line.\n\nZweite Zeile, schön.\n".encode("iso-8859-1")
    )
    (tmp_path / "a.csv").write_text("text,label\nx,1\n")
    raw = read(tmp_path, header=True)
    assert [row.values for row in raw.rows] == [{"text": "x", "label": "1"}]
    assert raw.unlabelled == ["First line.", "Zweite Zeile, schön."]
    assert raw.ignored == []
    (tmp_path / "unlabelled" / "noise.txt").write_bytes(bytes(range(256)) * 40)
    with pytest.raises(DataError, match=r"unlabelled/noise.txt is no text"):
        read(tmp_path, header=True)


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["disc/monday/1.png", "box/tuesday/2.png", "disc/3.png"], ["disc", "box", "disc"]),
        (["pics/disc/monday/1.png", "pics/box/2.png"], ["disc", "box"]),
        (["train/disc/mon/1.png", "test/box/2.png", "valid/disc/3.png"], ["disc", "box", "disc"]),
        (["unzipped/train/disc/1.png", "unzipped/test/box/2.png"], ["disc", "box"]),
        (["train/1.png", "car/2.png"], ["train", "car"]),
        (["train/red/1.png", "car/red/2.png"], ["train", "car"]),
        (["train/1.png", "test/2.png"], ["train", "test"]),
        (["disc/1.png"], ["disc"]),
        (["disc/monday/1.png", "disc/2.png"], ["disc", "disc"]),
    ],
)
def test_label_is_the_first_folder_below_the_root(
    tmp_path: Path, names: list[str], labels: list[str]
) -> None:
    put(tmp_path, *names)
    assert {row.file: row.values["label"] for row in read(tmp_path, True).rows} == dict(
        zip(names, labels, strict=True)
    )


def test_labels_of_what_arrived_are_found_as_those_of_the_start(tmp_path: Path) -> None:
    put(
        tmp_path,
        "pics/disc/1.png",
        "pics/box/2.png",
        "arrived/disc/monday/3.png",
        "arrived/pics/box/4.png",
        "arrived/train/box/new/5.png",
    )
    found = {
        row.file: row.values["label"] for row in read(tmp_path, True).rows if row.file.startswith("arrived/")
    }
    assert list(found.values()) == ["disc", "box", "box"]


def test_nothing_that_was_not_read_stays_unsaid(tmp_path: Path) -> None:
    put(
        tmp_path,
        "disc/mon/1.PNG",
        "disc/2.jfif",
        "box/3.avif",
        "box/4.HEIC",
        "box/5.heic",
        "box/Makefile",
        ".cache/6.png",
        "box/.DS_Store",
    )
    raw = read(tmp_path, True)
    assert len(raw.rows) == 3
    assert unread.warnings(tmp_path, raw.rows, raw.ignored, (), ["image"]) == [
        "5 files not read: 2 .heic (box/4.HEIC, box/5.heic), 2 hidden (.cache/6.png, box/.DS_Store), 1 "
        "without ending (box/Makefile)",
        "folders below class folders are no labels (disc/mon); the labels are box, disc",
    ]


def test_pictures_that_no_table_names_are_told(tmp_path: Path) -> None:
    put(tmp_path, "t/a/1.png", "t/a/2.png", "b.png")
    (tmp_path / "t" / "a.csv").write_text("path,label\na\\1.png,x\n")
    raw = read(tmp_path, True)
    assert unread.warnings(tmp_path, raw.rows, raw.ignored, (), ["path"]) == [
        "2 files not read: 2 .png (b.png, t/a/2.png)"
    ]


def test_endings_are_all_those_of_the_formats_that_are_decoded() -> None:
    Image.init()
    assert {
        ending for ending, name in Image.registered_extensions().items() if name in {*images.FORMATS, "MPO"}
    } == class_folders.IMAGES
    assert set(images.FORMATS) <= set(Image.OPEN)
    assert features.check("avif")
    assert features.check("webp")
    assert features.check("jpg_2000")
