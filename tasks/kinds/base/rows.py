"""Rows, and rows as a model sees them.

A *row* is one example as a mapping of columns, as it stands in the Parquet files of ingest; its column
`label` is text, its column `id` names it. *Features* are one row as the model sees it: lists of numbers by
input name, and beside them

* `labels`: the numbers of the right labels, one for each *decision* in the row; missing where the row has no
  label,
* `where`: the positions in the model's output at which the decisions are made; missing where the model makes
  one decision per row. At position 0 nothing stands that could be decided on: the answer there is the first
  label,
* `parts`: the lengths of the parts in which the row is read, whose logits are averaged; missing where it is
  read at once.

A text classifier decides once per row, a tagger once per word. Logits, labels and probabilities of many rows
are flat: (m, c) for all m decisions, row after row. Rows are what is drawn in a bootstrap; decisions are what
is counted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.core.errors import DataError

if TYPE_CHECKING:
    import numpy as np

Row = Mapping[str, Any]
Features = Mapping[str, Any]
Processor = Any
"""What stands between rows and a model and is saved beside it: a tokenizer, or an image processor of
transformers."""

PARTS = "parts"
"""In features, and in a batch of which some rows have several: how many each has (n,)."""
BESIDE_THE_INPUTS = ("labels", "where", PARTS)
"""What a batch holds that the model does not read."""
UNDECIDED = 20.0
"""Logit of the first label where nothing can be decided; the others have 0."""
IGNORED = -100
"""The label of a decision that no loss is taken of."""


def decisions(features: Features) -> int:
    """The number of decisions in a row."""
    return len(features["where"]) if "where" in features else 1


def ids_of(rows: Sequence[Row]) -> list[str]:
    """The ids of rows, in their order; a row that ingest has not taken in yet is named by its place."""
    return [str(row["id"]) if "id" in row else f"row:{place}" for place, row in enumerate(rows)]


def id_of_text(text: str) -> str:
    """A stable id for an unlabelled text, such as `pool:3f2a90c1d4e5b687`."""
    return f"pool:{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def check_ids(where: str, found: Sequence[str], wanted: Sequence[str]) -> None:
    """Checks that answers belong to the rows they are paired with.

    Args:
        where: what holds the answers, for the message.
        found: the ids of the rows that were answered, in their order.
        wanted: the ids of the rows they are paired with.

    Raises:
        DataError: the ids or their order differ.
    """
    if len(found) != len(wanted):
        raise DataError(where, f"answers {len(found)} rows, and is paired with {len(wanted)}{ADVICE}")
    for place, (one, other) in enumerate(zip(found, wanted, strict=True), 1):
        if one != other:
            raise DataError(where, f"row {place} is `{one}`, and is paired with `{other}`{ADVICE}")


ADVICE = "; it was made from other rows or in another order: make it again from these"


@dataclass(frozen=True)
class Truth:
    """The right answers to rows.

    `labels` (m,): the number of the right label of each decision, or a text for each row. `decisions` (n,):
    how many each row has; 1 where answers are texts. `names`: of the labels. `ids` (n,): of the rows.
    """

    labels: np.ndarray
    decisions: Sequence[int]
    names: Sequence[str]
    ids: Sequence[str] = ()

    def of_row(self, row: int) -> slice:
        """Where the decisions of a row stand among all."""
        end = sum(self.decisions[: row + 1])
        return slice(end - self.decisions[row], end)

    def per_row(self, values: np.ndarray) -> np.ndarray:
        """Sums of values (m, ...) of the decisions over each row: (n, ...)."""
        import numpy as np

        starts = np.cumsum([0, *self.decisions[:-1]])
        sums: np.ndarray = np.add.reduceat(values, starts, axis=0)
        return sums


def of_texts(rows: Sequence[Row]) -> Truth:
    """The right answers to rows whose answers are texts: what stands in the column `label`."""
    import numpy as np

    return Truth(np.array([str(row["label"]) for row in rows]), [1] * len(rows), [], ids_of(rows))
