"""What a kind proposes for data that nobody has tuned for: `slipway new` asks it.

A kind that takes part has a module of its name here, with a `PROPOSAL`. It says how well raw data look like
rows of the kind, and which values a run of them should have, each with its reason. No stage depends on this
folder, so better reasons train nothing anew.
"""

from __future__ import annotations

import importlib
import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from tasks.ingest import joined
from tasks.ingest.joined import Names
from tasks.kinds.base.rows import Features, Row

Preset = Literal["fast", "balanced", "best"]
PRESET_MINUTES: Mapping[Preset, float] = {"fast": 5.0, "balanced": 20.0}
"""That a run of a preset may take, usually; `best` takes as long as it needs."""
SECONDS_OF_A_STEP = 0.015
"""Of training, beside what it computes: docs/results/anyones-data.md."""
MANY_TIMES = 4
"""Multiple of the steps needed from which on a further pass over many rows is not worth its time."""
LEAST_EFFORT = 0.2
"""Below it a model learns too little to be worth the time."""
PRESETS: tuple[Preset, ...] = ("fast", "balanced", "best")


@dataclass(frozen=True)
class Column:
    """A column of raw data."""

    name: str
    rows: int
    """Rows of the files that have the column."""
    filled: int
    """Rows with a value in it."""
    distinct: int
    """Different values."""
    words: float
    """Of a value, in the mean."""
    numeric: float
    """Share of the values that are numbers."""
    listed: float
    """Share that are lists or objects."""
    pictures: float
    """Share that are encoded images, or names of image files."""
    top: Sequence[tuple[str, int]]
    """The most frequent values and how often each occurs."""
    images: Sequence[bytes]
    """The first encoded images, or those that the first values name."""

    @property
    def repetition(self) -> float:
        """Mean rows per different value."""
        return self.filled / self.distinct if self.distinct else 0.0

    @property
    def rarest(self) -> int:
        """Rows of the rarest value, where all of them are in `top`; else 1."""
        return self.top[-1][1] if self.top and len(self.top) == self.distinct else 1


@dataclass(frozen=True)
class Table:
    """Raw data as they are, before a kind is chosen."""

    columns: Mapping[str, Column]
    rows: int
    given: Mapping[str, Names]
    """Columns that the user names, by role."""

    def named(self, role: str) -> str | None:
        """The column that the user names for a role that takes one."""
        names = self.given.get(role)
        return names if names is None or isinstance(names, str) else joined.name_of(names)


@dataclass(frozen=True)
class Doubt:
    """What the data leave open, and the user may decide."""

    role: str
    """Of the column in question."""
    question: str
    choices: Sequence[str]
    """The first is what is taken without an answer."""


def _nothing(_rows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class Guess:
    """How raw data look to a kind."""

    fit: float
    """0 to 1: how well they look like its rows."""
    columns: Mapping[str, Names]
    """Role -> column, or columns that are read as one text."""
    why: str
    """In a line."""
    ingest: Mapping[str, Value]
    """Values of ingest that follow from the kind."""
    options: Mapping[str, Any] = field(default_factory=dict)
    doubts: Sequence[Doubt] = ()
    settle: Callable[[Sequence[Mapping[str, Any]]], Mapping[str, Any]] = _nothing
    """Rows, with a value for each role, as the data hold them -> options that follow from these together."""


@dataclass(frozen=True)
class Facts:
    """What ingest made of the data."""

    rows: Mapping[str, Sequence[Row]]
    """Of train, validation, test and pool."""
    encoded: Mapping[str, Sequence[Features]]
    """The same as the pretrained model reads them."""
    vocabulary: Mapping[str, int]
    """The pieces of the pretrained model and their numbers; empty where it has none."""
    layer_parameters: int
    """Of all layers of the pretrained model: what it computes with for a piece; 0 where that is not known."""
    classes: Mapping[str, int]
    """Rows of each class, in all splits."""
    split: str
    """sticky, or given."""


@dataclass(frozen=True)
class Work:
    """What trainings compute."""

    gigaflops: float
    steps: int
    """Each costs some time, however little it computes."""

    def __add__(self, other: Work) -> Work:
        return Work(self.gigaflops + other.gigaflops, self.steps + other.steps)


@dataclass(frozen=True)
class Wish:
    """What the user asks for."""

    preset: Preset
    minutes: float | None
    """For the whole run; None: as long as the preset takes."""
    seconds_per_gigaflop: float
    """Of this machine, in training."""
    effort: float = 1.0
    """Share of the usual steps of training."""

    def minutes_of(self, work: Work, other: float) -> float:
        """That some work takes on this machine, beside `other` minutes."""
        return other + (work.gigaflops * self.seconds_per_gigaflop + work.steps * SECONDS_OF_A_STEP) / 60


@dataclass(frozen=True)
class Value:
    """A value for params.yaml, and why it is this one. An empty reason is not written."""

    value: Any
    why: str = ""


Values = Mapping[str, Mapping[str, Value] | Value]
"""Section of a run -> key -> value; a key of the run itself -> value."""


@dataclass(frozen=True)
class Plan:
    """A run for the data."""

    values: Values
    minutes: float
    """That it will take on this machine, predicted."""
    remarks: Sequence[str]
    """What the user should know of it; each a sentence."""
    space: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """What a search may try in place of the values: `prune.ffn` -> numbers."""


@dataclass(frozen=True)
class Pretrained:
    """A pretrained model that a package carries."""

    source: Mapping[str, str]
    """As `pretrain.source` has it."""
    why: str
    remarks: Sequence[str] = ()
    """Where the data are not what the model was made for; each a sentence."""


@dataclass(frozen=True)
class Proposal:
    """What a kind proposes."""

    recognise: Callable[[Table], Guess | None]
    """None: the data cannot be rows of this kind."""
    plan: Callable[[Facts, Wish], Plan]
    pretrained: Callable[[Sequence[Row]], Pretrained] | None
    """Rows -> the pretrained model that suits them; None: the one that reads the language of their texts."""
    longest: int
    """The largest input that it reads: pieces of a text, pixels of an image's side."""
    noun: str
    """What its rows are called, in the plural: `texts`."""
    minutes: Mapping[Preset, float] = field(default_factory=lambda: PRESET_MINUTES)
    """That a run of a preset may take, where the user does not say."""
    general_texts: bool = False
    """Whether general unlabelled texts help its students, where a run has none of its own."""
    described: bool = False
    """Whether a label can be given to a text by what is said of the labels, as `slipway prelabel` does."""


def load_proposal(kind: str) -> Proposal | None:
    """The proposal of `tasks/proposals/<kind>.py`; None if the kind has none."""
    module = f"tasks.proposals.{kind.replace('/', '.')}"
    if importlib.util.find_spec(module) is None:
        return None
    return cast(Proposal, importlib.import_module(module).PROPOSAL)


def within(proposal: Proposal, facts: Facts, wish: Wish) -> Plan:
    """The plan that takes as long as the user allows; with fewer steps, and a remark on it, if need be."""
    plan = proposal.plan
    usual, minutes = plan(facts, wish), wish.minutes or proposal.minutes.get(wish.preset, math.inf)
    if usual.minutes <= minutes:
        return usual
    made, effort = usual, 1.0
    while made.minutes > minutes and effort > LEAST_EFFORT:
        effort = max(LEAST_EFFORT, 0.9 * effort)
        made = plan(facts, replace(wish, effort=effort))
    told = (
        f"trained for {effort:.0%} of the usual steps, to end within {minutes:g} minutes; the usual "
        f"ones would take {usual.minutes:.0f}"
    )
    if made.minutes > minutes:
        smaller = "" if wish.preset == "fast" else "a smaller preset, "
        told = (
            f"{minutes:g} minutes are too few: with {effort:.0%} of the usual steps it takes about "
            f"{made.minutes:.0f}; {smaller}fewer rows or more cores would be needed"
        )
    return replace(made, remarks=[*made.remarks, told])


def epochs_of(steps: float, rows: int, batch_size: int, most: int = 60) -> int:
    """Epochs that come nearest above so many steps."""
    return max(1, min(most, math.ceil(steps * batch_size / max(rows, 1) - 1e-9)))


def fewest_epochs(usual: int, steps: float, rows: int, batch_size: int) -> int:
    """The usual least number of epochs, or fewer where they would be far more steps than are needed."""
    return max(1, min(usual, int(MANY_TIMES * steps * batch_size / max(rows, 1))))


def multiple(value: float, of: int) -> int:
    """The least multiple of `of` that is not below the value."""
    return max(of, math.ceil(value / of) * of)
