"""What shippable folders answer to rows, in one numbering of labels, whatever labels each of them knows.

Opened as their users open them, with ONNX Runtime and without torch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tasks.export import package
from tasks.kinds.base.kind import Kind, Row, load_kind
from tasks.kinds.base.rows import Truth, check_ids, ids_of, of_texts


@dataclass(frozen=True)
class Answers:
    """What a model answered to rows: their ids (n,), and of each the probabilities (decisions, labels), or
    the text (1,) that was written."""

    ids: Sequence[str]
    probabilities: Sequence[np.ndarray]


@dataclass(frozen=True)
class Shipped:
    """A model as it ships. `labels` are its own, in the order of its numbers."""

    folder: Path
    kind_name: str
    labels: Sequence[str]

    @property
    def kind(self) -> Kind:
        return load_kind(self.kind_name)

    def ask(self, rows: Sequence[Row]) -> Answers:
        """Its answers to rows, each asked for as a user would."""
        answered, raw_input = package.answerer(self.folder, self.kind), self.kind.package.raw_input
        return Answers(ids_of(rows), [np.atleast_1d(answered(raw_input(row))) for row in rows])


def shipped(folder: Path, kind: str) -> Shipped:
    """The shipped model in a folder.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    return Shipped(folder, kind, labels)


def names_of(models: Sequence[Shipped], rows: Sequence[Row]) -> list[str]:
    """All labels that the models know or the rows have, in the kind's order."""
    kind = models[0].kind
    return kind.data.labels.names(
        [*(row["label"] for row in rows), *(label for model in models for label in model.labels)]
    )


def numbered(answers: Answers, own: Sequence[str], truth: Truth) -> np.ndarray:
    """The likeliest label of each decision (m,), as its number among the names of `truth`; texts (n,) as they
    are.

    Args:
        own: the labels of the model, in the order of its numbers.
        truth: the right answers that these are paired with.

    Raises:
        DataError: the answers are to other rows, or in another order.
    """
    check_ids("answers", answers.ids, truth.ids)
    told = np.concatenate(answers.probabilities)
    if are_texts(told):
        return told
    place = np.array([list(truth.names).index(label) for label in own])
    chosen: np.ndarray = place[told.argmax(1)]
    return chosen


def are_texts(told: np.ndarray) -> bool:
    """Whether answers are texts that were written."""
    return told.dtype.kind == "U"


def of_predictions(ids: Sequence[str], kept: Sequence[Any], labels: int) -> Answers:
    """The answers of one model as predictions.parquet keeps them: the ids of rows, and of each its
    probabilities, one decision after another, or a text where there are no labels."""
    return Answers(ids, [of_row(one, labels) for one in kept])


def of_row(kept: Any, labels: int) -> np.ndarray:
    """Probabilities (decisions, labels), or a text (1,)."""
    return np.asarray(kept, dtype=float).reshape(-1, labels) if labels else np.array([str(kept)])


def truth_of(rows: Sequence[Row], names: Sequence[str]) -> Truth:
    """The right answers from the column `label` of rows.

    The name of one label, or several with spaces between them; where there are no names a text.
    """
    if not names:
        return of_texts(rows)
    number = {name: at for at, name in enumerate(names)}
    labels = [row["label"] for row in rows]
    decided = [[label] if label in number else label.split() for label in labels]
    return Truth(
        np.array([number[one] for each in decided for one in each]),
        [len(each) for each in decided],
        list(names),
        ids_of(rows),
    )
