"""The baseline of pictures: a linear model of mean colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tasks.kinds.base.kind import Baseline, Row
from tasks.kinds.image.common import images, pixels

CELLS = 16
"""Per side: the linear baseline sees mean colours of so many by so many parts of a picture."""


def baseline(rows: Sequence[Row], labels: Sequence[str], seed: int) -> Baseline:
    """Mean colours of 16 by 16 parts of the picture into a logistic regression."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    index = {label: number for number, label in enumerate(labels)}
    scaler = StandardScaler()
    model = make_pipeline(
        scaler, LogisticRegression(C=0.01, max_iter=1000, class_weight="balanced", random_state=seed)
    )
    model.fit(_mean_colours(rows), [index[row["label"]] for row in rows])

    def probabilities(rows: Sequence[Row]) -> np.ndarray:
        result = np.zeros((len(rows), len(labels)))
        result[:, model.classes_] = model.predict_proba(_mean_colours(rows))
        return result

    weights = (model[-1].coef_, model[-1].intercept_, scaler.mean_, scaler.scale_)
    return Baseline(probabilities, sum(each.size for each in weights), sum(each.nbytes for each in weights))


def _mean_colours(rows: Sequence[Row]) -> np.ndarray:
    return (
        np.stack([pixels.square(images.opened(row["image"]), CELLS, pixels.MEAN).ravel() for row in rows])
        / 255
    )
