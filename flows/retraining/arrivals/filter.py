"""Which rows of a drop are new and may be learned from.

Not those that are here already, that measure, or whose label nobody knows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.retraining.arrivals.drops import Reading
from tasks.core import tables
from tasks.ingest.cleaning import reason_kind
from tasks.ingest.raw.rows import RawRow, Rejected, rejected
from tasks.ingest.split import Record
from tasks.kinds.base.kind import Kind

MEASURING = ("test", "fresh", "validation")
MOST = 0.5
"""Share of rows from which on labels that nobody knows are another language, not news."""


@dataclass
class Known:
    """What the run has already.

    Ids of rows, contents of those that measure, of the others with their label, and classes.
    """

    ids: set[str] = field(default_factory=set)
    measuring: dict[str, str] = field(default_factory=dict)
    learned: dict[str, str] = field(default_factory=dict)
    classes: set[str] = field(default_factory=set)

    def add(self, record: Record) -> None:
        self.ids.add(record.id)
        self.learned.setdefault(record.content, record.values["label"])


@dataclass
class Filtered:
    """The rows that are taken, with their records, and those that are not, with the reason."""

    rows: list[RawRow]
    records: list[list[Record]]
    aside: list[Rejected]
    fault: str = ""

    def reasons(self) -> dict[str, int]:
        return dict(Counter(reason_kind(one.reason) for one in self.aside).most_common())


def known_of(ingest: Path, kind: Kind) -> Known:
    """From the artifact of ingest."""
    known = Known()
    for side in ("train", *MEASURING):
        file = ingest / f"{side}.parquet"
        for row in tables.read(file) if file.exists() else ():
            known.ids.add(row["id"])
            (known.learned if side == "train" else known.measuring)[kind.data.content(row)] = row["label"]
            known.classes.update(kind.data.labels.classes(row["label"]) if side == "train" else ())
    return known


def filter_reading(reading: Reading, known: Known, kind: Kind, unseen: str) -> Filtered:
    """Adds what is taken to `known`.

    With `unseen` = "extend" unknown labels are no reason to set a row aside.
    """
    foreign = _foreign(reading, known, kind)
    if foreign and not (unseen == "extend" and _shares_any(reading, known, kind)):
        return Filtered([], [], [], foreign)
    sifted = Filtered([], [], list(reading.rejected))
    for row, records in zip(reading.rows, reading.records, strict=True):
        reason = next((why for record in records if (why := _reason(record, known, kind, unseen))), "")
        if reason:
            sifted.aside.append(rejected(row.file, row.line, reason, _shown(row, records)))
            continue
        sifted.rows.append(row)
        sifted.records.append(records)
        for record in records:
            known.add(record)
    return sifted


def _reason(record: Record, known: Known, kind: Kind, unseen: str) -> str:
    if record.id in known.ids:
        return "known row: it is here already"
    if record.content in known.measuring:
        same = known.measuring[record.content] == record.values["label"]
        return (
            "row that measures: it is in a test set"
            if same
            else f"label conflict: {record.values['label']} here, another in a row that measures"
        )
    other = known.learned.get(record.content)
    if other is not None and other != record.values["label"]:
        return f"label conflict: {record.values['label']} here, {other} in a row that is here already"
    new = [name for name in kind.data.labels.classes(record.values["label"]) if name not in known.classes]
    return f"unseen label: {', '.join(new)}" if new and unseen == "refuse" else ""


def _foreign(reading: Reading, known: Known, kind: Kind) -> str:
    """Why the labels as a whole are not of this run; empty if they are."""
    found = Counter(
        name
        for records in reading.records
        for record in records
        for name in kind.data.labels.classes(record.values["label"])
    )
    unknown = {name: count for name, count in found.items() if name not in known.classes}
    if sum(unknown.values()) <= MOST * found.total():
        return ""
    some = ", ".join(list(unknown)[:5])
    return (
        f"most of its labels are unknown ({some}); known: {', '.join(sorted(known.classes)[:20])}; "
        "`map_labels` can translate them"
    )


def _shares_any(reading: Reading, known: Known, kind: Kind) -> bool:
    return any(
        name in known.classes
        for records in reading.records
        for one in records
        for name in kind.data.labels.classes(one.values["label"])
    )


def _shown(row: RawRow, records: Sequence[Record]) -> str:
    return next(
        (value for record in records for value in record.values.values() if isinstance(value, str)),
        _first(row.values.values()),
    )


def _first(values: Iterable[Any]) -> str:
    return next((value for value in values if isinstance(value, str)), "")
