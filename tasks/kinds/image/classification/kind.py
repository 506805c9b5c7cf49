"""One picture in, one label out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tasks.kinds.base import single_label
from tasks.kinds.base.data import Role
from tasks.kinds.base.kind import Kind, Report
from tasks.kinds.image.classification import colours
from tasks.kinds.image.common import parts


def auto_model() -> Any:
    """The auto class of a classifier of pictures."""
    from transformers import AutoModelForImageClassification

    return AutoModelForImageClassification


def answer_line(file: str, probabilities: np.ndarray, labels: Sequence[str], facts: Mapping[str, Any]) -> str:
    """Label, probability and file, separated by tabs."""
    label, sure = single_label.best(probabilities, labels)
    return f"{label}\t{sure:.3f}\t{file}"


KIND = Kind(
    task="image_classification",
    options=parts.PictureOptions,
    data=parts.data(roles={"label": Role("what it shows")}, labels=single_label.LABELS),
    model=parts.model(auto_model=auto_model, loss=single_label.loss),
    quality=single_label.quality(colours.baseline),
    package=parts.package(answer_line, single_label.answer),
    report=Report(mistake=single_label.mistake, shown=parts.picture),
)
