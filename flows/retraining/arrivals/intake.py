"""Takes the inbox in.

Of each drop the rows that may be learned from are collected, everything else goes to quarantine with its
reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from flows.judging import answers
from flows.judging.answers import Shipped
from flows.raw_data.pointer import files
from flows.retraining.arrivals import drift, drops, filter
from flows.retraining.arrivals.drift import Shift
from flows.retraining.arrivals.drops import Reading, Rules
from flows.retraining.arrivals.filter import Filtered, Known
from flows.retraining.arrivals.inbox import Drop
from flows.retraining.arrivals.store import Store
from flows.retraining.policy import Policy
from tasks.core import tables
from tasks.ingest.cleaning import reason_kind
from tasks.ingest.raw.rows import RawRow
from tasks.ingest.reading.class_folders import ARRIVED
from tasks.ingest.split import FRESH, Record, assign_arrived
from tasks.kinds.base.kind import Row as Values

CLASS = "label"
CONFLICT = "label conflict"


@dataclass(frozen=True)
class Baseline:
    """What drops are held against: the champion as it ships, what its ingest made, which decisions of the
    frozen test rows it misses, and how large drops usually are."""

    champion: Shipped
    ingest: Path
    missed: np.ndarray
    usual_bytes: float


@dataclass
class Taken:
    """What became of a drop.

    All its rows are in `taken` or `aside`, unless it could not be read at all (`rows` is None then).
    """

    drop: Drop
    rows: int | None
    taken: int = 0
    aside: dict[str, int] = field(default_factory=dict)
    fault: str = ""
    shifts: Sequence[Shift] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.drop.name,
            "sha256": self.drop.sha256,
            "bytes": self.drop.bytes,
            "rows": self.rows,
            "taken": self.taken,
            "set_aside": self.aside,
            "fault": self.fault,
            "shifts": [one.as_json() for one in self.shifts],
        }


def take_in(
    found: Sequence[Drop], store: Store, rules: Rules, policy: Policy, baseline: Baseline
) -> list[Taken]:
    """Fills the store's folders; the drops themselves stay where they are."""
    known = known_rows(store, rules, baseline.ingest)
    return [_take(drop, store, rules, policy, baseline, known) for drop in found]


def known_rows(store: Store, rules: Rules, ingest: Path) -> Known:
    """Those of the champion's ingest, and all that were ever taken.

    Ingest itself sets some aside, as twins of rows that measure.
    """
    known = filter.known_of(ingest, rules.kind)
    for folder in (store.collected.folder, store.raw.folder / ARRIVED):
        for records in drops.read_folder(folder, rules).records if files(folder) else ():
            for record in records:
                known.add(record)
    return known


def _take(drop: Drop, store: Store, rules: Rules, policy: Policy, baseline: Baseline, known: Known) -> Taken:
    with drops.staging() as staging:
        reading = drops.read(drop, rules, policy.largest_file * baseline.usual_bytes, Path(staging))
        if reading.fault:
            return _refuse(store, Taken(drop, reading.count, fault=reading.fault))
        before = set(known.ids), dict(known.learned)
        sifted = filter.filter_reading(reading, known, rules.kind, policy.unseen_labels)
        shifts = _shifts(sifted, rules, policy, baseline) if not sifted.fault else []
        beyond = [one.told() for one in shifts if one.exceeds]
        fault = sifted.fault or ("; ".join(beyond) if policy.on_shift == "refuse" else "")
        if fault or not sifted.rows:
            known.ids, known.learned = before
            fault = fault or _nothing_of_use(sifted)
            return _refuse(
                store, Taken(drop, reading.count, aside=sifted.reasons(), fault=fault, shifts=shifts), sifted
            )
        store.collect(sifted.rows, rules, Path(staging))
        if sifted.aside:
            store.set_aside(drop, "", sifted.aside)
        return Taken(drop, reading.count, len(sifted.rows), sifted.reasons(), shifts=shifts)


def _nothing_of_use(sifted: Filtered) -> str:
    """Why no row was taken.

    Of label conflicts also how a label is corrected, for sending the row again does not do it.
    """
    counted = ", ".join(f"{count} {why}" for why, count in sifted.reasons().items())
    fault = f"no row could be taken: {counted or 'it holds none'}"
    first = next((one for one in sifted.aside if reason_kind(one.reason) == CONFLICT), None)
    if first is None:
        return fault
    remedy = (
        "a row that is here keeps its label; to correct it, change it where it stands "
        "(docs/retraining.md, Correct a label)"
    )
    return f"{fault} (the first: line {first.line}, {first.reason.partition(': ')[2]}); {remedy}"


def _refuse(store: Store, taken: Taken, sifted: Filtered | None = None) -> Taken:
    store.set_aside(taken.drop, taken.fault, sifted.aside if sifted else ())
    return taken


def _shifts(sifted: Filtered, rules: Rules, policy: Policy, baseline: Baseline) -> list[Shift]:
    new = [record.values for records in sifted.records for record in records]
    found = drift.shifts(rules.kind, new, tables.read(baseline.ingest / "train.parquet"), policy)
    if not found:
        return []
    known = [values for values in new if _is_known(values, baseline.champion)]
    return (
        [*found, drift.surprise(missed(baseline.champion, known), baseline.missed, policy.max_surprise)]
        if known
        else found
    )


def missed(champion: Shipped, rows: Sequence[Values]) -> np.ndarray:
    """Which decisions the champion gets wrong."""
    names = answers.names_of([champion], rows)
    truth = answers.truth_of(rows, names)
    wrong: np.ndarray = answers.numbered(champion.ask(rows), champion.labels, truth) != truth.labels
    return wrong


def _is_known(values: Mapping[str, Any], champion: Shipped) -> bool:
    """Whether the champion could have answered right."""
    kind = champion.kind
    classes = {name for label in champion.labels for name in kind.data.labels.classes(label)}
    return set(kind.data.labels.classes(values[CLASS])) <= classes


def ready(store: Store, rules: Rules, known: Known) -> tuple[list[RawRow], list[RawRow]]:
    """Of the collected rows those to learn from, and those that wait until ingest can make a class of their
    new label.
    """
    if not files(store.collected.folder):
        return [], []
    reading = drops.read_folder(store.collected.folder, rules)
    small = {
        name
        for name, records in _new_classes(reading, rules, known).items()
        if not _is_class(records, rules.ingest)
    }
    use: list[RawRow] = []
    wait: list[RawRow] = []
    for row, records in zip(reading.rows, reading.records, strict=True):
        classes = {
            name for record in records for name in rules.kind.data.labels.classes(record.values[CLASS])
        }
        (wait if classes & small else use).append(row)
    return use, wait


def _new_classes(reading: Reading, rules: Rules, known: Known) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for records in reading.records:
        for record in records:
            for name in rules.kind.data.labels.classes(record.values[CLASS]):
                if name not in known.classes:
                    found.setdefault(name, []).append(record)
    return found


def _is_class(records: Sequence[Record], ingest: Mapping[str, Any]) -> bool:
    """Large enough, and with rows on all sides that ingest will give them."""
    assign_arrived(records, ingest["split_seed"], ingest["validation"], ingest["fresh"])
    sides = {record.side for record in records}
    return len(records) >= ingest["min_rows_per_class"] and sides >= {"train", "validation", FRESH}
