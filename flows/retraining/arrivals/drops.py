"""Reads a drop by the run's own rules of ingest, as ingest itself would: its rows, and what cannot be made a
row.

A drop that is wholly unusable has a fault and no rows: it is set aside whole.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.retraining.arrivals.inbox import Drop
from flows.retraining.policy import Policy
from tasks.core.errors import DataError
from tasks.ingest import joined
from tasks.ingest import stage as ingest
from tasks.ingest.cleaning import Intake
from tasks.ingest.columns import check_roles, matched
from tasks.ingest.joined import Names
from tasks.ingest.raw.rows import RawRow, Rejected
from tasks.ingest.reading import raw_folder
from tasks.ingest.split import Record
from tasks.kinds.base.kind import Kind

LABEL = "label"


@dataclass(frozen=True)
class Rules:
    """How rows of the run are read.

    Its kind with its options, its ingest params, and how labels are mapped.
    """

    kind: Kind
    options: Any
    ingest: Mapping[str, Any]
    map_labels: Mapping[str, str]

    @property
    def columns(self) -> dict[str, Names]:
        return check_roles(
            self.kind.data.roles, self.ingest["columns"], split_given=self.ingest["split"] == "given"
        )

    @property
    def needed(self) -> list[str]:
        """Columns that ingest wants of every file, also of one whose rows leave them empty."""
        return [
            part for role, names in self.columns.items() if role != "split" for part in joined.parts(names)
        ]

    @property
    def file_columns(self) -> list[str]:
        """Columns that name files, as of pictures."""
        columns = self.columns
        return [
            joined.name_of(columns[role]) for role in self.kind.data.columns_of_files() if role in columns
        ]


@dataclass
class Reading:
    """`records[n]` is what the kind makes of `rows[n]`, one or several.

    `count` is of all rows; None if the drop could not be read.
    """

    drop: Drop
    fault: str = ""
    rows: list[RawRow] = field(default_factory=list)
    records: list[list[Record]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    count: int | None = None


def rules_of(kind: Kind, run: Mapping[str, Any], policy: Policy) -> Rules:
    return Rules(kind, kind.options.model_validate(run["options"]), run["ingest"], policy.map_labels)


def read(drop: Drop, rules: Rules, largest: float, staging: Path) -> Reading:
    """Copies the drop into the empty folder `staging` and reads it there.

    Args:
        largest: Bytes above which the drop is not even opened.
    """
    if drop.fault:
        return Reading(drop, drop.fault)
    if drop.bytes > largest:
        return Reading(
            drop, f"has {drop.bytes:,} bytes, far more than usual; at most {largest:,.0f} are taken at once"
        )
    target = staging / drop.name
    # What became a link since it was looked at stays one, which the reader refuses.
    is_folder = drop.path.is_dir() and not drop.path.is_symlink()
    shutil.copytree(drop.path, target, symlinks=True) if is_folder else shutil.copyfile(
        drop.path, target, follow_symlinks=False
    )
    count = None
    try:
        raw = raw_folder.read(staging, bool(rules.ingest["header"]))
        count = len(raw.rows) + len(raw.rejected)
        found, _ = matched(raw.rows, rules.columns)
    except DataError as error:
        return Reading(drop, "; ".join(error.faults), count=count)
    rows = [_mapped(row, rules) for row in found]
    try:
        return _sorted_out(Reading(drop, rejected=list(raw.rejected), count=count), rows, rules, staging)
    except DataError as error:
        return Reading(drop, "; ".join(error.faults), count=count)


def read_folder(folder: Path, rules: Rules) -> Reading:
    """Rows that were taken before, which lie in a folder of files of ours."""
    raw = raw_folder.read(folder, bool(rules.ingest["header"]))
    return _sorted_out(
        Reading(Drop(folder, "", 0, ""), count=len(raw.rows) + len(raw.rejected)), raw.rows, rules, folder
    )


def _mapped(row: RawRow, rules: Rules) -> RawRow:
    column = joined.name_of(rules.columns.get(LABEL, ""))
    meant = rules.map_labels.get(str(row.values.get(column, "")).strip())
    return row if meant is None else dataclasses.replace(row, values={**row.values, column: meant})


def _sorted_out(reading: Reading, rows: Sequence[RawRow], rules: Rules, folder: Path) -> Reading:
    """Rows are told apart by their number, for a line of JSON may hold many."""
    intake = Intake()
    ingest.take(
        intake,
        [dataclasses.replace(row, line=at) for at, row in enumerate(rows)],
        rules.columns,
        rules.kind,
        rules.options,
        folder,
    )
    ingest.reject_empty(intake)
    made: dict[int, list[Record]] = {}
    for record in intake.records:
        record.fingerprint, record.content = (
            rules.kind.data.fingerprint(record.values),
            rules.kind.data.content(record.values),
        )
        made.setdefault(record.line, []).append(record)
        record.line = rows[record.line].line
    lost = {one.line for one in intake.rejected}
    reading.rejected += [dataclasses.replace(one, line=rows[one.line].line) for one in intake.rejected]
    for at in sorted(made.keys() - lost):
        reading.rows.append(rows[at])
        reading.records.append(made[at])
    return reading


def staging() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="slipway-drop-")
