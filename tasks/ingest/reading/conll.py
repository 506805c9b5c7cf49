"""Reads files of tagged words: a word per line with its columns, a blank line after each sentence.

Tjong Kim Sang and De Meulder: Introduction to the CoNLL-2003 Shared Task (2003), section 3. Columns are
called "1", "2", ...; a row is a sentence, its values are the words or tags of a column with single spaces
between them. CoNLL-U, with ten columns and comments, gives its columns by their names too
(universaldependencies.org, format).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tasks.ingest.forms.words import DOCUMENT, RANGE, SPACES, TAG
from tasks.ingest.raw.rows import Line, RawRow, Rejected, lines, rejected

UNIVERSAL: tuple[str, ...] = (
    "id",
    "form",
    "lemma",
    "upos",
    "xpos",
    "feats",
    "head",
    "deprel",
    "deps",
    "misc",
)
GLOBAL_COLUMNS = re.compile(r"#\s*global\.columns\s*=(?P<names>.+)")
NUMBER = re.compile(r"\d+")
NUMBERED_SHARE = 0.9
UNSEEN = {"Cc", "Cf", "Cs", "Cn", "Zs", "Zl", "Zp"}


def read(path: Path, name: str, encoding: str, remarks: Counter[str]) -> Iterator[RawRow | Rejected]:
    """`remarks` counts the lines that are no words, and the words that were changed."""
    layout = _layout(path, encoding)
    for sentence in _sentences(path, encoding, layout, remarks):
        yield _row(name, sentence, layout, remarks)


@dataclass
class _Layout:
    """What all lines of a file tell of how it is written."""

    tabbed: bool = True
    width: int = 0
    tags: set[str] = field(default_factory=set)
    names: tuple[str, ...] = ()
    """Of CoNLL-U, whose first column numbers the words."""

    def fields(self, text: str) -> list[str]:
        return (
            [one.strip(" ") for one in text.split("\t")]
            if self.tabbed and "\t" in text
            else SPACES.split(text.strip(" \t"))
        )

    def is_comment(self, text: str, within: bool) -> bool:
        """A word may begin with `#` too: it is in a line like others, or within a sentence."""
        if not text.startswith("#") or (within and not self.names):
            return False
        fields = self.fields(text)
        is_like_others = len(fields) == self.width and (
            fields[0] != "#" or fields[-1] in self.tags or TAG.fullmatch(fields[-1]) is not None
        )
        return bool(self.names) or not is_like_others


def _layout(path: Path, encoding: str) -> _Layout:
    """Of the lines without `#` in front, most of which are sound, and of a line that names the columns."""
    widths: dict[bool, Counter[int]] = {True: Counter(), False: Counter()}
    tabbed = numbered = total = 0
    layout = _Layout()
    names: tuple[str, ...] = UNIVERSAL
    for line in lines(path, encoding):
        if match := GLOBAL_COLUMNS.fullmatch(line.text):
            names = tuple(one.lower() for one in match["names"].split())
        if line.fault or line.text.startswith(("#", DOCUMENT)):
            continue
        by_tabs, by_spaces = line.text.split("\t"), SPACES.split(line.text.strip(" \t"))
        widths[True][len(by_tabs)] += 1
        widths[False][len(by_spaces)] += 1
        layout.tags.add(by_spaces[-1])
        total += 1
        tabbed += len(by_tabs) > 1
        numbered += len(by_tabs) > 1 and RANGE.fullmatch(by_tabs[0]) is not None
    layout.tabbed = tabbed > total / 2
    layout.width = max(widths[layout.tabbed], key=lambda width: widths[layout.tabbed][width], default=0)
    is_universal = layout.tabbed and layout.width == len(names) and numbered > NUMBERED_SHARE * total
    layout.names = names if is_universal else ()
    return layout


def _sentences(path: Path, encoding: str, layout: _Layout, remarks: Counter[str]) -> Iterator[list[Line]]:
    sentence: list[Line] = []
    for line in lines(path, encoding, blank=True):
        if line.text.startswith(DOCUMENT):
            continue
        if layout.is_comment(line.text, within=bool(sentence)):
            remarks["comment lines left out"] += 1
        elif line.text.strip(" \t\v\f") or line.fault:
            sentence.append(line)
        else:
            if sentence:
                yield sentence
            sentence = []
    if sentence:
        yield sentence


def _row(name: str, sentence: list[Line], layout: _Layout, remarks: Counter[str]) -> RawRow | Rejected:
    first = sentence[0].number
    shown = " ".join(line.text for line in sentence)
    faulty = next((line for line in sentence if line.fault), None)
    if faulty:
        return rejected(name, faulty.number, faulty.fault, shown)
    words = [layout.fields(line.text) for line in sentence]
    widths = {len(columns) for columns in words}
    if len(widths) > 1:
        odd = next(
            line for line, columns in zip(sentence, words, strict=True) if len(columns) != len(words[0])
        )
        return rejected(
            name,
            odd.number,
            f"ragged: lines of {min(widths)} to {max(widths)} columns in one sentence",
            shown,
        )
    if layout.names:
        kept = [columns for columns in words if NUMBER.fullmatch(columns[0])]
        remarks["lines of multiword tokens and empty nodes left out"] += len(words) - len(kept)
        if not kept:
            return rejected(name, first, "no word: the sentence has no line with a whole number", shown)
        words = kept
    columns = [" ".join(_word(one, remarks) for one in column) for column in zip(*words, strict=True)]
    numbered = {str(number): value for number, value in enumerate(columns, 1)}
    return RawRow(name, first, {**numbered, **dict(zip(layout.names, columns, strict=False))})


def _word(text: str, remarks: Counter[str]) -> str:
    """Words are joined with spaces: one must hold none, and something that can be seen."""
    if text.isascii() and text and not any(sign.isspace() for sign in text) and text.isprintable():
        return text
    word = "_".join(text.split())
    if all(unicodedata.category(sign) in UNSEEN for sign in word):
        word = "_"
    remarks["words with white space in them, or nothing to be seen, that now hold _"] += word != text
    return word
