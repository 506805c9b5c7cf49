"""Which columns of the raw data hold what a kind needs."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from tasks.core.errors import DataError, ParamsError, did_you_mean
from tasks.ingest import joined
from tasks.ingest.joined import Names
from tasks.ingest.raw.rows import RawRow, column_key
from tasks.ingest.reading import class_folders
from tasks.kinds.base.data import Role

SHOWN = 3
LABEL = "label"


def check_roles(
    roles: Mapping[str, Role], columns: Mapping[str, Names], split_given: bool
) -> dict[str, Names]:
    """`roles` as in `Data`, `columns` as in the params. Returns the columns in the order of the roles,
    whatever theirs was.

    Raises:
        ParamsError: a role that does not exist, one that is missing, or several columns of a role that takes
            one.
    """
    allowed = set(roles) | ({"split"} if split_given else set())
    faults = [
        f"unknown role `{role}`{did_you_mean(role, allowed)}" for role in columns if role not in allowed
    ]
    missing = [role for role in roles if roles[role].required and role not in columns]
    faults += [f"the role `{role}` is missing ({roles[role].about})" for role in missing]
    for role, names in columns.items():
        if not isinstance(names, str) and not is_joinable(roles, role):
            faults.append(f"the role `{role}` takes one column, not several: {', '.join(names)}")
        elif not isinstance(names, str) and len(set(names)) < max(2, len(names)):
            faults.append(
                f"the role `{role}`: {', '.join(names)}; name one column, or several different ones"
            )
    if faults:
        raise ParamsError("ingest.columns", *faults)
    return {role: columns[role] for role in [*roles, "split"] if role in columns}


def is_joinable(roles: Mapping[str, Role], role: str) -> bool:
    """Whether a role may have several columns, whose texts are read one after another: none whose value is
    looked up or counted, or in which places are."""
    return role in roles and role != LABEL and roles[role].form == "text" and not roles[role].as_is


def matched(rows: Sequence[RawRow], columns: Mapping[str, Names]) -> tuple[list[RawRow], list[str]]:
    """The rows with their columns called as in `columns`, and what there is to tell of names that differ.

    A column that is not there is one whose name differs in case or blanks alone (`Text` for `text`). Every
    file must have every column; single JSON rows may leave some out, and what arrived needs no split.

    Raises:
        DataError: with the columns that are there.
    """
    wanted = set(joined.all_parts(columns))
    renamings: dict[tuple[str, ...], dict[str, str]] = {}
    faults: dict[str, None] = {}
    beside: dict[str, None] = {}
    taken: dict[tuple[str, str], Counter[str]] = {}
    settled = []
    for row in rows:
        names = tuple(row.values)
        if names not in renamings:
            renamings[names] = _renaming(row.file, names, wanted, faults, beside)
        renaming = renamings[names]
        for name, column in renaming.items():
            taken.setdefault((name, column), Counter())[_source(row)] += 1
        settled.append(_renamed(row, renaming) if renaming else row)
    missing = _missing(settled, columns)
    if faults or missing:
        raise DataError("ingest.columns", *faults, *missing)
    told = [
        f"the column `{name}` is read as `{column}`, for they differ in case or blanks alone: "
        f"{counts.total():,} rows of {_some(list(counts), SHOWN)}"
        for (name, column), counts in taken.items()
    ]
    return settled, [*told, *beside]


def _renaming(
    file: str,
    names: Sequence[str],
    wanted: set[str],
    faults: dict[str, None],
    beside: dict[str, None],
) -> dict[str, str]:
    """Names of a row -> the columns that they stand for, where they are not written alike. `beside` gets what
    there is to tell of columns beside one that is.
    """
    free: defaultdict[str, list[str]] = defaultdict(list)
    for name in names:
        if name not in wanted:
            free[column_key(name)].append(name)
    for column in sorted(wanted & set(names)):
        for name in free[column_key(column)]:
            beside[
                f"the column `{column}` is read; `{name}`, from which it differs in case or blanks, is not"
            ] = None
    made: dict[str, str] = {}
    for column in sorted(wanted - set(names)):
        found = free[column_key(column)]
        if len(found) > 1:
            shown = " and ".join(f"`{name}`" for name in found[:SHOWN])
            faults[
                f"{file}: {shown} differ in case or blanks alone, and `{column}` could be either; "
                "write the name of one into ingest.columns"
            ] = None
        elif found and found[0] not in made:
            made[found[0]] = column
    return made


def _renamed(row: RawRow, renaming: Mapping[str, str]) -> RawRow:
    values = {renaming.get(name, name): value for name, value in row.values.items()}
    return dataclasses.replace(row, values=values)


def _missing(rows: Sequence[RawRow], columns: Mapping[str, Names]) -> list[str]:
    """A sentence for the files that lack a column."""
    found: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for row in rows:
        found[_source(row)].update(dict.fromkeys(row.values))
    alike: defaultdict[tuple[bool, tuple[str, ...]], list[str]] = defaultdict(list)
    for file, has in found.items():
        alike[class_folders.is_arrived(file), tuple(has)].append(file)
    faults = []
    for (arrived, names), files in alike.items():
        needed = {role: one for role, one in columns.items() if not (arrived and role == "split")}
        missing = [
            f"`{column}` (role {role}{_guess(column, names)})"
            for role, one in needed.items()
            for column in joined.parts(one)
            if column not in names
        ]
        if missing:
            faults.append(
                f"{_some(files, SHOWN)}: no column {' and '.join(missing)}; found: {', '.join(names)[:300]}"
            )
    return faults


def _guess(column: str, has: Sequence[str]) -> str:
    guess = did_you_mean(column, has)
    return guess if guess.startswith("; did") else ""


def _some(names: Sequence[str], shown: int) -> str:
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")


def _source(row: RawRow) -> str:
    """The file, or the folder whose files are a row each."""
    return f"{PurePosixPath(row.file).parent}/" if class_folders.is_whole_file(row) else row.file
