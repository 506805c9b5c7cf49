"""Which side of the split a row is on: train, validation or test.

The side follows from the row alone, so rows that come later never move it. Where near duplicates fall on
different sides, the side that measures keeps its rows and the twins on the other sides are set aside.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.core.errors import DataError
from tasks.ingest.raw.rows import Rejected, rejected
from tasks.ingest.raw.sides import says_evaluation, side_named

SIDES = ("train", "validation", "test")
FRESH = "fresh"
"""The test rows among those that arrived after the start."""
KEEPS_ITS_ROWS = {"test": 0, FRESH: 1, "validation": 2, "train": 3}


@dataclass
class Record:
    """One row on its way through ingest. `values` maps roles to cleaned text, or to an encoded picture."""

    file: str
    line: int
    values: dict[str, Any]
    fingerprint: str = ""
    content: str = ""
    side: str = ""
    group: str = ""

    @property
    def at(self) -> str:
        return f"{self.file}:{self.line}"

    @property
    def identity(self) -> tuple[str, str]:
        """Rows equal in it are the same."""
        return self.fingerprint, self.values["label"]

    @property
    def id(self) -> str:
        return hashlib.sha256(f"{self.fingerprint}\0{self.values['label']}".encode()).hexdigest()[:16]

    def set_aside(self, reason: str) -> Rejected:
        return rejected(
            self.file,
            self.line,
            reason,
            next(value for value in self.values.values() if isinstance(value, str)),
        )


def share(seed: int, text: str) -> float:
    """A number in [0, 1) that belongs to this text."""
    return int.from_bytes(hashlib.sha256(f"{seed}\0{text}".encode()).digest()[:8]) / 2**64


def assign_sticky(records: Iterable[Record], seed: int, validation: float, test: float) -> None:
    for record in records:
        place = share(seed, record.fingerprint)
        record.side = "test" if place < test else "validation" if place < test + validation else "train"


def assign_given(records: Sequence[Record], seed: int, validation: float) -> list[Rejected]:
    """Takes the sides as the data give them: in the column of role `split`, or in the names of files or
    folders.

    If the data name no validation rows, a share of the training rows becomes that.

    Raises:
        DataError: a file's name says no side.
    """
    by_column = any("split" in record.values for record in records)

    def name_of(record: Record) -> str:
        return str(record.values["split"]) if by_column else record.file

    for record in records:
        record.side = side_named(name_of(record)) or ""
    _settle_evaluation(records, name_of)
    nameless = [record for record in records if not record.side]
    if nameless and not by_column:
        files = sorted({record.file for record in nameless})
        raise DataError(
            "ingest.split",
            f"`given`, but the name of {', '.join(files[:5])} says no side; name files or folders train, "
            "validation or test",
        )
    if not any(record.side == "validation" for record in records):
        for record in records:
            if record.side == "train" and share(seed, record.fingerprint) < validation:
                record.side = "validation"
    return [record.set_aside(f"unknown split: {record.values['split']!r}") for record in nameless]


def _settle_evaluation(records: Sequence[Record], name_of: Callable[[Record], str]) -> None:
    """What is called evaluation is the test side; where others are called test, it validates, if none do."""
    evaluating = {name for name in map(name_of, records) if says_evaluation(name)}
    sides = {record.side for record in records if name_of(record) not in evaluating}
    if evaluating and "test" in sides and "validation" not in sides:
        for record in records:
            record.side = "validation" if name_of(record) in evaluating else record.side


def assign_arrived(records: Iterable[Record], seed: int, validation: float, fresh: float) -> None:
    """Never test: that split is frozen."""
    for record in records:
        place = share(seed, record.fingerprint)
        record.side = FRESH if place < fresh else "validation" if place < fresh + validation else "train"


def separate_twins(records: Sequence[Record], groups: Sequence[int]) -> tuple[list[Record], list[Rejected]]:
    """Gives every record its group; of a group that straddles, only the side that measures stays."""
    members: defaultdict[int, list[Record]] = defaultdict(list)
    for record, group in zip(records, groups, strict=True):
        members[group].append(record)
    kept: list[Record] = []
    aside: list[Rejected] = []
    for twins in members.values():
        name = min(record.id for record in twins)
        side = min((record.side for record in twins), key=KEEPS_ITS_ROWS.__getitem__)
        first = next(record for record in twins if record.side == side)
        for record in twins:
            record.group = name
            if record.side == side:
                kept.append(record)
            else:
                aside.append(record.set_aside(f"near duplicate of a {side} row {first.at}"))
    return kept, aside
