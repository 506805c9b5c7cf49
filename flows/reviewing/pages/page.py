"""What a page is made of, before it is Markdown or HTML.

All text is plain: whoever writes it out makes it harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from tasks.core import escape

Tone = Literal["", "good", "bad", "muted", "strong"]
LONGEST = 240


@dataclass(frozen=True)
class Text:
    """`foreign` text comes from data, params or names.

    It is shown as it is, and nothing in it means anything.
    """

    text: str
    tone: Tone = ""
    foreign: bool = False


Line = Sequence[Text | str] | Text | str


def spans(line: Line) -> list[Text]:
    parts = [line] if isinstance(line, str | Text) else line
    return [Text(one) if isinstance(one, str) else one for one in parts]


def foreign(text: object, tone: Tone = "", longest: int = LONGEST) -> Text:
    """On one line, cut, with what cannot be seen or turns the direction of writing written out."""
    return Text(escape.line(text, longest), tone, foreign=True)


@dataclass(frozen=True)
class Paragraph:
    line: Line


@dataclass(frozen=True)
class Items:
    lines: Sequence[Line]


@dataclass(frozen=True)
class Table:
    """The first `left` columns are text, the others figures."""

    heads: Sequence[Line]
    rows: Sequence[Sequence[Line]]
    left: int = 1


@dataclass(frozen=True)
class Picture:
    """Two that are `half` stand side by side where there is room."""

    name: str
    alt: str
    png: bytes = field(repr=False)
    half: bool = False


@dataclass(frozen=True)
class Section:
    """`aside`: of interest to few; folded where room is dear, `closed` even on a page of its own."""

    title: Line
    blocks: Sequence[Block]
    aside: bool = True
    closed: bool = False


Block = Paragraph | Items | Table | Picture | Section


@dataclass(frozen=True)
class Page:
    """`short` is what a reader in a hurry gets to see."""

    title: Line
    short: Sequence[Block]
    chapters: Sequence[Section]
