"""Rows that arrived after the start yield to those of the start (docs/adr/0011-what-arrives-later-yields.md).

Nothing here moves an old row, sets it aside or gives it another group because of one that arrived.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain

from tasks.ingest.near_duplicates.union import Likeness, Union
from tasks.ingest.raw.rows import Rejected
from tasks.ingest.split import KEEPS_ITS_ROWS, Record, separate_twins


def by_content(records: Iterable[Record]) -> defaultdict[str, list[Record]]:
    alike: defaultdict[str, list[Record]] = defaultdict(list)
    for record in records:
        alike[record.content].append(record)
    return alike


def conflict(record: Record, alike: Iterable[Record]) -> str:
    """The reason to set a row aside if one that looks the same to the model has another label; else empty."""
    other = next((one for one in alike if one.values["label"] != record.values["label"]), None)
    return (
        f"label conflict: {record.values['label']} here, {other.values['label']} at {other.at}"
        if other
        else ""
    )


def set_known_aside(
    arrived: Iterable[Record], originals: Mapping[tuple[str, str], Record], old: Iterable[Record]
) -> tuple[list[Record], list[Rejected]]:
    """Without copies of old rows and without what contradicts one, whatever becomes of the old row itself."""
    alike = by_content(old)
    kept, aside = [], []
    for record in arrived:
        copied = originals.get(record.identity)
        reason = f"duplicate of {copied.at}" if copied else conflict(record, alike.get(record.content, ()))
        if reason:
            aside.append(record.set_aside(reason))
        else:
            kept.append(record)
    return kept, aside


@dataclass
class Links:
    """What resembles what, by index: old rows first, then those that arrived."""

    old: Union
    first: Sequence[int]
    """As in Likeness."""
    to_old: defaultdict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    """Index of one that arrived -> old ones it is alike to itself, not through others."""
    among_arrived: list[tuple[int, int]] = field(default_factory=list)

    def touched(self, index: int) -> list[int]:
        """The old rows that one that arrived resembles."""
        return sorted(self.to_old[index] | self.to_old[self.first[index]])


def separate(
    old: Sequence[Record], arrived: Sequence[Record], likeness: Likeness
) -> tuple[list[Record], list[Rejected]]:
    """Gives every record its group. Of a group that straddles, only the side that measures stays: among old
    rows, then among the rest.

    What arrived stays only if every old group it resembles is on its own side. Chains do not count for that:
    if they did, one that comes later could close a chain between an earlier one and an old row, and take the
    earlier one away.
    """
    links = _links([*old, *arrived], len(old), likeness)
    kept, aside = separate_twins(old, [links.old.root(index) for index in range(len(old))])
    measuring = {record.group: record for record in reversed(kept)}
    joined: dict[int, str] = {}
    for index, record in enumerate(arrived, len(old)):
        twins = [measuring[old[at].group] for at in links.touched(index)]
        others = [twin for twin in twins if twin.side != record.side]
        if others:
            first = min(others, key=lambda twin: KEEPS_ITS_ROWS[twin.side])
            aside.append(record.set_aside(f"near duplicate of a {first.side} row {first.at}"))
        else:
            joined[index] = twins[0].group if twins else ""
    stay, twins_aside = _separate_arrived(
        {index: arrived[index - len(old)] for index in joined}, joined, links
    )
    return [*kept, *stay], [*aside, *twins_aside]


def _links(records: Sequence[Record], old: int, likeness: Likeness) -> Links:
    links = Links(Union(old), likeness.first)
    for later, earlier in chain(_equal_to_old(records, old, likeness.first), likeness.pairs):
        if later < old:
            links.old.join(later, earlier)
        elif earlier < old:
            links.to_old[later].add(earlier)
        else:
            links.among_arrived.append((later, earlier))
    return links


def _equal_to_old(records: Sequence[Record], old: int, first: Sequence[int]) -> Iterator[tuple[int, int]]:
    content: dict[str, int] = {}
    for index, record in enumerate(records):
        yield from (
            (index, one) for one in (first[index], content.setdefault(record.content, index)) if one < old
        )


def _separate_arrived(
    records: Mapping[int, Record], joined: Mapping[int, str], links: Links
) -> tuple[list[Record], list[Rejected]]:
    """Among those that are left, with the groups of old rows that they joined.

    What follows from one joins that group too.
    """
    united = Union(len(links.first))
    for pair in _among(records, links):
        united.join(*pair)
    kept, aside = separate_twins(list(records.values()), [united.root(index) for index in records])
    groups = {record.id: joined[index] for index, record in records.items() if joined[index]}
    leads: dict[str, str] = {}
    for record in kept:
        if record.id in groups:
            leads.setdefault(record.group, groups[record.id])
    for record in kept:
        record.group = groups.get(record.id) or leads.get(record.group, record.group)
    return kept, aside


def _among(records: Mapping[int, Record], links: Links) -> Iterator[tuple[int, int]]:
    """What links those that are left: no chain runs through one that was set aside."""
    content: dict[str, int] = {}
    for index, record in records.items():
        yield index, links.first[index]
        yield index, content.setdefault(record.content, index)
    left = {links.first[index] for index in records}
    yield from (pair for pair in links.among_arrived if left.issuperset(pair))
