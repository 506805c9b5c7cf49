"""The seam between the stages and a kind of task. A kind is a value: a record of functions, no inheritance,
loaded by the name in params.

A *row* is one example as a mapping of columns, as it stands in the Parquet files of ingest; its column
`label` is text. *Features* are one row as the model sees it: lists of numbers by input name, and beside them

* `labels`: the numbers of the right labels, one for each *decision* in the row; missing where the row has no
  label,
* `where`: the positions in the model's output at which the decisions are made; missing where the model makes
  one decision per row. At position 0 nothing stands that could be decided on: the answer there is the first
  label.

A text classifier decides once per row, a tagger once per word. Logits, labels and probabilities of many rows
are flat: (m, c) for all m decisions, row after row. Rows are what is drawn in a bootstrap; decisions are what
is counted.
"""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import Field

from tasks.core.params import Section

if TYPE_CHECKING:
    import numpy as np
    import torch
    from transformers import PreTrainedModel

Row = Mapping[str, Any]
Features = Mapping[str, Any]
Processor = Any
"""What stands between rows and a model and is saved beside it: a tokenizer, or an image processor of
transformers."""


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
class Baseline:
    """A fitted linear model."""

    predict: Callable[[Sequence[Row]], np.ndarray]
    """Rows -> probabilities (m, c)."""
    parameters: int
    bytes: int
    """Of its weights, and of the names of its features."""


@dataclass(frozen=True)
class Converter:
    """Makes a checkpoint of weights that are none of transformers' own."""

    file: str
    """The name of the file that holds them."""
    convert: Callable[[Path, Path], None]
    """(file, folder) -> writes the checkpoint into the folder."""


@dataclass(frozen=True)
class Reworder:
    """Makes variations of rows of words."""

    vary: Callable[[Sequence[Row], Rewording, int, Processor], list[Row]]
    """(training rows, what happens to a word, seed, processor) -> unlabelled variations of them."""
    faults: Callable[[Rewording, Processor], list[str]]
    """What of it the processor cannot do."""


@dataclass(frozen=True)
class Kind:
    """What differs between one kind of task and another.

    `n` rows, `m` decisions, `c` labels, `k` categories.
    """

    options: type[Section]
    """The values of `runs.<run>.options`: what only this kind asks for."""

    task: str
    """What preprocessing.json and the model card call it."""

    # -- ingest --
    roles: Mapping[str, str]
    """Role of a column -> what it holds. Params map each role to a column of the raw data; those ending in
    `?` may be left out."""
    verbatim: frozenset[str]
    """Roles whose values `examine` gets as they are, not cleaned."""
    files: frozenset[str]
    """Roles whose text names a file of the raw folder: `examine` gets what is in it."""
    examine: Callable[[Mapping[str, Any], Any, Counter[str]], list[dict[str, Any]]]
    """(values by role, options, counts of what was mended) -> the rows it makes, each with `label`. Raises
    UnusableRowError."""
    fingerprint: Callable[[Row], str]
    """The whole record as one text: rows equal in it and in their label are the same."""
    alike: Callable[[Row], str | np.ndarray]
    """What near duplicates are looked for in: a text, or the thumbnail of a picture; text_pairs.py and
    picture_pairs.py find them."""
    content: Callable[[Row], str]
    """What the model gets to see: two rows equal in it with different labels contradict each other."""
    extent: Callable[[Row], int]
    """How large the content of a row is."""
    extent_of: str
    """What `extent` counts, in words."""
    pool: Callable[[Row, int], Sequence[str]]
    """(row, longest) -> unlabelled texts that come with it, in pieces of at most so many words."""
    label_names: Callable[[Sequence[str]], list[str]]
    """The `label` columns of all rows -> the names of the labels, in the order of their numbers."""
    classes: Callable[[str], Sequence[str]]
    """The `label` column of a row -> what of it is counted, and must be frequent enough."""
    fewest_classes: int

    # -- the model --
    architectures: str
    """The folder of tasks/architectures whose checkpoints it takes."""
    auto_model: Callable[[], Any]
    """The transformers auto class that builds the model with its head."""
    load_processor: Callable[[Path], Processor]
    """The processor of a checkpoint. Raises ModelError."""
    fit: Callable[[PreTrainedModel, Processor, int], tuple[Processor, list[str]]]
    """(pretrained model, its processor, input size) -> the processor for inputs of that size, and what speaks
    against it."""
    encode: Callable[[Processor, Sequence[Row], Sequence[str], int], list[Features]]
    """(processor, rows, label names, input size) -> features of each row."""
    size: Callable[[Features], int]
    """What a row costs: rows of like size share a batch."""
    collate: Callable[[Processor, Sequence[Features]], dict[str, torch.Tensor]]
    """Features -> a batch; `labels` (m,) holds IGNORED for decisions that nothing is known of, `where` (2, m)
    row and position."""
    augment: Callable[[Sequence[Features], Any], list[Features]]
    """(features of labelled rows, options) -> as the teacher shall see them in this step; chance is torch's.
    """
    transfer: Callable[[Sequence[Row], Sequence[Row], int, Any], list[Row]]
    """(training rows, pool, count, options) -> at most so many unlabelled rows that the teacher labels for
    the student."""
    reword: Reworder | None
    """None for kinds whose rows have no words."""
    loss: Callable[[torch.Tensor, torch.Tensor, float, Any], torch.Tensor]
    """(logits (m, c), labels (m,), label smoothing, options) -> mean loss."""
    distillation_loss: Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]
    """(student logits (m, c), teacher logits (m, c), temperature) -> mean loss."""

    # -- quality --
    headline: str
    """The figure by which checkpoints and recipes are chosen; a key of `figures`."""
    categories: Callable[[Sequence[str]], list[str]]
    """Label names -> what precision and recall are told of."""
    count: Callable[[np.ndarray, np.ndarray, Sequence[int], Sequence[str]], np.ndarray]
    """(predicted (m,), labels (m,), decisions of each row (n,), label names) -> (n, 3 k): per row and
    category how often predicted, true, and both. The sums over rows decide every figure: they are what is
    bootstrapped."""
    figures: Callable[[np.ndarray], dict[str, np.ndarray]]
    """(..., 3 k) sums of `count` -> each figure, of shape (...)."""
    coarse: Callable[[Sequence[str]], list[str]]
    """Label names -> the name of each in a confusion matrix."""
    baseline: Callable[[Sequence[Row], Sequence[str], int], Baseline]
    """(training rows, label names, seed) -> a linear model fitted to them."""

    # -- the shippable folder --
    lengths: bool
    """Whether inputs differ in length, the second dimension of what the graph reads."""
    ship: Callable[[Path, Processor, int], dict[str, Any]]
    """(folder, processor, input size) -> writes what `request` reads there; returns what preprocessing.json
    tells of it."""
    request: Callable[[Path], Callable[[Any], tuple[dict[str, np.ndarray], np.ndarray | None]]]
    """Folder -> a function from the input as a user has it to the graph's inputs, batch 1, and the positions
    at which decisions are made (None: one decision), without torch or transformers."""
    raw_input: Callable[[Row], Any]
    """The input of a row as a user has it."""
    told: Callable[[Any, np.ndarray, Sequence[str], Mapping[str, Any]], str]
    """(input, probabilities (m, c), label names, what preprocessing.json tells) -> the answer in a line."""

    # -- the report --
    mistake: Callable[[Row, np.ndarray, np.ndarray, Sequence[str]], dict[str, str]]
    """(row, probabilities (m, c), labels (m,), label names) -> a wrong answer beside the right one: a line of
    a table, by its heads."""
    picture: Callable[[Row], np.ndarray] | None
    """The row as a picture (height, width, 3) of whole numbers from 0 to 255; None for kinds whose rows can
    be read."""

    # -- what few kinds have --
    check_rows: Callable[[Iterable[Mapping[str, Any]], Any], list[str]] | None = None
    """(values of all rows by role, options) -> what there is to tell of them as a whole. Raises DataError."""
    facts: Callable[[Any], dict[str, Any]] | None = None
    """Options -> what of them preprocessing.json tells."""
    converters: Mapping[str, Converter] = field(default_factory=dict)
    """Package -> how the weights that it carries become a checkpoint."""
    lists: frozenset[str] = frozenset()
    """Roles of raw data that take lists and objects, as JSON. Of another role a list of one is what is in it,
    one of several no value."""


UNDECIDED = 20.0
"""Logit of the first label where nothing can be decided; the others have 0."""
KINDS = Path(__file__).resolve().parents[1]
IGNORED = -100
"""The label of a decision that no loss is taken of."""


def decisions(features: Features) -> int:
    """How many decisions a row holds."""
    return len(features["where"]) if "where" in features else 1


def load_kind(name: str) -> Kind:
    """The kind of `tasks/kinds/<name>/kind.py`. The name has been checked against the folders there."""
    return cast(Kind, importlib.import_module(f"tasks.kinds.{name.replace('/', '.')}.kind").KIND)


def known_kinds() -> dict[str, type[Section]]:
    """Every kind, and the options it asks for."""
    names = sorted(path.parent.relative_to(KINDS).as_posix() for path in KINDS.glob("*/*/kind.py"))
    return {name: load_kind(name).options for name in names}
