"""What a model answered to rows, kept in a file with the ids of the rows.

The only module that knows how answers are stored: as one tensor `logits` of every label, or the likeliest
labels with their log-probabilities. Readers get `Outputs` and pair them with rows by `of` and `first_of`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load_file, save_file

from tasks.core import tables
from tasks.core.errors import DataError
from tasks.kinds.base.answers import Answers, Likeliest
from tasks.kinds.base.rows import Features, Row, check_ids, decisions, ids_of

SEPARATOR = b"\n"
LABELS = "labels.parquet"
LIKELIEST = ("labels", "logs", "right")
"""The tensors of answers that hold the likeliest labels alone."""


@dataclass(frozen=True)
class Outputs:
    """Answers to all m decisions, row after row; the ids (n,) of the rows, and how many decisions each has
    (n,)."""

    ids: Sequence[str]
    decisions: Sequence[int]
    answers: Answers
    source: str = "outputs"
    """What the answers were read from, for messages."""

    @classmethod
    def to(cls, rows: Sequence[Row], features: Sequence[Features], answers: Answers) -> Outputs:
        """Answers to rows, from those to their features."""
        return cls(ids_of(rows), [decisions(one) for one in features], answers)

    @property
    def logits(self) -> np.ndarray:
        """The answers (m, c) where those of all labels are kept."""
        if isinstance(self.answers, Likeliest):
            raise DataError(self.source, "holds the likeliest labels alone")
        return self.answers

    def of(self, rows: Sequence[Row], features: Sequence[Features]) -> Answers:
        """The answers to these rows.

        Raises:
            DataError: the answers are to other rows, in another order, or to other decisions.
        """
        check_ids(self.source, self.ids, ids_of(rows))
        for name, kept, one in zip(self.ids, self.decisions, features, strict=True):
            if kept != decisions(one):
                raise DataError(
                    self.source, f"row `{name}` has {kept} answers, and {decisions(one)} decisions"
                )
        return self.answers

    def first_of(self, rows: Sequence[Row], features: Sequence[Features]) -> Answers:
        """The answers to these rows, which are the first of those answered; raises as `of`."""
        count = len(rows)
        kept = self.decisions[:count]
        return Outputs(self.ids[:count], kept, self.answers[: sum(kept)], self.source).of(rows, features)


def write(outputs: Outputs, file: Path) -> None:
    """Keeps answers, and the ids of the rows they belong to."""
    file.parent.mkdir(exist_ok=True)
    ids = SEPARATOR.join(one.encode() for one in outputs.ids)
    tensors = {
        **_stored(outputs.answers),
        "decisions": np.asarray(outputs.decisions, dtype=np.int32),
        "ids": np.frombuffer(ids, dtype=np.uint8),
    }
    save_file(tensors, file)


def write_labels(rows: Sequence[Row], folder: Path) -> None:
    """Keeps the labels that a model gave to unlabelled rows itself, if it gave some."""
    if rows and all(row.get("label") is not None for row in rows):
        columns = {"id": ids_of(rows), "label": [row["label"] for row in rows]}
        pq.write_table(pa.table(columns), folder / LABELS)


def labelled(rows: Sequence[Row], folder: Path) -> list[Row]:
    """The rows, with the labels that a model gave to them itself, if it gave some.

    Raises:
        DataError: it gave them to other rows.
    """
    if not (folder / LABELS).exists():
        return list(rows)
    kept = tables.read(folder / LABELS)[: len(rows)]
    check_ids(f"{folder.name}/{LABELS}", [one["id"] for one in kept], ids_of(rows))
    return [{**row, "label": one["label"]} for row, one in zip(rows, kept, strict=True)]


def _stored(answers: Answers) -> dict[str, np.ndarray]:
    if isinstance(answers, np.ndarray):
        return {"logits": answers}
    # safetensors writes memory as it lies, whatever the strides.
    return {name: np.ascontiguousarray(getattr(answers, name)) for name in LIKELIEST}


def read(file: Path) -> Outputs:
    """The answers in a file.

    Raises:
        DataError: they come without the ids of their rows.
    """
    source, tensors = f"{file.parent.name}/{file.name}", load_file(file)
    held = LIKELIEST if "labels" in tensors else ("logits",)
    if missing := [name for name in (*held, "decisions", "ids") if name not in tensors]:
        raise DataError(
            source, f"holds no {' and no '.join(missing)}: it is of an older Slipway; make it again"
        )
    text = tensors["ids"].tobytes()
    ids = [one.decode() for one in text.split(SEPARATOR)] if len(tensors["decisions"]) else []
    answers = Likeliest(*map(tensors.__getitem__, held)) if held is LIKELIEST else tensors["logits"]
    return Outputs(ids, tensors["decisions"].tolist(), answers, source)
