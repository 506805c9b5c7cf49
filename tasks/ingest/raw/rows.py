"""What a raw file gives: rows, and what could not be made a row."""

from __future__ import annotations

import codecs
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.ingest.raw import packed

LONGEST_LINE = 1_000_000
"""Characters. Longer than any text a model reads; a line beyond it is a file without line ends."""
EXCERPT = 200
MARK = "\ufeff"
MISREAD_MARK = "\u00ef\u00bb\u00bf"
"""A mark in UTF-8 that was read as Western European, and saved so."""
UNREADABLE = "has bytes that are no characters"


@dataclass(frozen=True)
class RawRow:
    """`file` is relative to the raw folder, `line` counts from 1 (in Parquet: the row's number)."""

    file: str
    line: int
    values: Mapping[str, str | bytes]
    """Bytes are an encoded image, out of a file that holds many. Lists, objects and what is no text are
    `values.Odd`."""
    rescued: bool = False
    """Taken out of a quote that had swallowed it."""


@dataclass(frozen=True)
class Rejected:
    file: str
    line: int
    reason: str
    excerpt: str


def column_key(name: str) -> str:
    """What names of columns have in common that differ in case or blanks alone."""
    return " ".join(unicodedata.normalize("NFC", name.replace(MARK, "")).split()).casefold()


def rejected(file: str, line: int, reason: str, text: str) -> Rejected:
    clean = "".join(sign if sign.isprintable() else " " for sign in text[: EXCERPT * 2])
    return Rejected(file, line, reason, " ".join(clean.split())[:EXCERPT])


@dataclass(frozen=True)
class Line:
    """A physical line without its end. A text above LONGEST_LINE is cut there and `fault` says so."""

    number: int
    text: str
    fault: str = ""


def lines(path: Path, encoding: str, blank: bool = False) -> Iterator[Line]:
    """The lines of a text file, those that are blank only if asked for; never more than one of them in
    memory.

    Raises:
        UnicodeDecodeError: the file is not of this encoding (not for UTF-8, where only the damaged lines have
            a fault).
    """
    errors = "surrogateescape" if codecs.lookup(encoding).name.startswith("utf-8") else "strict"
    number = 0
    with packed.open_text(path, encoding, errors) as file:
        while text := file.readline(LONGEST_LINE + 2):
            number += 1
            text = _unmarked(text, number)
            ended, fault = text.endswith(("\n", "\r")), _fault(text)
            while not ended and (more := file.readline(LONGEST_LINE)):
                fault = f"over-long: a line of more than {LONGEST_LINE:,} characters"
                ended = more.endswith(("\n", "\r"))
            if blank or text.strip() or fault:
                yield Line(number, text.rstrip("\r\n"), fault)


def _unmarked(text: str, number: int) -> str:
    """Without byte order marks, of which a joined file, or one marked twice, holds more than one."""
    plain = text.lstrip(MARK)
    return plain.removeprefix(MISREAD_MARK) if number == 1 else plain


def _fault(text: str) -> str:
    if "\0" in text:
        return "has NUL bytes"
    return UNREADABLE if not text.isascii() and any(0xDC80 <= ord(sign) <= 0xDCFF for sign in text) else ""
