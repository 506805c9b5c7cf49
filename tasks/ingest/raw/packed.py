"""Opens files of text that may be compressed (`rows.csv.gz`), and stops reading one that unpacks to far more
than its size.

A few kilobytes can unpack to gigabytes. What is counted is also what rows cost in memory beside their
characters.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

FLOOR = 64 * 2**20
"""Bytes that any file may unpack to."""
RATIO = 100
"""Above that, so many times its size. Text unpacks to 3 to 30 times its size."""
ROW_COST = 64
BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError)


class PackedError(Exception):
    """Why a compressed file cannot be read, as the end of a sentence that begins with its name."""


def _zstandard(path: Path) -> IO[bytes]:
    import pyarrow as pa

    return cast(IO[bytes], pa.input_stream(str(path), compression="zstd"))


OPENERS: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _zstandard,
}


def suffix(name: str) -> str:
    """The suffix that says what a file holds, in small letters.

    `.csv` for `rows.CSV` and for `rows.csv.gz`.
    """
    path = PurePosixPath(name.lower())
    return PurePosixPath(path.stem).suffix if path.suffix in OPENERS else path.suffix


def is_packed(name: str) -> bool:
    return PurePosixPath(name.lower()).suffix in OPENERS


def limit(path: Path) -> int:
    """Bytes that a file may unpack to."""
    return max(FLOOR, RATIO * path.stat().st_size)


def too_large(path: Path) -> str:
    return (
        f"unpacks to more than {limit(path):,} bytes, over {RATIO} times its size, which is no usual text; "
        "split it into smaller files, or take the giant values out"
    )


def open_bytes(path: Path) -> IO[bytes]:
    """The bytes of a file, unpacked. Reading them raises PackedError where that fails."""
    if not is_packed(path.name):
        return path.open("rb")
    return cast(IO[bytes], io.BufferedReader(_Unpacked(path), io.DEFAULT_BUFFER_SIZE * 16))


def open_text(path: Path, encoding: str, errors: str) -> IO[str]:
    """Its text, with line ends as they are."""
    return io.TextIOWrapper(open_bytes(path), encoding=encoding, errors=errors, newline="")


class _Unpacked(io.RawIOBase):
    def __init__(self, path: Path) -> None:
        self._path, self._left = path, limit(path)
        self._stream = OPENERS[path.suffix.lower()](path)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except BROKEN as error:
            raise PackedError(f"is no sound {self._path.suffix} file ({error}); compress it anew") from None
        self._left -= len(data) + ROW_COST * (data.count(b"\n") + data.count(b"{"))
        if self._left < 0:
            raise PackedError(too_large(self._path))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()
