"""Which sign parts the lines of a text into the fields of a table, if one does."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Sequence
from itertools import islice

from tasks.ingest.forms.head import Head
from tasks.ingest.raw.rows import LONGEST_LINE

SIGNS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}
SEPARATOR_HINT = re.compile(r'"?sep=(?P<sign>[^\w\s"]|\t)"?[;,\t|]*', re.IGNORECASE)
"""The first line of a file for Excel may say what parts its fields; it is no row and no header."""
ALIKE = 0.95
"""So many of the rows of a table have one width."""
FEWEST = {"\t": 2}
"""Lines that show a sign to be meant: a tab is not written by chance, the others stand in prose too."""
FEWEST_OF_OTHERS = 3
SAMPLE = 1_000
FILLED = 0.8
"""Of tables with two columns, so many rows have something in both: else a line ends with the sign."""

csv.field_size_limit(3 * LONGEST_LINE)


def delimiters(head: Head) -> list[str]:
    """The signs that may be meant: one for a table, none for what is no table, several where it is open.

    Tabs go before others, and a sign by whose rules the quotes of the file are in order before one by whose
    rules they are not.
    """
    found = {sign: strict for sign in SIGNS if (strict := _parts(sign, head)) is not None}
    if "\t" in found:
        return ["\t"]
    ordered = [sign for sign, strict in found.items() if strict]
    return ordered if len(ordered) == 1 else list(found)


def _parts(sign: str, head: Head) -> bool | None:
    """Whether the rows also keep the rules of quoting; None if the sign parts no table."""
    lines = head.filled[:SAMPLE]
    if len(lines) < FEWEST.get(sign, FEWEST_OF_OTHERS) or sign not in lines[0]:
        return None
    is_cut = not head.is_all or len(head.filled) > SAMPLE
    quoted, strict = _quoted(sign, lines, is_cut)
    plain = [line.split(sign) for line in lines]
    sound = [rows for rows in (quoted, plain) if _is_table(rows)]
    if not sound:
        return None
    return bool(strict and '"' in "".join(islice(lines, 100)) and sound[0] is quoted)


def _quoted(sign: str, lines: Sequence[str], is_cut: bool) -> tuple[list[list[str]], bool]:
    """Records by the rules of quoting, without one that the end of the sample may cut; whether none breaks
    them.
    """
    strict = True
    try:
        rows = list(csv.reader([f"{line}\n" for line in lines], delimiter=sign, strict=True))
    except csv.Error:
        strict = False
        try:
            rows = list(csv.reader([f"{line}\n" for line in lines], delimiter=sign))
        except csv.Error:
            return [], False
    return (rows[:-1] if is_cut else rows), strict


def _is_table(rows: Sequence[Sequence[str]]) -> bool:
    if len(rows) < 2:
        return False
    widths = Counter(map(len, rows))
    width, count = widths.most_common(1)[0]
    if width < 2 or len(rows[0]) != width or count < ALIKE * len(rows):
        return False
    return width > 2 or sum(all(one.strip() for one in row) for row in rows) >= FILLED * len(rows)
