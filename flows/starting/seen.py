"""What is said of data that were looked at."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath

from flows.starting import facts
from flows.starting.choice import Choice, describe
from flows.starting.facts import Taken
from flows.starting.look import Looked
from tasks.core import tables
from tasks.ingest import joined
from tasks.ingest.cleaning import reason_kind
from tasks.proposals.proposal import Column

SHOWN = 4
COUNT = re.compile(r" \(\d+\)$")
"""Behind the encoding of some files of a folder."""


def lines(source: str, looked: Looked, choice: Choice, taken: Taken) -> list[str]:
    """What the data are, a line for each thing."""
    rows, classes = taken.rows(), facts.classes_of(taken.folder, choice.kind)
    columns = dict(choice.columns)
    read = joined.all_parts(columns)
    others = [f"{one.name}{_nature(one)}" for one in looked.columns.values() if one.name not in read]
    aside = tables.read(taken.folder / "rejected.parquet")
    sides = ", ".join(f"{side} {len(rows[side]):,}" for side in ("train", "validation", "test"))
    told = [
        f"{source}: {len(looked.raw.rows):,} rows in {_files(looked)}",
        f"  kind      {choice.kind}: {choice.guess.why}",
        f"  columns   {describe(columns, others)}",
        *([f"  classes   {_classes(classes)}"] if classes else []),
        f"  rows      {sides} ({taken.values['split'].why})"
        + (f"; pool {len(rows['pool']):,} unlabelled texts" if rows["pool"] else ""),
    ]
    if aside:
        reasons = Counter(reason_kind(one["reason"]) for one in aside)
        listed = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())
        told.append(f"  set aside {len(aside):,} rows: {listed}")
    return [*told, *(f"  look at   {one}" for one in taken.warnings)]


def _files(looked: Looked) -> str:
    notes = looked.raw.notes
    named = {COUNT.sub("", one) for note in notes for one in note.encoding.split(", ")}
    encodings = ", ".join(sorted(named)[:SHOWN])
    if len(notes) == 1:
        return f"{notes[0].file} ({encodings})"
    endings = Counter(map(_ending, (note.file for note in notes)))
    return f"{len(notes)} files or folders ({', '.join(endings)}; {encodings})"


def _ending(file: str) -> str:
    """Of a file; a side within one (`data.json/train`) has that of its file."""
    path = PurePosixPath(file)
    return "folders" if file.endswith("/") else path.suffix or path.parent.suffix or "no ending"


def _nature(column: Column) -> str:
    """What a column seems to be that is not read."""
    if column.distinct == column.filled and column.numeric > 0.99:
        return " (a number for each row)"
    return " (always the same)" if column.distinct == 1 else " (empty)" if not column.filled else ""


def _classes(classes: Mapping[str, int]) -> str:
    shown = [f"{label} {count:,}" for label, count in list(classes.items())[:SHOWN]]
    rarest = list(classes.items())[-1]
    more = f" … rarest: {rarest[0]} {rarest[1]:,}" if len(classes) > SHOWN else ""
    return f"{len(classes)}: {', '.join(shown)}{more}"
