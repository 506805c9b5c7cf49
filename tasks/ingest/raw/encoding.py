"""Which characters the bytes of a file stand for.

By byte order mark, else strict UTF-8, else by the look of the bytes.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tasks.ingest.raw import packed

MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
CHUNK = 1 << 20
SAMPLE = 1 << 16
CONTROL = bytes(byte for byte in range(32) if byte not in b"\t\n\v\f\r\x1b")
BINARY_SHARE = 0.05
NUL_SHARE = 0.3
"""Text with some NUL bytes in it has bad rows; with this many it is no text."""
MIXED_SHARE = 0.9
"""So many of the lines with more than ASCII are UTF-8: the file is, and the others are damaged."""
BEYOND_ASCII = re.compile(rb"[\x80-\xff]+")
ONLY_WINDOWS = re.compile(rb"[\x80-\x9f]")
ACCENTS_SHARE = 0.2


def detect(path: Path) -> str | None:
    """The name of a Python codec, or None for a file that is no text.

    The file is read in pieces; a file of gigabytes needs no more memory than a small one.
    """
    with packed.open_bytes(path) as file:
        head = file.read(SAMPLE)
    if marked := _marked(head):
        return marked
    if _is_utf8(path):
        return None if head.count(0) > NUL_SHARE * len(head) else "utf-8"
    if _is_binary(head):
        return None
    lines = list(islice(_lines_beyond_ascii(path), 10_000))
    if sum(_decodes(line) for line in lines) >= MIXED_SHARE * len(lines):
        return "utf-8"
    return _legacy(b"".join(lines)[:SAMPLE])


def of_head(head: bytes) -> str | None:
    """The codec of the beginning of a file, as far as that tells: UTF-8 stands for all that have no mark.

    None for what is no text.
    """
    if marked := _marked(head):
        return marked
    return None if head.count(0) > NUL_SHARE * len(head) or _is_binary(head) else "utf-8"


def _marked(head: bytes) -> str | None:
    """By a byte order mark, or by every second byte."""
    return next((name for mark, name in MARKS.items() if head.startswith(mark)), None) or _wide(head)


def _is_binary(head: bytes) -> bool:
    return sum(head.count(byte) for byte in CONTROL) > BINARY_SHARE * len(head)


def _wide(head: bytes) -> str | None:
    """UTF-16 without a mark: (nearly) every second byte of Western text is NUL."""
    pairs = len(head) // 2
    for start, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if pairs and head[start::2].count(0) > 0.7 * pairs and head[1 - start :: 2].count(0) < 0.1 * pairs:
            return name
    return None


def _is_utf8(path: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with packed.open_bytes(path) as file:
            while chunk := file.read(CHUNK):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _lines_beyond_ascii(path: Path) -> Iterator[bytes]:
    with packed.open_bytes(path) as file:
        while line := file.readline(CHUNK):
            if not line.isascii():
                yield line


def _decodes(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _legacy(sample: bytes) -> str | None:
    """One of the codes from before Unicode.

    Western European where the bytes allow it as well as anything else.
    """
    from charset_normalizer import from_bytes

    matches = from_bytes(sample)
    best = matches.best()
    western = next((match for match in matches if "cp1252" in match.could_be_from_charset), None)
    as_good = (
        western is not None
        and best is not None
        and western.chaos <= best.chaos
        and western.coherence >= best.coherence
    )
    if as_good or _has_accents_only(sample):
        return "cp1252" if ONLY_WINDOWS.search(sample) and _can(sample, "cp1252") else "iso-8859-1"
    return best.encoding if best is not None else None


def _has_accents_only(sample: bytes) -> bool:
    """Few characters beyond ASCII, each alone: what Western accents look like, and no Asian code."""
    runs = BEYOND_ASCII.findall(sample)
    alone = sum(len(run) == 1 for run in runs)
    return (
        alone > 0.7 * len(runs)
        and sum(map(len, runs)) < ACCENTS_SHARE * len(sample)
        and _looks_western(sample)
    )


def _looks_western(sample: bytes) -> bool:
    if not _can(sample, "cp1252"):
        return False
    beyond = [sign for sign in sample.decode("cp1252") if not sign.isascii()]
    return sum(sign.isalpha() or sign in "’‘“”–—…€£§°«»¡¿\xa0" for sign in beyond) > 0.9 * len(beyond)


def _can(sample: bytes, codec: str) -> bool:
    try:
        sample.decode(codec)
    except UnicodeDecodeError:
        return False
    return True
