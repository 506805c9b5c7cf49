"""Turns raw data into frozen splits.

Reads the raw folder. Writes `out/`: train, validation and test.parquet (id, the kind's roles, group, file,
line; by id), and fresh.parquet if rows arrived after the start; pool.parquet (unlabelled texts of training
rows), labels.json, rejected.parquet (file, line, reason, excerpt), report.json and report.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tasks.core import escape, needs
from tasks.core.errors import ParamsError, UnusableRowError
from tasks.core.needs import Need
from tasks.core.params import KindName, Options, Section
from tasks.core.stages import Metrics, artifact
from tasks.ingest import arrivals, cells, joined
from tasks.ingest.cleaning import Intake, check_enough, clean
from tasks.ingest.columns import check_roles, matched
from tasks.ingest.joined import Names
from tasks.ingest.pool import pool_of
from tasks.ingest.raw import values
from tasks.ingest.raw.rows import RawRow, Rejected, rejected
from tasks.ingest.reading.class_folders import is_arrived
from tasks.ingest.split import (
    FRESH,
    KEEPS_ITS_ROWS,
    SIDES,
    Record,
    assign_arrived,
    assign_given,
    assign_sticky,
)
from tasks.kinds.base.data import Role
from tasks.kinds.base.kind import Kind, load_kind

if TYPE_CHECKING:
    from tasks.ingest.near_duplicates.union import Likeness


SPLIT = Role("the side of the row")


class Params(Section):
    kind: KindName
    options: Options
    columns: dict[str, str | list[str]] = Field(
        description="role -> name of its column in the raw data; of a text also several, [title, body], read "
        "one after another"
    )
    header: bool = Field(
        description="CSV and TSV files begin with the names of their columns; else these are '1', '2', ..."
    )
    near_duplicates: float = Field(
        ge=0.5,
        le=1,
        description="likeness from which on rows are twins: overlap of five-character pieces, of pictures "
        "correlation; 1: only equal ones",
    )
    split: Literal["sticky", "given"] = Field(
        description="by a hash of the row, or as the role `split` or the names of files and folders say"
    )
    split_seed: int = Field(
        ge=0,
        lt=2**31,
        description="of the hash; not the run's seed, so that other seeds are measured on the same rows",
    )
    validation: float = Field(
        gt=0, le=0.4, description="share of rows; of the training rows where a given split lacks it"
    )
    test: float | None = Field(gt=0, le=0.5, description="share of rows; null where the split is given")
    fresh: float = Field(
        ge=0,
        le=0.5,
        description="share of the rows below arrived/, which came after the test split was frozen, that "
        "become the fresh test set",
    )
    pool_words: int | None = Field(
        ge=4,
        le=10_000,
        description="words a text of the pool has at most, about as many as the model will see; null where "
        "inputs are no texts",
    )
    min_rows_per_class: int = Field(
        ge=3, le=1_000_000, description="rows a class needs in all splits together"
    )
    min_test_rows: int = Field(ge=2, le=10_000_000, description="rows the test split needs")

    def needs(self) -> list[Need]:
        sticky, texts = self.split == "sticky", load_kind(self.kind).data.has_pool
        inputs = "inputs are texts" if texts else "inputs of this kind are no texts"
        return [
            Need("ingest.test", self.test, sticky, f"the split is {self.split}", "0.3"),
            Need("ingest.pool_words", self.pool_words, texts, inputs, "30"),
        ]


@dataclass(frozen=True)
class Inputs:
    raw: Path = artifact("raw")


def run(inputs: Inputs, params: Params, out: Path, scratch: Path) -> Metrics:
    """Turns raw data into splits and returns their metrics.

    Raises:
        ParamsError: the columns name a role that the kind does not have, or lack one that it needs; or a
            value that the split or the kind needs is null.
        DataError: the data cannot be read, lack a column, or are too few.
    """
    from tasks.ingest import report, unread
    from tasks.ingest.reading import raw_folder

    if lacking := needs.lacking(params.needs()):
        raise ParamsError("params.yaml", *lacking)
    kind = load_kind(params.kind)
    columns = check_roles(kind.data.roles, params.columns, split_given=params.split == "given")
    raw = raw_folder.read(inputs.raw, params.header)
    report.print_summary(raw)
    rows, told = matched(raw.rows, columns)
    intake = Intake(rejected=raw.rejected, read=len(rows) + len(raw.rejected))
    aside = {one.file for one in raw.rejected}
    of_files = [joined.name_of(columns[role]) for role in kind.data.columns_of_files() if role in columns]
    intake.warnings += [
        *unread.warnings(inputs.raw, rows, raw.ignored, aside, of_files, raw.left),
        *told,
    ]
    take(intake, rows, columns, kind, kind.options.model_validate(params.options), inputs.raw)
    reject_empty(intake)
    assign_sides(intake, kind, params)
    set_copies_and_conflicts_aside(intake)
    separate_near_duplicates(intake, kind, params.near_duplicates)
    intake.warnings += _label_warnings(kind, intake)
    check_enough(intake, kind, params.min_rows_per_class, params.min_test_rows)
    sides = (*SIDES, FRESH) if any(is_arrived(note.file) for note in raw.notes) else SIDES
    splits = {
        side: sorted((r for r in intake.records if r.side == side), key=lambda r: r.id) for side in sides
    }
    further = [{"pool": clean(line, intake.cleaned, keep_lines=False)} for line in raw.unlabelled]
    pool = pool_of(kind, splits, further, params.pool_words or 0, params.split_seed)
    for warning in intake.warnings:
        print(f"ingest: look at this: {escape.line(warning)}", flush=True)
    return Metrics(
        figures=report.write(
            out / "out", kind, splits=splits, pool=pool, intake=intake, raw=raw, columns=columns
        )
    )


def _label_warnings(kind: Kind, intake: Intake) -> list[str]:
    from tasks.ingest import lookalikes

    classes = kind.data.labels.classes
    names = Counter(name for record in intake.records for name in classes(record.values["label"]))
    return [*lookalikes.warnings(names), *values.numbers_alike(names), *values.like_missing(names)]


def take(
    intake: Intake, rows: Sequence[RawRow], columns: Mapping[str, Names], kind: Kind, options: Any, raw: Path
) -> None:
    from tasks.core.progress import track

    intake.warnings += kind.data.check_rows(
        ({role: cells.raw_value(row, names) for role, names in columns.items()} for row in rows), options
    )
    for row in track(rows, label="rows"):
        try:
            given = {
                role: cells.value_of(row, role, names, kind.data.roles.get(role, SPLIT), intake.cleaned, raw)
                for role, names in columns.items()
            }
            made = kind.data.examine(given, options, intake.cleaned)
        except UnusableRowError as reason:
            told = next(
                (one for part in joined.all_parts(columns) if isinstance(one := row.values.get(part), str)),
                "",
            )
            intake.rejected.append(rejected(row.file, row.line, str(reason), told))
        else:
            intake.records += [Record(row.file, row.line, one) for one in made]


def reject_empty(intake: Intake) -> None:
    kept = []
    for record in intake.records:
        empty = [role for role in ("text", "label") if record.values.get(role) == ""]
        if empty:
            reason = "no label" if empty[0] == "label" else f"empty {empty[0]}"
            intake.rejected.append(record.set_aside(reason))
        else:
            kept.append(record)
    intake.records = kept


def assign_sides(intake: Intake, kind: Kind, params: Params) -> None:
    for record in intake.records:
        record.fingerprint, record.content = (
            kind.data.fingerprint(record.values),
            kind.data.content(record.values),
        )
    intake.arrived = [record for record in intake.records if is_arrived(record.file)]
    intake.records = [record for record in intake.records if not is_arrived(record.file)]
    assign_arrived(intake.arrived, params.split_seed, params.validation, params.fresh)
    if params.split == "sticky" and params.test is not None:
        assign_sticky(intake.records, params.split_seed, params.validation, params.test)
    else:
        intake.rejected += assign_given(intake.records, params.split_seed, params.validation)
        intake.records = [record for record in intake.records if record.side]


def set_copies_and_conflicts_aside(intake: Intake) -> None:
    """First among the rows of the start, as if nothing had arrived.

    What arrived yields to all of them, then to its own kind.
    """
    arrived, known = arrivals.set_known_aside(intake.arrived, originals(intake.records), intake.records)
    intake.records, aside = settle(intake.records)
    intake.arrived, later = settle(arrived)
    intake.rejected += [*aside, *known, *later]


def settle(records: Sequence[Record]) -> tuple[list[Record], list[Rejected]]:
    """Without copies, and without rows that contradict each other."""
    single, copies = collapse_duplicates(records)
    kept, conflicts = set_conflicts_aside(single)
    return kept, [*copies, *conflicts]


def originals(records: Sequence[Record]) -> dict[tuple[str, str], Record]:
    """Of equal rows the one that stays: the first on the side that measures."""
    first: dict[tuple[str, str], Record] = {}
    for record in sorted(records, key=lambda record: KEEPS_ITS_ROWS[record.side]):
        first.setdefault(record.identity, record)
    return first


def collapse_duplicates(records: Sequence[Record]) -> tuple[list[Record], list[Rejected]]:
    first = originals(records)
    kept = [record for record in records if first[record.identity] is record]
    aside = [(record, first[record.identity]) for record in records if first[record.identity] is not record]
    return kept, [record.set_aside(f"duplicate of {one.at}") for record, one in aside]


def set_conflicts_aside(records: Sequence[Record]) -> tuple[list[Record], list[Rejected]]:
    """Rows that look the same to the model and have different labels: none of them can be trusted."""
    alike = arrivals.by_content(records)
    kept, aside = [], []
    for record in records:
        conflict = arrivals.conflict(record, alike[record.content])
        if conflict:
            aside.append(record.set_aside(conflict))
        else:
            kept.append(record)
    return kept, aside


def separate_near_duplicates(intake: Intake, kind: Kind, threshold: float) -> None:
    records = [*intake.records, *intake.arrived]
    found = likeness([kind.data.alike(record.values) for record in records], threshold)
    if found.crowded:
        told = (
            f"{found.crowded:,} texts are the same template but for little, and were compared with those "
            "of about their length alone"
        )
        intake.warnings.append(f"{told}; take the template out of the data")
    intake.records, aside = arrivals.separate(intake.records, intake.arrived, found)
    intake.arrived = []
    intake.rejected += aside


def likeness(found: Sequence[Any], threshold: float) -> Likeness:
    """Of texts or of thumbnails."""
    from tasks.ingest.near_duplicates import picture_pairs, text_pairs

    return (
        text_pairs.likeness(found, threshold)
        if all(isinstance(one, str) for one in found)
        else picture_pairs.likeness(found, threshold)
    )
