"""How much each class counts in the loss, so that rare ones are learnt too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from tasks.core import escape
from tasks.kinds.base.kind import IGNORED, Features


def balanced(features: Iterable[Features], classes: int) -> list[float]:
    """For each of `classes` labels its weight (c,): the mean number of decisions of a label over its own.

    So all labels together count alike, as scikit-learn's `balanced` has it. One that no row has counts once.
    """
    found = [np.asarray(one["labels"]) for one in features if "labels" in one]
    labels = np.concatenate(found) if found else np.zeros(0, dtype=int)
    counts = np.bincount(labels[labels != IGNORED], minlength=classes)
    occurs = counts > 0
    weights = np.ones(classes)
    weights[occurs] = counts[occurs].sum() / (occurs.sum() * counts[occurs])
    result: list[float] = weights.tolist()
    return result


def told(weights: Sequence[float], labels: Sequence[str]) -> str:
    """The least and the greatest weight, in a line."""
    least, greatest = int(np.argmin(weights)), int(np.argmax(weights))
    return (
        f"class weights from {weights[least]:.3g} ({escape.line(labels[least])}) to {weights[greatest]:.3g} "
        f"({escape.line(labels[greatest])})"
    )


def figures(weights: Sequence[float]) -> dict[str, Any]:
    """What the stage's metrics hold of them."""
    return {"least": round(min(weights), 6), "greatest": round(max(weights), 6)}
