"""What shippable folders answer to rows, in one numbering of labels, whatever labels each of them knows.

Opened as their users open them, with ONNX Runtime and without torch.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.benchmark.ground_truth import Truth
from tasks.export import package
from tasks.kinds.base.kind import Kind, Row, load_kind


@dataclass(frozen=True)
class Shipped:
    """A model as it ships. `labels` are its own, in the order of its numbers."""

    folder: Path
    kind_name: str
    labels: Sequence[str]

    @property
    def kind(self) -> Kind:
        return load_kind(self.kind_name)

    def ask(self, rows: Sequence[Row]) -> list[np.ndarray]:
        """Probabilities (decisions, labels) for each row."""
        graph, request = (
            package.session(self.folder / package.GRAPH, threads=1),
            self.kind.request(self.folder),
        )
        return [package.softmax(package.logits(graph, request, self.kind.raw_input(row))) for row in rows]


def shipped(folder: Path, kind: str) -> Shipped:
    """Raises:
    FileNotFoundError: there is no such folder.
    """
    labels = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    return Shipped(folder, kind, labels)


def names_of(models: Sequence[Shipped], rows: Sequence[Row]) -> list[str]:
    """All labels that the models know or the rows have, in the kind's order."""
    kind = models[0].kind
    return kind.label_names(
        [*(row["label"] for row in rows), *(label for model in models for label in model.labels)]
    )


def numbered(probabilities: Sequence[np.ndarray], own: Sequence[str], names: Sequence[str]) -> np.ndarray:
    """The likeliest label of each decision (m,), as its number among `names`."""
    place = np.array([list(names).index(label) for label in own])
    chosen: np.ndarray = place[np.concatenate(probabilities).argmax(1)]
    return chosen


def likeliest(kept: Sequence[Sequence[float]], labels: int) -> np.ndarray:
    """The likeliest label of each decision (m,), from each row's probabilities as predictions.parquet keeps
    them, one after another.
    """
    chosen: np.ndarray = np.concatenate([np.asarray(row) for row in kept]).reshape(-1, labels).argmax(1)
    return chosen


def truth_of(labels: Sequence[str], names: Sequence[str]) -> Truth:
    """The right answers from the `label` columns of rows.

    The name of one label, or several with spaces between them.
    """
    number = {name: at for at, name in enumerate(names)}
    decided = [[label] if label in number else label.split() for label in labels]
    return Truth(
        np.array([number[one] for each in decided for one in each]),
        [len(each) for each in decided],
        list(names),
    )
