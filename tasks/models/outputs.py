"""What a model answered to rows, kept in a file with the ids of the rows.

The only module that knows how answers are stored. Today they are whole: logits of every label. Another form,
such as the k largest and the mass of the rest, is other tensors beside `ids` and `decisions`; readers get
`Outputs` and pair them with rows by `of` and `first_of` alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from tasks.core.errors import DataError
from tasks.kinds.base.rows import Features, Row, check_ids, decisions, ids_of

SEPARATOR = b"\n"


@dataclass(frozen=True)
class Outputs:
    """Logits (m, c) of all decisions as float32, row after row; the ids (n,) of the rows, and how many
    decisions each has (n,)."""

    ids: Sequence[str]
    decisions: Sequence[int]
    logits: np.ndarray
    source: str = "outputs"
    """What the answers were read from, for messages."""

    @classmethod
    def to(cls, rows: Sequence[Row], features: Sequence[Features], logits: np.ndarray) -> Outputs:
        """Answers to rows, from the logits (m, c) of their features."""
        return cls(ids_of(rows), [decisions(one) for one in features], logits)

    def of(self, rows: Sequence[Row], features: Sequence[Features]) -> np.ndarray:
        """Logits (m, c) for these rows.

        Raises:
            DataError: the answers are to other rows, in another order, or to other decisions.
        """
        check_ids(self.source, self.ids, ids_of(rows))
        for name, kept, one in zip(self.ids, self.decisions, features, strict=True):
            if kept != decisions(one):
                raise DataError(
                    self.source, f"row `{name}` has {kept} answers, and {decisions(one)} decisions"
                )
        return self.logits

    def first_of(self, rows: Sequence[Row], features: Sequence[Features]) -> np.ndarray:
        """Logits (m, c) for these rows, which are the first of those answered; raises as `of`."""
        count = len(rows)
        kept = self.decisions[:count]
        return Outputs(self.ids[:count], kept, self.logits[: sum(kept)], self.source).of(rows, features)


def write(outputs: Outputs, file: Path) -> None:
    """Keeps answers, and the ids of the rows they belong to."""
    file.parent.mkdir(exist_ok=True)
    ids = SEPARATOR.join(one.encode() for one in outputs.ids)
    tensors = {
        "logits": outputs.logits,
        "decisions": np.asarray(outputs.decisions, dtype=np.int32),
        "ids": np.frombuffer(ids, dtype=np.uint8),
    }
    save_file(tensors, file)


def read(file: Path) -> Outputs:
    """The answers in a file.

    Raises:
        DataError: they come without the ids of their rows.
    """
    source, tensors = f"{file.parent.name}/{file.name}", load_file(file)
    if missing := [name for name in ("logits", "decisions", "ids") if name not in tensors]:
        raise DataError(
            source, f"holds no {' and no '.join(missing)}: it is of an older Slipway; make it again"
        )
    text = tensors["ids"].tobytes()
    ids = [one.decode() for one in text.split(SEPARATOR)] if len(tensors["decisions"]) else []
    return Outputs(ids, tensors["decisions"].tolist(), tensors["logits"], source)
