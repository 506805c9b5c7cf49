"""Which rows of data came, went, got another label or another split between two revisions, from the tables
that ingest froze.

A row's id is made of its whole record and its label. Rows whose id only one side knows are therefore matched
once more, by what a model gets to see of them: equal in that, they are the same row with another label, or
with other text beside it.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from flows.reviewing.inputs.sides import Side
from tasks.ingest.split import FRESH
from tasks.kinds.base.kind import Kind, Row

SPLITS = ("train", "validation", "test", FRESH)
SHOWN = 5
Rows = Mapping[str, Row]


@dataclass(frozen=True)
class Shown:
    """`text` is empty for rows that cannot be read, as pictures."""

    split: str
    text: str
    label: str
    before: str = ""
    source: str = ""


@dataclass(frozen=True)
class SplitChange:
    """How many rows each side has, and what became of them.

    `touched`: the same label, and other text beside what a model sees.
    """

    split: str
    a: int
    b: int
    added: int
    removed: int
    relabelled: int
    touched: int
    moved_in: int


@dataclass(frozen=True)
class DataChange:
    """`twins` maps ids of side B to those of side A of the same rows, where these differ."""

    splits: list[SplitChange] = field(default_factory=list)
    added: list[Shown] = field(default_factory=list)
    removed: list[Shown] = field(default_factory=list)
    relabelled: list[Shown] = field(default_factory=list)
    twins: dict[str, str] = field(default_factory=dict)
    lacking: list[str] = field(default_factory=list)


def place(run: str, split: str) -> str:
    return f"data/{run}/ingest/out/{split}.parquet"


def read(side: Side, run: str, split: str) -> Rows | None:
    """Rows by id; None if they cannot be had or are no such table."""
    path = place(run, split)
    content = side.read(path)
    if content is None:
        return None
    try:
        rows: list[dict[str, Any]] = pq.read_table(io.BytesIO(content)).to_pylist()
        return {str(row["id"]): {**row, "label": str(row["label"])} for row in rows}
    except (pa.ArrowException, KeyError, OSError) as error:
        side.lacking[path] = f"is no table of rows ({' '.join(str(error).split())[:160]})"
        return None


def compare(a: Side, b: Side, run: str, kind: Kind) -> DataChange | None:
    """None where ingest made the same bytes on both sides."""
    splits = [
        split for split in SPLITS if not (_nothing_arrived(a, run, split) and _nothing_arrived(b, run, split))
    ]
    changed = [
        split
        for split in splits
        if a.digest(place(run, split)) != b.digest(place(run, split)) or not a.digest(place(run, split))
    ]
    if not changed:
        return None
    tables = {
        (side, split): {} if _nothing_arrived(side, run, split) else read(side, run, split)
        for side in (a, b)
        for split in changed
    }
    lacking = [
        f"{side.revision.told}: {place(run, split)}: {side.lacking[place(run, split)]}"
        for (side, split), t in tables.items()
        if t is None
    ]
    if lacking:
        return DataChange(lacking=lacking)
    old, new = ({split: tables[side, split] or {} for split in changed} for side in (a, b))
    return _changes(old, new, kind)


def _nothing_arrived(side: Side, run: str, split: str) -> bool:
    """Whether the side has no fresh rows, for nothing arrived after its start.

    A side whose tables cannot be had at all may have some.
    """
    return (
        split == FRESH
        and side.digest(place(run, FRESH)) is None
        and side.digest(place(run, "test")) is not None
    )


def _changes(old: Mapping[str, Rows], new: Mapping[str, Rows], kind: Kind) -> DataChange:
    was = {key: split for split, rows in old.items() for key in rows}
    now = {key: split for split, rows in new.items() for key in rows}
    twins = _twins(_only(old, now), _only(new, was), kind)
    found = DataChange(twins=twins)
    gone, label_of = (
        set(was) - set(now) - set(twins.values()),
        {key: row["label"] for rows in old.values() for key, row in rows.items()},
    )
    for split in new:
        own = set(new[split])
        fresh, met = own - set(was) - set(twins), own & set(twins)
        relabelled = {key for key in met if label_of[twins[key]] != new[split][key]["label"]}
        left = gone & set(old[split])
        moved = sum(was.get(twins.get(key, key), split) != split for key in own)
        counts = len(fresh), len(left), len(relabelled), len(met - relabelled), moved
        found.splits.append(SplitChange(split, len(old[split]), len(own), *counts))
        found.added.extend(_shown(split, new[split], sorted(fresh), kind))
        found.removed.extend(_shown(split, old[split], sorted(left), kind))
        found.relabelled.extend(
            _shown(
                split, new[split], sorted(relabelled), kind, {key: label_of[twins[key]] for key in relabelled}
            )
        )
    return found


def _only(tables: Mapping[str, Rows], other: Mapping[str, str]) -> dict[str, Row]:
    return {key: row for rows in tables.values() for key, row in rows.items() if key not in other}


def _twins(removed: Mapping[str, Row], added: Mapping[str, Row], kind: Kind) -> dict[str, str]:
    places: dict[str, list[str]] = defaultdict(list)
    for key in sorted(removed):
        places[kind.data.content(removed[key])].append(key)
    twins = {}
    for key in sorted(added):
        if places and (candidates := places.get(kind.data.content(added[key]))):
            twins[key] = candidates.pop(0)
    return twins


def _shown(
    split: str, rows: Rows, keys: Sequence[str], kind: Kind, before: Mapping[str, str] | None = None
) -> list[Shown]:
    return [
        Shown(
            split,
            readable(kind, rows[key]),
            rows[key]["label"],
            (before or {}).get(key, ""),
            f"{rows[key]['file']}:{rows[key]['line']}",
        )
        for key in keys[:SHOWN]
    ]


def readable(kind: Kind, row: Row) -> str:
    """The row as a text; empty for rows that are shown as pictures."""
    seen = kind.report.shown(row)
    return seen if isinstance(seen, str) else ""
