"""What ingest makes of the data: tried in a scratch folder, before a run is written.

Which sizes the splits get, and from which seed, follows from the rows, so that every class is on every side.
"""

from __future__ import annotations

import contextlib
import io
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.starting.choice import Choice
from flows.starting.look import Looked
from tasks.core import tables
from tasks.core.errors import DataError
from tasks.ingest import stage
from tasks.ingest.cleaning import Intake
from tasks.ingest.columns import check_roles
from tasks.ingest.joined import Names
from tasks.ingest.raw.rows import RawRow
from tasks.ingest.split import SIDES, Record, assign_given, share
from tasks.kinds.base.kind import load_kind
from tasks.proposals.proposal import Value

FEWEST = {"min_rows_per_class": 3, "min_test_rows": 2}
"""The least that ingest takes."""
SEEDS = 2_000
TRIES = 5
OF_THE_RAREST = 3
"""Rows of the rarest class that a side should have, in the mean."""
RARE = 60
"""Rows of a class from which on chance alone puts some on every side."""
USUAL_ROWS_PER_CLASS = 20
KEPT_BACK = 0.8
"""Share of today's rows below which a later ingest is refused: data went missing then."""
LOOK_AT = "ingest: look at this: "


@dataclass(frozen=True)
class Taken:
    """The rows of each split, and the values of ingest that made them."""

    values: Mapping[str, Value]
    folder: Path
    """As `ingest/out` of a run."""
    warnings: Sequence[str]

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        """Of train, validation, test and pool."""
        return {side: tables.read(self.folder / f"{side}.parquet") for side in (*SIDES, "pool")}


def take(folder: Path, looked: Looked, choice: Choice, given_split: bool, scratch: Path) -> Taken:
    """Tries ingest on the data.

    Raises:
        DataError: the data are too few, or lack a class on a side whatever the split.
    """
    columns = dict(choice.columns)
    if given_split and looked.split_column:
        columns["split"] = looked.split_column
    drawn = _drawn(_records(folder, looked, choice, columns), given_split)
    by_class = _prints_by_class(drawn, choice.kind)
    sizes = _sizes(looked, given_split, len(drawn), by_class)
    seeds = _seeds(by_class, given_split, sizes)
    values: dict[str, Value] = {
        "columns": Value(columns),
        "header": Value(looked.header),
        "near_duplicates": choice.ingest["near_duplicates"],
        "split": Value("given" if given_split else "sticky", _split_reason(looked, given_split)),
        "split_seed": Value(0),
        **sizes,
        "fresh": Value(0.2),
        "pool_words": choice.ingest["pool_words"],
        **{name: Value(least) for name, least in FEWEST.items()},
    }
    for number, seed in enumerate(seeds):
        values["split_seed"] = Value(seed, "the first with rows of every class on every side" if seed else "")
        try:
            warnings = _ingest(folder, choice, values, out := scratch / f"ingest-{number}")
        except DataError:
            if number + 1 == len(seeds):
                raise
        else:
            return Taken({**values, **_bounds(out / "out", choice.kind)}, out / "out", warnings)
    raise AssertionError("there is a seed at least")


def _sizes(looked: Looked, given: bool, rows: int, by_class: Mapping[str, Sequence[str]]) -> dict[str, Value]:
    rare = OF_THE_RAREST / min(map(len, by_class.values()), default=1)
    validation = min(0.2, max(0.1, 240 / max(rows, 1), rare))
    if given:
        why = "the data give it" if "validation" in looked.sides else "share of the training rows"
        return {"validation": Value(round(validation, 2), why), "test": Value(None, "the data give it")}
    test = min(0.3, max(0.15, 800 / max(rows, 1), rare))
    return {
        "validation": Value(round(validation, 2), f"about {validation * rows:,.0f} rows"),
        "test": Value(round(test, 2), f"about {test * rows:,.0f} rows"),
    }


def _split_reason(looked: Looked, given: bool) -> str:
    if not given:
        return "each row's side follows from its content"
    return f"by the column `{looked.split_column}`" if looked.split_column else "by the names of the files"


def _records(folder: Path, looked: Looked, choice: Choice, columns: Mapping[str, Names]) -> list[Record]:
    """The rows that are usable, without copies."""
    kind = load_kind(choice.kind)
    intake = Intake(rejected=[], read=len(looked.raw.rows))
    checked = check_roles(kind.data.roles, dict(columns), split_given="split" in columns)
    options = kind.options.model_validate(dict(choice.options))
    rows: list[RawRow] = looked.raw.rows
    with _quiet():
        stage.take(intake, rows, checked, kind, options, folder)
    stage.reject_empty(intake)
    for record in intake.records:
        record.fingerprint = kind.data.fingerprint(record.values)
        record.content = kind.data.content(record.values)
        record.side = SIDES[0]
    return stage.settle(intake.records)[0]


def _drawn(records: Sequence[Record], given: bool) -> list[Record]:
    """Rows of which a share goes to another side: all, of a given split those that train; none where it gives
    the validation rows too.
    """
    if not given:
        return list(records)
    assign_given(records, 0, 0.0)
    sides = {record.side for record in records}
    return [] if "validation" in sides else [record for record in records if record.side == SIDES[0]]


def _prints_by_class(records: Sequence[Record], kind: str) -> dict[str, list[str]]:
    """Class -> what its rows' places in a split follow from."""
    classes = load_kind(kind).data.labels.classes
    by_class: defaultdict[str, list[str]] = defaultdict(list)
    for record in records:
        for name in classes(record.values["label"]):
            by_class[name].append(record.fingerprint)
    return dict(by_class)


def _seeds(by_class: Mapping[str, Sequence[str]], given: bool, sizes: Mapping[str, Value]) -> list[int]:
    """Seeds of the split that put rows of every rare class on every side; at least one seed."""
    rare = [prints for prints in by_class.values() if len(prints) < RARE]
    bounds = [sizes["validation"].value] if given else [sizes["test"].value]
    bounds += [] if given else [sizes["test"].value + sizes["validation"].value]
    good = []
    for seed in range(SEEDS):
        if all(len({_side(share(seed, one), bounds) for one in prints}) > len(bounds) for prints in rare):
            good.append(seed)
        if len(good) == TRIES:
            break
    return good or [0]


def _side(place: float, bounds: Sequence[float]) -> int:
    return sum(place >= bound for bound in bounds)


def _ingest(folder: Path, choice: Choice, values: Mapping[str, Value], out: Path) -> list[str]:
    """Runs the stage; what it tells to look at."""
    params = stage.Params.model_validate(
        {
            "kind": choice.kind,
            "options": dict(choice.options),
            **{name: one.value for name, one in values.items()},
        }
    )
    out.mkdir(parents=True)
    with _quiet() as said:
        stage.run(stage.Inputs(folder), params, out, out / "scratch")
    return [line.removeprefix(LOOK_AT) for line in said.getvalue().splitlines() if line.startswith(LOOK_AT)]


@contextlib.contextmanager
def _quiet() -> Iterator[io.StringIO]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        yield said


def classes_of(folder: Path, kind: str) -> dict[str, int]:
    """Rows of each class in all splits, the most frequent first."""
    split = load_kind(kind).data.labels.classes
    counts = Counter(
        name
        for side in SIDES
        for row in tables.read(folder / f"{side}.parquet")
        for name in split(row["label"])
    )
    return dict(counts.most_common())


def _bounds(folder: Path, kind: str) -> dict[str, Value]:
    """What a later ingest must find at least."""
    least = min(classes_of(folder, kind).values(), default=0)
    test = len(tables.read(folder / "test.parquet"))
    return {
        "min_rows_per_class": Value(
            max(FEWEST["min_rows_per_class"], min(USUAL_ROWS_PER_CLASS, least)),
            f"the rarest class has {least}" if least else "there are no classes",
        ),
        "min_test_rows": Value(
            max(FEWEST["min_test_rows"], int(KEPT_BACK * test)), f"there are {test:,} test rows"
        ),
    }
