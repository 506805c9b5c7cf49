"""Which kind of run suits raw data, and which column is what; what is in doubt is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flows.starting.look import Looked
from tasks.core.errors import DataError, ParamsError, did_you_mean
from tasks.ingest import cells, joined
from tasks.ingest.columns import is_joinable
from tasks.ingest.joined import Names
from tasks.kinds.base.kind import known_kinds, load_kind
from tasks.proposals.proposal import Doubt, Guess, Proposal, Table, Value, load_proposal

Answer = Callable[[Doubt], str]
"""A doubt -> the choice that the user makes."""
LIKELY = 0.3
"""Fit from which on data are taken for rows of a kind."""
ALIKE = 0.95
"""Of the best fit, from which on another kind is in question too."""


@dataclass(frozen=True)
class Choice:
    """What a run is to be."""

    kind: str
    proposal: Proposal
    guess: Guess

    @property
    def columns(self) -> Mapping[str, Names]:
        """Role -> column, or columns that are read as one text."""
        return self.guess.columns

    @property
    def ingest(self) -> Mapping[str, Value]:
        """Values of ingest that follow from the kind."""
        return self.guess.ingest

    @property
    def options(self) -> Mapping[str, Any]:
        """Of the kind."""
        return self.guess.options


def choose(looked: Looked, kind: str | None, asked: Mapping[str, str], answer: Answer) -> Choice:
    """The kind that the data look like, or the one that is named, and the columns of its roles. `asked` names
    columns by role, several as `title + description`.

    Raises:
        ParamsError: there is no such kind, or no such column.
        DataError: the data look like no kind.
    """
    given = {role: joined.named(names, looked.columns) for role, names in asked.items()}
    _check(looked, kind, given)
    table = Table(looked.columns, len(looked.raw.rows), given)
    guesses = {
        name: guess
        for name in _proposing(kind)
        if not _joined_in_vain(name, given) and (guess := load(name).recognise(table))
    }
    likely = {name: guess for name, guess in guesses.items() if kind or guess.fit >= LIKELY}
    if not likely:
        raise DataError("the data", _unlike(looked, kind))
    ranked = sorted(likely, key=lambda name: -likely[name].fit)
    chosen = ranked[0]
    if len(ranked) > 1 and likely[ranked[1]].fit > ALIKE * likely[ranked[0]].fit:
        chosen = answer(Doubt("kind", "which kind of task is it?", ranked))
    choice = _settled(Choice(chosen, load(chosen), likely[chosen]), table, answer)
    return _with_options(choice, looked)


def _with_options(choice: Choice, looked: Looked) -> Choice:
    """With the options that follow from the rows themselves."""
    rows = [
        {role: cells.raw_value(row, names) for role, names in choice.columns.items()}
        for row in looked.raw.rows
    ]
    options = {**choice.options, **choice.guess.settle(rows)}
    return replace(choice, guess=replace(choice.guess, options=options))


def _settled(choice: Choice, table: Table, answer: Answer) -> Choice:
    """Without doubts: each answer is taken as if the user had named the column."""
    given = dict(table.given)
    for _ in range(len(table.columns) + 1):
        doubt = next((one for one in choice.guess.doubts if one.role not in given), None)
        if doubt is None:
            break
        given[doubt.role] = joined.named(answer(doubt), table.columns)
        again = choice.proposal.recognise(replace(table, given=given))
        choice = replace(choice, guess=again or choice.guess)
    return choice


def load(kind: str) -> Proposal:
    """The proposal of a kind that has one."""
    proposal = load_proposal(kind)
    assert proposal is not None  # noqa: S101  # _proposing
    return proposal


def _proposing(kind: str | None) -> list[str]:
    names = [kind] if kind else list(known_kinds())
    return [name for name in names if load_proposal(name)]


def _joined_in_vain(kind: str, given: Mapping[str, Names]) -> list[str]:
    """Roles for which the user names several columns, and the kind takes one."""
    roles = load_kind(kind).data.roles
    return [
        role for role, names in given.items() if not isinstance(names, str) and not is_joinable(roles, role)
    ]


def _check(looked: Looked, kind: str | None, given: Mapping[str, Names]) -> None:
    faults, known = [], known_kinds()
    if kind is not None and kind not in known:
        faults.append(f"--kind {kind}: there is no such kind{did_you_mean(kind, known)}")
    elif kind is not None and load_proposal(kind) is None:
        faults.append(f"--kind {kind}: nothing is proposed for this kind; write the run by hand")
    faults += [
        f"--{role} {column}: no column{did_you_mean(column, looked.columns)}"
        for role, names in given.items()
        for column in joined.parts(names)
        if column not in looked.columns
    ]
    proposing = [] if faults else _proposing(kind)
    if proposing and (roles := [_joined_in_vain(name, given) for name in proposing]) and all(roles):
        faults += [f"--{role}: takes one column, not several" for role in roles[0]]
    if faults:
        raise ParamsError("slipway new", *faults)


def _unlike(looked: Looked, kind: str | None) -> str:
    columns = [
        f"{one.name} ({one.distinct:,} different values in {one.filled:,} of {one.rows:,} rows)"
        for one in list(looked.columns.values())[:8]
    ]
    like = f"rows of {kind}" if kind else "rows of any kind"
    return (
        f"do not look like {like}; found the columns {', '.join(columns)}. A label is a column in which "
        "values come again and again; name the columns with --text and --label, or the kind with --kind. "
        "Texts that have no labels yet get them by `slipway prelabel`"
    )


def describe(columns: Mapping[str, Names], others: Sequence[str]) -> str:
    """The roles and their columns in a line."""
    roles = ", ".join(f"{role} = {joined.name_of(names)}" for role, names in columns.items())
    return roles + (f"; not read: {', '.join(others)}" if others else "")
