"""Writes what ingest made.

The splits, the pool, what was set aside, and a report for machines and for people.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.core import escape
from tasks.ingest import joined
from tasks.ingest.cleaning import Intake, reason_kind
from tasks.ingest.forms.names import with_remedy
from tasks.ingest.joined import Names
from tasks.ingest.raw.rows import Rejected
from tasks.ingest.reading.class_folders import is_arrived
from tasks.ingest.reading.raw_folder import Note, Raw
from tasks.ingest.split import FRESH, Record
from tasks.kinds.base.kind import Kind

QUANTILES = (0, 5, 25, 50, 75, 95, 99, 100)
EXAMPLES = 3
LONGEST_EXCERPT = 80
NOT_WRITTEN = {"pool", "split"}


def write(
    out: Path,
    kind: Kind,
    *,
    splits: Mapping[str, Sequence[Record]],
    pool: Sequence[str],
    intake: Intake,
    raw: Raw,
    columns: Mapping[str, Names],
) -> dict[str, Any]:
    """Fills the folder `out` and returns the stage's figures."""
    out.mkdir(parents=True)
    kept = [record for records in splits.values() for record in records]
    roles = [role for role in kept[0].values if role not in NOT_WRITTEN]
    labels = kind.data.labels.names([record.values["label"] for record in kept])
    for side, records in splits.items():
        _table(
            out / f"{side}.parquet",
            ["id", *roles, "group", "file", "line"],
            (_cells(record, roles) for record in records),
            kind.data.columns_of_files(),
        )
    _table(out / "pool.parquet", ["text"], ([text] for text in pool))
    aside = sorted(intake.rejected, key=lambda one: (one.file, one.line, one.reason))
    _table(
        out / "rejected.parquet",
        ["file", "line", "reason", "excerpt"],
        ([r.file, r.line, r.reason, r.excerpt] for r in aside),
    )
    reasons = Counter(reason_kind(one.reason) for one in aside)
    rows = {side: len(records) for side, records in splits.items()}
    figures = {
        "rows": rows,
        "pool": len(pool),
        "rejected": dict(sorted(reasons.items())),
        "labels": len(labels),
    }
    report = {**figures, **_details(kind, splits, intake, aside, raw, columns)}
    _json(out / "labels.json", labels)
    _json(out / "report.json", report)
    (out / "report.md").write_text("\n".join(_markdown(report)) + "\n", encoding="utf-8")
    return figures


def _details(
    kind: Kind,
    splits: Mapping[str, Sequence[Record]],
    intake: Intake,
    aside: Sequence[Rejected],
    raw: Raw,
    columns: Mapping[str, Names],
) -> dict[str, Any]:
    """What the report says beside the stage's figures."""
    reasons = sorted({reason_kind(one.reason) for one in aside})
    return {
        "read": intake.read,
        **_if_any(splits, intake.warnings),
        "classes": _classes(kind, splits),
        "columns": dict(columns),
        "files": [_file(note) for note in raw.notes],
        "ignored": raw.ignored,
        "cleaned": {what: count for what, count in sorted(intake.cleaned.items()) if count},
        "extent_of": kind.data.extent.unit,
        "extent": {
            side: _quantiles(kind.data.extent.of(record.values) for record in records)
            for side, records in splits.items()
            if records
        },
        "examples": {reason: _examples(aside, reason) for reason in reasons},
    }


def print_summary(raw: Raw) -> None:
    """Prints what was recognised in files and left out of them, which a user should not have to look for in
    the report.
    """
    for note in raw.notes:
        for what, count in note.remarks.items():
            print(escape.line(f"{note.file}: {what}: {count:,}"), flush=True)


def _file(note: Note) -> dict[str, Any]:
    found = {"file": note.file, "encoding": note.encoding, "rows": note.rows, "rescued": note.rescued}
    return {**found, "remarks": note.remarks} if note.remarks else found


def _if_any(splits: Mapping[str, Sequence[Record]], warnings: Sequence[str]) -> dict[str, Any]:
    """Warnings, and how many rows of each side arrived after the start; nothing of what there is not."""
    counts = {
        side: sum(is_arrived(record.file) for record in records)
        for side, records in splits.items()
        if side != "test"
    }
    return {
        **({"warnings": list(warnings)} if warnings else {}),
        **({"arrived": counts} if FRESH in splits else {}),
    }


def _cells(record: Record, roles: Sequence[str]) -> list[Any]:
    return [record.id, *(record.values[role] for role in roles), record.group, record.file, record.line]


def _table(
    path: Path, names: Sequence[str], rows: Iterable[Sequence[Any]], files: Collection[str] = ()
) -> None:
    types = {"line": pa.int64(), **dict.fromkeys(files, pa.binary())}
    schema = pa.schema([pa.field(name, types.get(name, pa.string())) for name in names])
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    table = pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema
    )
    pq.write_table(table, path, compression="zstd", compression_level=3, version="2.6", row_group_size=10_000)


def _json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _classes(kind: Kind, splits: Mapping[str, Sequence[Record]]) -> dict[str, dict[str, int]]:
    """How many rows of each side hold each class."""
    counts = {
        side: Counter(name for record in records for name in kind.data.labels.classes(record.values["label"]))
        for side, records in splits.items()
    }
    return {
        name: {side: counts[side][name] for side in splits} for name in sorted(set().union(*counts.values()))
    }


def _quantiles(lengths: Iterable[int]) -> dict[str, int]:
    values = np.quantile(list(lengths), [share / 100 for share in QUANTILES], method="nearest")
    return {f"{share} %": int(value) for share, value in zip(QUANTILES, values, strict=True)}


def _examples(aside: Sequence[Rejected], reason: str) -> list[dict[str, Any]]:
    chosen = [one for one in aside if reason_kind(one.reason) == reason][:EXAMPLES]
    return [{"at": f"{one.file}:{one.line}", "reason": one.reason, "excerpt": one.excerpt} for one in chosen]


def _markdown(report: Mapping[str, Any]) -> Iterator[str]:
    rows, total = report["rows"], sum(report["rows"].values())
    yield "# What ingest made of the raw data\n"
    aside = sum(report["rejected"].values())
    yield (
        f"{report['read']:,} rows read, {total:,} kept, {aside:,} set aside; {report['pool']:,} "
        "unlabelled texts in the pool."
    )
    if "arrived" in report:
        yield (
            "Arrived after the start and kept: "
            f"{', '.join(f'{count:,} {side}' for side, count in report['arrived'].items())}."
        )
    columns = (f"{role} = {escape.code(joined.name_of(names))}" for role, names in report["columns"].items())
    yield f"Columns: {', '.join(columns)}.\n"
    if "warnings" in report:
        yield "## To look at\n"
        yield from (f"- {escape.markdown(warning)}" for warning in report["warnings"])
        yield ""
    yield "## Rows by class\n"
    table = [
        [escape.markdown(label), *(sides[side] for side in rows), f"{sum(sides.values()) / total:.1%}"]
        for label, sides in report["classes"].items()
    ]
    yield from _grid(["class", *rows, "share"], [*table, ["**all**", *rows.values(), ""]])
    yield f"\n## {report['extent_of'].capitalize()}\n"
    yield from _grid(
        ["", *report["extent"]["train"]],
        [[side, *extent.values()] for side, extent in report["extent"].items()],
    )
    yield "\n## Files\n"
    yield from _grid(
        ["file", "encoding", "rows", "rescued from quotes"],
        [[escape.markdown(f["file"]), f["encoding"], f["rows"], f["rescued"]] for f in report["files"]],
    )
    yield from _also(report)
    yield "\n## Cleaned\n"
    yield from [
        f"- {escape.markdown(what)}: {count:,} values" for what, count in report["cleaned"].items()
    ] or ["Nothing."]
    yield "\n## Set aside\n"
    yield "All of them are in `rejected.parquet`.\n" if report["rejected"] else "Nothing."
    for reason, count in report["rejected"].items():
        yield f"- **{escape.markdown(reason)}**: {count:,}"
        yield from (f"  - {_example(one)}" for one in report["examples"][reason])


def _also(report: Mapping[str, Any]) -> Iterator[str]:
    """What was recognised in the files and left out of them, and the files that were not read."""
    remarks = [
        (f["file"], what, count) for f in report["files"] for what, count in f.get("remarks", {}).items()
    ]
    if remarks:
        yield ""
        yield from (
            f"- {escape.markdown(file)}: {escape.markdown(what)}: {count:,}" for file, what, count in remarks
        )
    if report["ignored"]:
        names = ", ".join(escape.markdown(with_remedy(name)) for name in report["ignored"])
        yield f"\nNot read, {len(report['ignored']):,} file(s): {names}."


def _grid(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    yield from (
        f"| {' | '.join(f'{cell:,}' if isinstance(cell, int) else str(cell) for cell in row)} |"
        for row in rows
    )


def _example(one: Mapping[str, str]) -> str:
    return (
        f"{escape.markdown(one['at'])}: {escape.markdown(one['reason'])}; "
        f"{escape.markdown(one['excerpt'][:LONGEST_EXCERPT])}"
    )
