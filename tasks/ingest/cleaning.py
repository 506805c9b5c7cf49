"""Rows on their way through ingest: how a text is cleaned, and what must be there before and after."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tasks.core.errors import DataError
from tasks.ingest.raw.rows import Rejected
from tasks.ingest.split import FRESH, SIDES, Record
from tasks.kinds.base.kind import Kind

NO_TEXT = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
LINE_ENDS = re.compile(r"\s*\n\s*")
SHOWN = 10


@dataclass
class Intake:
    """The rows as they stand after each step, and what was set aside on the way."""

    records: list[Record] = field(default_factory=list)
    arrived: list[Record] = field(default_factory=list)
    """Those that came after the start, while they are kept apart."""
    rejected: list[Rejected] = field(default_factory=list)
    cleaned: Counter[str] = field(default_factory=Counter)
    read: int = 0
    warnings: list[str] = field(default_factory=list)
    """What may be wrong with the data though they can be used."""


def clean(text: str, counts: Counter[str], keep_lines: bool) -> str:
    """Without control characters, in Unicode's composed form, with single spaces.

    Line ends are kept or become spaces too.
    """
    plain = NO_TEXT.sub("", text)
    composed = unicodedata.normalize("NFC", plain)
    parts = LINE_ENDS.split(composed.strip()) if keep_lines else [composed]
    collapsed = "\n".join(" ".join(part.split()) for part in parts)
    counts["control characters removed"] += plain != text
    counts["composed (NFC)"] += composed != plain
    counts["white space collapsed"] += collapsed != composed
    return collapsed


def check_enough(intake: Intake, kind: Kind, min_rows_per_class: int, min_test_rows: int) -> None:
    """Refuses data with too few classes, or classes with too few rows.

    Raises:
        DataError: too few classes, rows of a class, or rows that measure; with all that is amiss, and what
            was set aside on the way.
    """
    counts: dict[str, Counter[str]] = {}
    for record in intake.records:
        for name in kind.data.labels.classes(record.values["label"]):
            counts.setdefault(name, Counter())[record.side] += 1
    rows = Counter(record.side for record in intake.records)
    faults = []
    if len(counts) < kind.data.labels.fewest:
        none = f"none of the {rows.total()} rows holds a class" if intake.records else "no row is left"
        found = f"one class is left ({next(iter(counts))})" if counts else none
        faults.append(f"{found}; at least {kind.data.labels.fewest} must be there")
    counted = bool(counts) or not kind.data.labels.fewest
    absent = [side for side in SIDES if counted and not rows[side]]
    faults += [f"there is no {side} row at all; a split needs train, validation and test" for side in absent]
    classes = [
        fault
        for label, sides in sorted(counts.items())
        if (fault := _lacks(label, sides, absent, min_rows_per_class))
    ]
    faults += classes[:SHOWN] + (
        [f"and {len(classes) - SHOWN} more classes like that"] if len(classes) > SHOWN else []
    )
    if rows["test"] < min_test_rows:
        faults.append(
            f"{rows['test']} test rows, fewer than ingest.min_test_rows = {min_test_rows}; bring more rows, "
            "label those that have none, or raise ingest.test where the split is no given one"
        )
    if faults:
        reasons = Counter(reason_kind(one.reason) for one in intake.rejected)
        aside = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common()) or "none"
        raise DataError(
            "ingest",
            *faults,
            *intake.warnings,
            f"(of {intake.read} rows read, these were set aside: {aside})",
        )


def _lacks(label: str, sides: Counter[str], absent: Sequence[str], least: int) -> str:
    rows = f"{sides.total()} row{'' if sides.total() == 1 else 's'}"
    if sides.total() < least:
        return (
            f"class `{label}` has {rows}, fewer than ingest.min_rows_per_class = {least}; bring more "
            "rows of it or take it out"
        )
    # A class that only arrived has no row in the frozen test split; then the fresh one measures it.
    missing = [
        side
        for side in SIDES
        if not sides[side] and side not in absent and not (side == "test" and sides[FRESH])
    ]
    return (
        f"class `{label}` has {rows} but none in {' and '.join(missing)}; add rows of it or take it out"
        if missing
        else ""
    )


def reason_kind(reason: str) -> str:
    """`duplicate of a.csv:3` -> `duplicate`."""
    return re.split(r": | of | \(", reason)[0]
