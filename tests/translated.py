"""What a page in two languages has in one and lacks in the other: code, figures, links, rows, headings.

Sections are compared in their order. Within prose and within a cell of a table the order of words is free, in
code it is not; comments of code may be in either language, with the same figures and inline code.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import NamedTuple

SPAN = re.compile(r"`((?:[^`\n]|\n(?!\n))+)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
FIGURE = re.compile(r"((?<![A-Za-z\d])−?\d+(?:[.,]\d+)*(?:\s?%)?)")  # the 1 of F1 is part of a name
MARK = re.compile(r"<!-- (.+?) -->")
COMMENT = re.compile(r"(?<!\S)#.*")


class Line(NamedTuple):
    number: int
    text: str


class Found(NamedTuple):
    what: str
    line: int


@dataclass
class Section:
    """A heading and what stands below it, up to the next heading."""

    heading: Line
    prose: list[Line] = field(default_factory=list)
    rows: list[Line] = field(default_factory=list)
    code: list[Line] = field(default_factory=list)

    @property
    def level(self) -> int:
        return len(self.heading.text) - len(self.heading.text.lstrip("#"))


class Page(NamedTuple):
    name: str
    sections: list[Section]


def parse(name: str, text: str) -> Page:
    """The sections of a page; what stands before its first heading is one of level 0."""
    found, fenced = [Section(Line(1, ""))], False
    for line in (Line(number, each) for number, each in enumerate(text.splitlines(), 1)):
        fence = line.text.lstrip().startswith("```")
        if fence or fenced:
            found[-1].code.append(line)
            fenced ^= fence
        elif re.match(r"#+ ", line.text):
            found.append(Section(line, prose=[line]))
        elif line.text.startswith("|"):
            found[-1].rows.append(line)
        else:
            found[-1].prose.append(line)
    return Page(name, found)


def _search(
    pattern: re.Pattern[str], lines: list[Line], without: tuple[re.Pattern[str], ...] = ()
) -> list[Found]:
    """What a pattern finds, with its lines; a match may go on in the next line."""
    text = "\n".join(line.text for line in lines)
    for other in without:
        text = other.sub(lambda match: "] " + "\n" * match[0].count("\n"), text)
    return [
        Found(" ".join(match[1].split()), lines[text.count("\n", 0, match.start())].number)
        for match in pattern.finditer(text)
    ]


def figures(lines: list[Line]) -> list[Found]:
    """Numbers in digits, with sign and %, outside code and link targets."""
    found = _search(FIGURE, lines, without=(SPAN, LINK))
    return [Found(re.sub(r"\s*%", " %", what), line) for what, line in found]


def spans(lines: list[Line]) -> list[Found]:
    """Each inline code once: a page may repeat it."""
    return list({found.what: found for found in reversed(_search(SPAN, lines))}.values())


def links(lines: list[Line]) -> list[Found]:
    """Link targets; the Chinese version of a page counts as the page."""
    return [
        Found(what.replace(".zh.md", ".md"), line) for what, line in _search(LINK, lines, without=(SPAN,))
    ]


def marks(lines: list[Line]) -> list[Found]:
    return _search(MARK, lines)


def code(lines: list[Line]) -> list[Found]:
    """Lines of code and fences without comments, blank lines and alignment."""
    bare = [Found(COMMENT.sub("", line.text).rstrip(), line.number) for line in lines]
    return [Found(re.sub(r"(?<=\S)\s+", " ", what), line) for what, line in bare if what]


def comments(lines: list[Line]) -> list[Found]:
    """Figures and inline code of comments."""
    found = [Line(line.number, comment) for line in lines for comment in COMMENT.findall(line.text)]
    return [*figures(found), *spans(found)]


IN_TEXT: dict[str, Callable[[list[Line]], list[Found]]] = {
    "figure": figures,
    "inline code": spans,
    "link": links,
    "mark": marks,
}


def differences(english: Page, chinese: Page) -> Iterator[str]:
    """One line for each thing that the Chinese page lacks, or has and the English one lacks."""
    if [one.level for one in english.sections] == [other.level for other in chinese.sections]:
        for one, other in zip(english.sections, chinese.sections, strict=True):
            yield from _section(Pair(english.name, chinese.name, other.heading), one, other)
    else:  # sections would be compared with the wrong ones
        yield f"headings differ in number or level; those of {english.name} beside those of {chinese.name}:"
        for pair in zip_longest(english.sections, chinese.sections):
            yield "  " + " | ".join(
                f"{one.heading.number} {one.heading.text}" if one else "-" for one in pair
            )


class Pair(NamedTuple):
    """Where two pages are compared: their names, and the line of the Chinese page to look at."""

    english: str
    chinese: str
    near: Line

    def missing(self, what: str, found: str, *lines: int) -> str:
        return f"{self._here}: {what} missing: `{found}` of {self.english}:{_listed(lines)}"

    def too_much(self, what: str, found: str, *lines: int) -> str:
        return f"{self._here}: {what} too much: `{found}` of {self.chinese}:{_listed(lines)}"

    @property
    def _here(self) -> str:
        return f"{self.chinese}:{self.near.number} ({self.near.text[:30]})"


def _listed(lines: tuple[int, ...]) -> str:
    return ", ".join(str(line) for line in dict.fromkeys(lines))


def _section(pair: Pair, english: Section, chinese: Section) -> Iterator[str]:
    for what, find in IN_TEXT.items():
        yield from _unordered(pair, what, find(english.prose), find(chinese.prose))
    yield from _ordered(pair, "code", code(english.code), code(chinese.code))
    yield from _unordered(pair, "in a comment", comments(english.code), comments(chinese.code))
    yield from _rows(pair, english.rows, chinese.rows)


def _rows(pair: Pair, english: list[Line], chinese: list[Line]) -> Iterator[str]:
    """Cell by cell where the tables have the same shape, else all cells together."""
    shapes = [[line.text.count("|") for line in rows] for rows in (english, chinese)]
    if shapes[0] == shapes[1]:
        for one, other in zip(english, chinese, strict=True):
            cells = (([Line(row.number, cell) for cell in row.text.split("|")]) for row in (one, other))
            for cell, its in zip(*cells, strict=True):
                for what, find in IN_TEXT.items():
                    yield from _unordered(pair._replace(near=other), what, find([cell]), find([its]))
        return
    counts = f"{pair.english} has {len(english)}, {pair.chinese} has {len(chinese)}"
    yield f"{pair.chinese}:{pair.near.number} ({pair.near.text}): rows or cells of tables: {counts}"
    for what, find in IN_TEXT.items():
        yield from _unordered(pair, what, find(english), find(chinese))


def _unordered(pair: Pair, what: str, english: list[Found], chinese: list[Found]) -> Iterator[str]:
    for wanted, had, tell in ((english, chinese, pair.missing), (chinese, english, pair.too_much)):
        left = Counter(found.what for found in wanted) - Counter(found.what for found in had)
        for each, times in left.items():
            yield from times * [tell(what, each, *(found.line for found in wanted if found.what == each))]


def _ordered(pair: Pair, what: str, english: list[Found], chinese: list[Found]) -> Iterator[str]:
    matcher = SequenceMatcher(
        None, [one.what for one in english], [one.what for one in chinese], autojunk=False
    )
    for tag, begin, end, its_begin, its_end in matcher.get_opcodes():
        if tag != "equal":
            yield from (pair.missing(what, *found) for found in english[begin:end])
            yield from (pair.too_much(what, *found) for found in chinese[its_begin:its_end])
