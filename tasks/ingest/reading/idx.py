"""Reads pairs of idx files, the layout of MNIST and Fashion-MNIST: images in one file, their labels in
another.

LeCun, Cortes, Burges: The MNIST database of handwritten digits. A header of big-endian numbers, then a byte
per pixel or label.
"""

from __future__ import annotations

import gzip
import io
import math
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from tasks.core.errors import DataError
from tasks.ingest.raw import packed
from tasks.ingest.raw.rows import RawRow

IMAGES = re.compile(r"(?P<set>.+-)?images[-.]idx3-ubyte(\.gz)?")
LABELS = re.compile(r"(?P<set>.+-)?labels[-.]idx1-ubyte(\.gz)?")
UNSIGNED_BYTES = 8
LONGEST_SIDE = 10_000


def is_images(name: str) -> bool:
    return IMAGES.fullmatch(Path(name).name) is not None


def is_labels(name: str) -> bool:
    return LABELS.fullmatch(Path(name).name) is not None


def lacks_images(labels: Path) -> bool:
    return _partner(labels, LABELS, "images", 3) is None


def read(path: Path, name: str) -> Iterator[RawRow]:
    """Rows of the images `path`, called `name`, and the labels beside it: `image` (PNG) and `label` (a number
    as text).

    Never inflates more than a header promises.

    Raises:
        DataError: the labels are missing, or one of the two files is not what its header says; with all that
            the headers tell.
    """
    labels = _partner(path, IMAGES, "labels", 1)
    if labels is None:
        raise DataError(
            name,
            "has no labels beside it; a file of the same name with labels-idx1 for images-idx3 must be there",
        )
    with ExitStack() as stack:
        pictures = _File(stack.enter_context(_open(path)), "", packed.limit(path))
        numbers = _File(
            stack.enter_context(_open(labels)), f"its labels, {labels.name}: ", packed.limit(labels)
        )
        faults = [*pictures.read_header(3), *numbers.read_header(1)]
        if not faults and pictures.shape[0] != numbers.shape[0]:
            faults = [f"has {pictures.shape[0]:,} images and {labels.name} has {numbers.shape[0]:,} labels"]
        if faults:
            raise DataError(name, *faults)
        try:
            yield from _rows(name, pictures, numbers)
        except _FaultError as fault:
            raise DataError(name, str(fault)) from None


def _partner(path: Path, pattern: re.Pattern[str], what: str, rank: int) -> Path | None:
    matched = pattern.fullmatch(path.name)
    begin = (matched["set"] or "") if matched else ""
    names = [f"{begin}{what}{joint}idx{rank}-ubyte{end}" for joint in "-." for end in ("", ".gz")]
    return next((path.with_name(name) for name in names if path.with_name(name).is_file()), None)


def _open(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


class _FaultError(Exception):
    """What is wrong with a file, as a sentence."""


@dataclass
class _File:
    stream: IO[bytes]
    called: str
    most: int
    """What it may cost in memory."""
    shape: tuple[int, ...] = ()

    def read_header(self, rank: int) -> list[str]:
        """Sets the shape; or says what is wrong with it."""
        try:
            zeros, kind, found = struct.unpack(">HBB", self.take(4))
            if (zeros, kind, found) != (0, UNSIGNED_BYTES, rank):
                asked = f"0, {UNSIGNED_BYTES} (unsigned bytes), {rank} (dimensions)"
                return [
                    f"{self.called}is no idx file that can be read: begins with {zeros}, {kind}, {found}; "
                    f"{asked} is allowed"
                ]
            self.shape = struct.unpack(f">{rank}I", self.take(4 * rank))
        except _FaultError as fault:
            return [str(fault)]
        shown = " × ".join(f"{length:,}" for length in self.shape)
        if 0 in self.shape[1:] or max(self.shape[1:], default=1) > LONGEST_SIDE or self._cost() > self.most:
            return [
                f"{self.called}promises {shown} bytes; sides of 1 to {LONGEST_SIDE:,} and {self.most:,} "
                "bytes in all are allowed"
            ]
        return []

    def _cost(self) -> int:
        """Bytes, and for each image what a row costs."""
        return math.prod(self.shape) + (packed.ROW_COST * self.shape[0] if len(self.shape) > 1 else 0)

    def take(self, size: int) -> bytes:
        """The next bytes, exactly so many."""
        try:
            taken = self.stream.read(size)
        except EOFError:
            taken = b""
        except (OSError, zlib.error) as error:
            raise _FaultError(f"{self.called}is no sound gzip file ({error})") from None
        if len(taken) < size:
            raise _FaultError(f"{self.called}is truncated: ends before what its header promises")
        return taken

    def check_end(self) -> None:
        """Reading on also has gzip compare its checksum."""
        try:
            more = self.stream.read(1)
        except (EOFError, OSError, zlib.error) as error:
            raise _FaultError(f"{self.called}is no sound gzip file ({error})") from None
        if more:
            raise _FaultError(f"{self.called}holds more than its header promises")


def _rows(name: str, pictures: _File, numbers: _File) -> Iterator[RawRow]:
    count, height, width = pictures.shape
    for line in range(1, count + 1):
        image, label = pictures.take(height * width), numbers.take(1)[0]
        yield RawRow(name, line, {"image": _png(image, width, height), "label": str(label)})
    pictures.check_end()
    numbers.check_end()


def _png(grey: bytes, width: int, height: int) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.frombytes("L", (width, height), grey).save(file, "PNG")
    return file.getvalue()
