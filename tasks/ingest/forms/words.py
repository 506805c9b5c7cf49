"""Whether a text holds a word a line with its tags, as CoNLL files do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

TAG = re.compile(r"O|[BIESLUM]-\S+")
SPACES = re.compile(r"[ \t]+")
"""No others: a word may hold a no-break space."""
DOCUMENT = "-DOCSTART-"
ALIKE = 0.95
TAGGED = 0.9
FEWEST = 2
FEWEST_PLAIN = 10
UNIVERSAL = 10
"""Columns of CoNLL-U, the first of which numbers the words."""
RANGE = re.compile(r"\d+([-.]\d+)?")
MOST_TAGS = 100
OFTEN = 5
"""As often occurs a tag on average."""


def says(lines: Sequence[str]) -> bool | None:
    """Whether lines are words with their tags; None where they could be.

    They are if the last column holds tags of entities, or the first of ten numbers. They could be where blank
    lines part groups of lines whose first column is a word and whose last is one of few.
    """
    filled = [line for line in lines if line.strip() and not line.startswith((DOCUMENT, "# "))]
    if len(filled) < FEWEST:
        return False
    tabbed = sum("\t" in line for line in filled) > len(filled) / 2
    rows = [_fields(line, tabbed) for line in filled]
    width, count = Counter(map(len, rows)).most_common(1)[0]
    if width < 2 or count < ALIKE * len(rows):
        return False
    last = Counter(row[-1] for row in rows)
    if sum(count for tag, count in last.items() if TAG.fullmatch(tag)) >= TAGGED * len(rows):
        return any(tag != "O" for tag in last) or any(len(group) > 1 for group in _groups(lines))
    if width == UNIVERSAL and sum(RANGE.fullmatch(row[0]) is not None for row in rows) >= TAGGED * len(rows):
        return True
    return None if _could_be(lines, rows, len(last)) else False


def _could_be(lines: Sequence[str], rows: Sequence[Sequence[str]], tags: int) -> bool:
    groups = list(_groups(lines))
    return (
        len(rows) >= FEWEST_PLAIN
        and len(groups) > 1
        and len(rows) >= 2 * len(groups)
        and tags <= min(MOST_TAGS, len(rows) / OFTEN)
        and all(" " not in row[0].strip() for row in rows)
        and 2 * sum(any(sign.isalpha() for sign in row[-1]) for row in rows) > len(rows)
    )


def _fields(line: str, tabbed: bool) -> list[str]:
    if tabbed and "\t" in line:
        return [one.strip(" ") for one in line.split("\t")]
    return SPACES.split(line.strip(" \t"))


def _groups(lines: Sequence[str]) -> Iterator[list[str]]:
    """Lines between blank ones."""
    group: list[str] = []
    for line in [*lines, ""]:
        if line.strip():
            group.append(line)
        elif group:
            yield group
            group = []
