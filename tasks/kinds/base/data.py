"""What a kind says of its rows: raw columns, checks, labels, unlabelled rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from tasks.core.params import Section
from tasks.kinds.base.rows import Processor, Row

if TYPE_CHECKING:
    import numpy as np


class Rewording(Section):
    """What happens to a word, each by chance of its own."""

    copies: int = Field(
        ge=1, le=1000, description="variations of each labelled row, which the teacher labels"
    )
    drop: float = Field(ge=0, le=0.3, description="share of words left out")
    mask: float = Field(ge=0, le=0.3, description="share of words that become the mask piece")
    replace: float = Field(ge=0, le=0.3, description="share of words that become a word of any labelled row")
    swap: float = Field(ge=0, le=0.3, description="share of words that change places with another one")


@dataclass(frozen=True)
class Reworder:
    """Makes variations of rows of words."""

    vary: Callable[[Sequence[Row], Rewording, int, Processor], list[Row]]
    """(training rows, what happens to a word, seed, processor) -> unlabelled variations of them, each with an
    id of its own."""
    faults: Callable[[Rewording, Processor | None], list[str]]
    """(what happens to a word, processor; None: not known yet) -> what of it cannot be done, and why."""


@dataclass(frozen=True)
class Role:
    """A column of the raw data, by what it is to the kind. Params map each role to a column."""

    about: str
    """What it holds, for messages."""
    required: bool = True
    """Whether params have to name a column for it."""
    form: Literal["text", "list", "file"] = "text"
    """A list takes lists and objects too, as JSON; of another role a list of one is what is in it, one of
    several no value. The text of a file names one in the raw folder; `examine` gets its bytes."""
    as_is: bool = False
    """Whether `examine` gets texts as they are, not cleaned."""
    keeps_lines: bool = False
    """Whether line ends stay when the text is cleaned."""


@dataclass(frozen=True)
class Labels:
    """How the column `label` is read."""

    names: Callable[[Sequence[str]], list[str]]
    """The `label` columns of all rows -> the names of the labels, in the order of their numbers."""
    classes: Callable[[str], Sequence[str]]
    """The `label` column of a row -> what of it is counted, and must be frequent enough."""
    fewest: int
    """Classes that the data must have."""


@dataclass(frozen=True)
class Extent:
    """How large the content of a row is."""

    of: Callable[[Row], int]
    unit: str
    """What is counted, such as `length of a text, in characters`."""


def no_texts(row: Row, longest: int) -> list[str]:
    """`Data.pool` of kinds whose rows bring no unlabelled texts."""
    return []


def no_warnings(rows: Iterable[Mapping[str, Any]], options: Any) -> list[str]:
    """`Data.check_rows` of kinds that have nothing to warn of."""
    return []


@dataclass(frozen=True)
class Data:
    """Rows of a kind: how ingest makes them, and how unlabelled ones come about."""

    roles: Mapping[str, Role]
    examine: Callable[[Mapping[str, Any], Any, Counter[str]], list[dict[str, Any]]]
    """(values by role, options, counts of what was mended) -> the rows it makes, each with `label`. Raises
    UnusableRowError."""
    labels: Labels
    fingerprint: Callable[[Row], str]
    """The whole record as one text: rows equal in it and in their label are the same."""
    alike: Callable[[Row], str | np.ndarray]
    """What near duplicates are looked for in: a text, or the thumbnail of a picture; text_pairs.py and
    picture_pairs.py find them."""
    content: Callable[[Row], str]
    """What the model gets to see: two rows equal in it with different labels contradict each other."""
    extent: Extent
    transfer: Callable[[Sequence[Row], Sequence[Row], int, Any], list[Row]]
    """(training rows, pool, count, options) -> at most so many unlabelled rows that the teacher labels for
    the student, each with an id of its own; for a smaller count the first of them."""
    reword: Reworder
    """Variations of rows; `cannot_reword` for kinds whose rows have no words."""
    pool: Callable[[Row, int], Sequence[str]] = no_texts
    """(row, longest) -> unlabelled texts that come with it, in pieces of at most so many words."""
    check_rows: Callable[[Iterable[Mapping[str, Any]], Any], list[str]] = no_warnings
    """(values of all rows by role, options) -> warnings about them as a whole. Raises DataError."""

    @property
    def has_pool(self) -> bool:
        """Whether rows bring unlabelled texts."""
        return self.pool is not no_texts

    def columns_of_files(self) -> list[str]:
        """The roles whose values are the bytes of files."""
        return [name for name, role in self.roles.items() if role.form == "file"]


def as_given(values: Mapping[str, Any], options: Any, mended: Counter[str]) -> list[dict[str, Any]]:
    """`Data.examine` of kinds that take each raw row as one row."""
    return [dict(values)]


def cannot_reword(why: str) -> Reworder:
    """The `Reworder` of kinds whose rows have no words; `why` ends the message to users who ask for it."""

    def faults(how: Rewording, processor: Processor | None) -> list[str]:
        return [f"distill.rewording: {why}"]

    def none(rows: Sequence[Row], how: Rewording, seed: int, processor: Processor) -> list[Row]:
        return []

    return Reworder(none, faults)
