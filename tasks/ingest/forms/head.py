"""The beginning of a file: its bytes, and its lines if it is a text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tasks.ingest.raw import packed
from tasks.ingest.raw.encoding import of_head
from tasks.ingest.raw.rows import MARK, MISREAD_MARK

BYTES = 1 << 18
LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Head:
    """`is_all`: the file has no more."""

    bytes: bytes
    is_all: bool

    @classmethod
    def of(cls, path: Path) -> Head:
        """Of the file as it is unpacked.

        Raises:
            PackedError: it cannot be unpacked.
        """
        with packed.open_bytes(path) as file:
            taken = file.read(BYTES + 1)
        return cls(taken[:BYTES], len(taken) <= BYTES)

    @cached_property
    def text(self) -> str:
        """Empty for what is no text.

        What is not UTF-8 is read as Western European: signs that part fields are the same in all codes from
        before Unicode.
        """
        codec = of_head(self.bytes)
        if codec is None:
            return ""
        try:
            text = self.bytes.decode(codec)
        except UnicodeDecodeError as error:
            is_cut = not self.is_all and error.start >= len(self.bytes) - 4
            text = self.bytes[: error.start].decode(codec) if is_cut else self.bytes.decode("iso-8859-1")
        return text.lstrip(MARK).removeprefix(MISREAD_MARK)

    @cached_property
    def lines(self) -> list[str]:
        """Whole lines, blank ones too."""
        found = LINE_END.split(self.text)
        return found if self.is_all or len(found) == 1 else found[:-1]

    @cached_property
    def filled(self) -> list[str]:
        """The lines that are not blank."""
        return [line for line in self.lines if line.strip()]
