"""Pairs of idx files, sound and damaged."""

from __future__ import annotations

import gzip
import io
import struct
from pathlib import Path

import pytest
from PIL import Image

from tasks.core.errors import DataError
from tasks.ingest.reading.raw_folder import Raw, read

IMAGES = "train-images-idx3-ubyte"
LABELS = "train-labels-idx1-ubyte"
PIXELS = bytes(range(12))


def header(*lengths: int, kind: int = 8) -> bytes:
    return struct.pack(f">HBB{len(lengths)}I", 0, kind, len(lengths), *lengths)


def put(raw: Path, images: bytes, labels: bytes | None, end: str = "") -> None:
    pack = gzip.compress if end else bytes
    (raw / (IMAGES + end)).write_bytes(pack(images))
    if labels is not None:
        (raw / (LABELS + end)).write_bytes(pack(labels))


def faults(raw: Path) -> list[str]:
    with pytest.raises(DataError) as caught:
        read(raw, True)
    return list(caught.value.faults)


def shown(raw: Raw) -> list[tuple[int, str | bytes, tuple[int, int], bytes]]:
    made = []
    for row in raw.rows:
        image = row.values["image"]
        assert isinstance(image, bytes)
        picture = Image.open(io.BytesIO(image), formats=["PNG"])
        made.append((row.line, row.values["label"], picture.size, picture.tobytes()))
    return made


@pytest.mark.parametrize("end", ["", ".gz"])
def test_rows_are_png_and_label(tmp_path: Path, end: str) -> None:
    put(tmp_path, header(2, 2, 3) + PIXELS, header(2) + bytes([7, 0]), end)
    raw = read(tmp_path, True)
    assert shown(raw) == [(1, "7", (3, 2), PIXELS[:6]), (2, "0", (3, 2), PIXELS[6:])]
    assert [(note.file, note.encoding, note.rows) for note in raw.notes] == [(IMAGES + end, "binary", 2)]
    assert raw.ignored == []


def test_the_other_spelling_and_a_packed_partner(tmp_path: Path) -> None:
    (tmp_path / "t10k-images.idx3-ubyte").write_bytes(header(1, 2, 6) + PIXELS)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(header(1) + b"\3"))
    assert shown(read(tmp_path, True)) == [(1, "3", (6, 2), PIXELS)]


GOOD = header(2, 2, 3) + PIXELS
ONES = header(2) + b"\1\1"


@pytest.mark.parametrize(
    ("images", "labels", "told"),
    [
        (GOOD, None, "has no labels beside it"),
        (GOOD, header(3) + b"\1\1\1", "has 2 images and train-labels-idx1-ubyte has 3 labels"),
        (
            header(2, 2, 3, kind=13) + PIXELS,
            ONES,
            "begins with 0, 13, 3; 0, 8 (unsigned bytes), 3 (dimensions) is allowed",
        ),
        (
            GOOD,
            header(2, 1) + b"\1\1",
            "its labels, train-labels-idx1-ubyte: is no idx file that can be read: begins with 0, 8, 2",
        ),
        (GOOD[:-1], ONES, "is truncated"),
        (GOOD[:10], ONES, "is truncated"),
        (GOOD, ONES[:-1], "its labels, train-labels-idx1-ubyte: is truncated"),
        (GOOD, ONES + b"\0", "its labels, train-labels-idx1-ubyte: holds more than its header promises"),
        (GOOD + b"\0", ONES, "holds more than its header promises"),
        (header(2, 0, 3), ONES, "promises 2 × 0 × 3 bytes"),
        (header(2, 2, 20_000), ONES, "promises 2 × 2 × 20,000 bytes"),
        (header(2**20, 2**7, 2**7), header(2**20), "promises 1,048,576 × 128 × 128 bytes"),
    ],
)
@pytest.mark.parametrize("end", ["", ".gz"])
def test_damage_is_told(tmp_path: Path, images: bytes, labels: bytes | None, told: str, end: str) -> None:
    put(tmp_path, images, labels, end)
    (fault,) = faults(tmp_path)
    assert told.replace(LABELS, LABELS + end) in fault
    assert fault.startswith(f"{IMAGES}{end}: ")


def test_faults_of_both_headers_and_of_every_pair_are_told_together(tmp_path: Path) -> None:
    put(tmp_path, header(2, 0, 3), header(2, 1))
    (tmp_path / "test-labels-idx1-ubyte").write_bytes(ONES)
    told = faults(tmp_path)
    assert [fault.split()[0] for fault in told] == ["test-labels-idx1-ubyte", f"{IMAGES}:", f"{IMAGES}:"]
    assert told[0].endswith("has no images beside it")


def test_damaged_gzip_is_told(tmp_path: Path) -> None:
    put(tmp_path, GOOD, ONES, ".gz")
    path = tmp_path / f"{IMAGES}.gz"
    packed = path.read_bytes()
    for damaged in (b"plain" * 9, packed[:-9], packed[:-8] + bytes(4) + packed[-4:]):
        path.write_bytes(damaged)
        (fault,) = faults(tmp_path)
        assert "is no sound gzip file" in fault or "is truncated" in fault


def test_a_bomb_is_not_inflated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = 0
    inflate = gzip.GzipFile.read

    def counted(self: gzip.GzipFile, size: int | None = -1) -> bytes:
        nonlocal taken
        read = inflate(self, size)
        taken += len(read)
        return read

    monkeypatch.setattr(gzip.GzipFile, "read", counted)
    put(tmp_path, GOOD + bytes(2**24), ONES, ".gz")
    assert "holds more than its header promises" in faults(tmp_path)[0]
    assert len(GOOD) < taken < 1_000


@pytest.mark.timeout(600)
def test_more_images_than_the_file_can_be_worth_are_refused_by_the_header(tmp_path: Path) -> None:
    count = 3_000_000
    put(tmp_path, header(count, 1, 1) + bytes(count), header(count) + bytes(count), ".gz")
    (told,) = faults(tmp_path)
    assert (
        "promises 3,000,000 × 1 × 1 bytes; sides of 1 to 10,000 and 67,108,864 bytes in all are allowed"
        in told
    )
