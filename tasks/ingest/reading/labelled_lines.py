"""Reads lines that begin with their label: fastText's `__label__x text` (columns `label` and `text`), and
`DESC:manner text`, as the questions of TREC are written; and lines that end with it, `text@label`.

A label on two levels gives two columns: `label` holds the first (`DESC`), `fine_label` both (`DESC:manner`),
for the second alone may stand below several firsts (`ENTY:other`, `NUM:other`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from tasks.ingest.forms.labelled import ENDED, FASTTEXT, LABELLED, LEVELS, has_levels
from tasks.ingest.raw.rows import RawRow, Rejected, lines, rejected
from tasks.ingest.raw.values import text_of

SAMPLE = 1_000
MARKED = re.compile(rf"(?<!\S){FASTTEXT}(\S*)")


def fasttext(path: Path, name: str, encoding: str) -> Iterator[RawRow | Rejected]:
    """A line's labels may stand anywhere in it; one that has none is a text without a label."""
    for line in lines(path, encoding):
        if line.fault:
            yield rejected(name, line.number, line.fault, line.text)
            continue
        labels = MARKED.findall(line.text)
        text = MARKED.sub(" ", line.text) if labels else line.text
        found = labels[0] if len(labels) == 1 else text_of(labels) if labels else ""
        yield RawRow(name, line.number, {"label": found, "text": text.strip()})


def ended(path: Path, name: str, encoding: str) -> Iterator[RawRow | Rejected]:
    """Columns `text` and `label`."""
    for line in lines(path, encoding):
        match = None if line.fault else ENDED.fullmatch(line.text)
        if match is None:
            reason = line.fault or "no label: the line does not end with @ and one"
            yield rejected(name, line.number, reason, line.text)
        else:
            yield RawRow(name, line.number, {"text": match["text"], "label": match["label"]})


def labelled(path: Path, name: str, encoding: str, remarks: Counter[str]) -> Iterator[RawRow | Rejected]:
    """`remarks` counts the rows whose label has two levels."""
    first = (
        LABELLED.fullmatch(line.text) for line in islice(lines(path, encoding), SAMPLE) if not line.fault
    )
    leveled = has_levels([match["label"] for match in first if match])
    for line in lines(path, encoding):
        match = None if line.fault else LABELLED.fullmatch(line.text)
        if match is None:
            reason = line.fault or "no label: the line does not begin with one, a blank and a text"
            yield rejected(name, line.number, reason, line.text)
            continue
        values = {"label": match["label"], "text": match["text"]}
        if leveled:
            levels = LEVELS.fullmatch(match["label"])
            values = {
                **values,
                "label": levels["coarse"] if levels else match["label"],
                "fine_label": match["label"],
            }
            remarks["rows with a label on two levels: `label` is the first, `fine_label` both"] += (
                levels is not None
            )
        yield RawRow(name, line.number, values)
