"""Reads files of tagged words: a word per line with its columns, a blank line after each sentence.

Tjong Kim Sang and De Meulder: Introduction to the CoNLL-2003 Shared Task (2003), section 3. Columns are called "1", "2", ...; a row is a
sentence, its values are the words or tags of a column with single spaces between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tasks.shared.records import Line, Rejected, Row, lines, rejected

DOCUMENT = "-DOCSTART-"


def read(path: Path, name: str, encoding: str) -> Iterator[Row | Rejected]:
    for sentence in _sentences(path, encoding):
        yield _row(name, sentence)


def _sentences(path: Path, encoding: str) -> Iterator[list[Line]]:
    sentence: list[Line] = []
    for line in lines(path, encoding, blank=True):
        if line.text.startswith(DOCUMENT):
            continue
        if line.text.strip() or line.fault:
            sentence.append(line)
            continue
        if sentence:
            yield sentence
        sentence = []
    if sentence:
        yield sentence


def _row(name: str, sentence: list[Line]) -> Row | Rejected:
    first = sentence[0].number
    shown = " ".join(line.text for line in sentence)
    faulty = next((line for line in sentence if line.fault), None)
    if faulty:
        return rejected(name, faulty.number, faulty.fault, shown)
    words = [line.text.split() for line in sentence]
    widths = {len(columns) for columns in words}
    if len(widths) > 1:
        odd = next(line for line, columns in zip(sentence, words, strict=True) if len(columns) != len(words[0]))
        return rejected(name, odd.number, f"ragged: lines of {min(widths)} to {max(widths)} columns in one sentence", shown)
    return Row(name, first, {str(number): " ".join(column) for number, column in enumerate(zip(*words, strict=True), 1)})
