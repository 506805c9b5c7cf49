"""The texts of raw data that are to be labelled; what is left out is counted, and told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.starting import look
from flows.starting.look import Looked
from tasks.core.errors import DataError, ParamsError, UnusableRowError, did_you_mean
from tasks.ingest import cells, joined
from tasks.ingest.cleaning import clean, reason_kind
from tasks.ingest.joined import Names
from tasks.ingest.raw import values
from tasks.ingest.raw.rows import RawRow
from tasks.proposals.proposal import Column

COMMAND = "slipway prelabel"
LABEL = "label"
MOSTLY = 0.5
"""Share of a column's values that must hold letters."""
SHOWN = 3


@dataclass(frozen=True)
class Texts:
    """What is to be labelled, and what is."""

    column: str
    unlabelled: list[str]
    labelled: list[tuple[str, str]]
    """Texts and the labels that people gave them."""
    told: list[str]
    """What was read and what was left out, a sentence each."""

    @property
    def all(self) -> list[str]:
        return [*self.unlabelled, *(text for text, _ in self.labelled)]


def read(folder: Path, text: str | None, label: str | None) -> Texts:
    """The texts of a folder of raw data: those of a column, or of the one with the longest texts.

    Raises:
        DataError: nothing can be read, or no column holds texts.
        ParamsError: there is no such column.
    """
    looked = look.look(folder)
    names = _column(looked, text, label)
    counts: Counter[str] = Counter(reason_kind(one.reason) for one in looked.raw.rejected)
    found: dict[str, set[str]] = {}
    for row in looked.raw.rows:
        if not (own := _text(row, names, counts)):
            continue
        counts["copies"] += own in found
        labels = found.setdefault(own, set())
        if label and (given := plain(row.values.get(label, ""))):
            labels.add(given)
    torn = [one for one, labels in found.items() if len(labels) > 1]
    counts["with several labels"] += len(torn)
    return Texts(
        joined.name_of(names),
        [one for one, labels in found.items() if not labels],
        [(one, min(labels)) for one, labels in found.items() if len(labels) == 1],
        [*_left_out(looked, counts), *_unread_labels(looked, names, label)],
    )


def _column(looked: Looked, text: str | None, label: str | None) -> Names:
    given = joined.named(text, looked.columns) if text else None
    asked = [("text", one) for one in joined.parts(given)] if given else []
    asked += [(LABEL, label)] if label else []
    if faults := [
        f"--{role} {column}: no column{did_you_mean(column, looked.columns)}"
        for role, column in asked
        if column not in looked.columns
    ]:
        raise ParamsError(COMMAND, *faults)
    if given:
        return given
    written = [one for one in looked.columns.values() if one.name != label and _holds_texts(one)]
    if not written:
        some = ", ".join(looked.columns)
        raise DataError("the data", f"no column holds texts; found {some}; name one with --text")
    return max(written, key=lambda one: one.words * one.filled).name


def _holds_texts(column: Column) -> bool:
    some = [value for value, _ in column.top]
    lettered = sum(any(map(str.isalpha, value)) for value in some)
    return column.pictures == 0 and column.numeric < MOSTLY and lettered > MOSTLY * max(1, len(some))


def _text(row: RawRow, names: Names, counts: Counter[str]) -> str:
    """The text of a row; empty, and counted, where there is none."""
    if not any(part in row.values for part in joined.parts(names)):
        counts["without the column"] += 1
        return ""
    value = cells.raw_value(row, names)
    try:
        single = (
            "" if isinstance(value, bytes) else values.single(value, joined.name_of(names), is_label=False)
        )
    except UnusableRowError as reason:
        counts[reason_kind(str(reason))] += 1
        return ""
    if isinstance(value, bytes) or isinstance(single, values.UnsupportedValue):
        counts["no text"] += 1
        return ""
    if not (text := plain(clean(single, Counter(), keep_lines=False))):
        counts["empty"] += 1
    return text


def plain(value: str | bytes) -> str:
    """A value on one line; empty where it is no text."""
    return " ".join(value.split()) if isinstance(value, str) else ""


def _left_out(looked: Looked, counts: Counter[str]) -> list[str]:
    told = []
    if left := {reason: count for reason, count in counts.items() if count}:
        listed = ", ".join(f"{count:,} {reason}" for reason, count in left.items())
        told.append(f"left out: {listed}")
    told += [f"look at this: {one.file}:{one.line}: {one.reason}" for one in looked.raw.rejected[:SHOWN]]
    unread = {**dict.fromkeys(looked.raw.ignored, ""), **looked.raw.left}
    if unread:
        told.append(f"look at this: not read: {', '.join(list(unread)[:SHOWN])}{_more(list(unread))}")
    return told


def _more(names: Sequence[str]) -> str:
    return f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""


def _unread_labels(looked: Looked, names: Names, label: str | None) -> list[str]:
    """That there are labels which nobody asked to read."""
    if label:
        return []
    return [
        f"look at this: the column `{one.name}` is not read; --label {one.name} takes it as what people said"
        for one in looked.columns.values()
        if one.name.strip().casefold() == LABEL and one.filled and one.name not in joined.parts(names)
    ]
