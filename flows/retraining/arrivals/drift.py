"""How what arrives differs from what was trained on: labels, lengths, content, and how often the champion is
surprised.

Each shift has a test, which says whether it is more than chance, and an effect size, which says whether it
matters; it counts against a drop only if both do. Content is compared by a classifier two-sample test
(Lopez-Paz and Oquab, Revisiting Classifier Two-Sample Tests, 2017): a linear model that cannot tell new rows
from old ones has an area under the ROC curve of 0.5.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from flows.retraining.policy import Policy
from tasks.kinds.base.kind import Kind, Row

SIGNIFICANT = 0.01
FEWEST = 20
"""Rows below which nothing is tested."""
MOST_OLD = 2000
FOLDS = 5


@dataclass(frozen=True)
class Shift:
    """`effect` is of the size that `measure` names; `p` of the test that `test` names."""

    of: str
    test: str
    p: float
    measure: str
    effect: float
    bound: float

    @property
    def exceeds(self) -> bool:
        return self.p < SIGNIFICANT and self.effect > self.bound

    def told(self) -> str:
        return f"{self.of}: {self.measure} {self.effect:.2f} (p = {self.p:.2g}; bound {self.bound:g})"

    def as_json(self) -> dict[str, Any]:
        return {
            **{
                key: round(value, 6) if isinstance(value, float) else value
                for key, value in asdict(self).items()
            },
            "exceeds": self.exceeds,
        }


def shifts(kind: Kind, new: Sequence[Row], old: Sequence[Row], policy: Policy) -> list[Shift]:
    """New rows against the training rows; none if there are too few to say anything."""
    if len(new) < FEWEST or len(old) < FEWEST:
        return []
    chosen = np.random.default_rng(0).permutation(len(old))[:MOST_OLD]
    sample = [old[at] for at in chosen]
    return [
        _labels(kind, new, old, policy.max_label_shift),
        _lengths(kind, new, old, policy.max_length_shift),
        _content(kind, new, sample, policy.max_content_shift),
    ]


def surprise(missed: np.ndarray, usually_missed: np.ndarray, bound: float) -> Shift:
    """The champion's wrong answers (booleans) on the new rows' decisions against those on the frozen test
    rows: wrong labels, another task, or a world that has changed."""
    from scipy.stats import fisher_exact

    table = [[int(part.sum()), int((~part).sum())] for part in (missed, usually_missed)]
    p = float(fisher_exact(table, alternative="greater").pvalue)
    return Shift(
        "surprise",
        "Fisher's exact test",
        p,
        "share missed more than usual",
        float(missed.mean() - usually_missed.mean()),
        bound,
    )


def _labels(kind: Kind, new: Sequence[Row], old: Sequence[Row], bound: float) -> Shift:
    from scipy.stats import chi2_contingency

    counts = [
        Counter(name for row in rows for name in kind.data.labels.classes(row["label"]))
        for rows in (new, old)
    ]
    names = sorted(counts[1])  # classes that are new are let in or refused by another rule
    table = np.array([[count[name] for name in names] for count in counts])
    if len(names) < 2 or not table.sum(1).all():
        return Shift("labels", "chi-squared test", 1.0, "Cramér's V", 0.0, bound)
    found = chi2_contingency(table, correction=False)
    # Of two samples the usual V depends on how much larger one of them is; this is that of samples of equal
    # size.
    shares = table / table.sum(1, keepdims=True)
    middle = shares.mean(0)
    effect = float(np.sqrt(((shares - middle) ** 2 / middle).sum() / 2))
    return Shift("labels", "chi-squared test", float(found.pvalue), "Cramér's V", effect, bound)


def _lengths(kind: Kind, new: Sequence[Row], old: Sequence[Row], bound: float) -> Shift:
    from scipy.stats import ks_2samp

    found = ks_2samp([kind.data.extent.of(row) for row in new], [kind.data.extent.of(row) for row in old])
    return Shift(
        "lengths", "Kolmogorov-Smirnov test", float(found.pvalue), "distance", float(found.statistic), bound
    )


def _content(kind: Kind, new: Sequence[Row], old: Sequence[Row], bound: float) -> Shift:
    from scipy.stats import mannwhitneyu
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    features = _features([_seen(kind, row) for row in (*new, *old)])
    is_new = np.array([1] * len(new) + [0] * len(old))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    model = LogisticRegression(class_weight="balanced", max_iter=1000, random_state=0)
    scores = cross_val_predict(model, features, is_new, cv=folds, method="decision_function")
    found = mannwhitneyu(scores[is_new == 1], scores[is_new == 0], alternative="greater")
    area = float(found.statistic) / (len(new) * len(old))
    return Shift(
        "content", "classifier two-sample test", float(found.pvalue), "area under the ROC curve", area, bound
    )


def _seen(kind: Kind, row: Row) -> str | np.ndarray:
    """What the model sees, as a text or a thumbnail."""
    alike = kind.data.alike(row)
    return kind.data.content(row) if isinstance(alike, str) else alike.ravel()


def _features(seen: Sequence[str | np.ndarray]) -> Any:
    if not isinstance(seen[0], str):
        pixels = np.stack([np.asarray(one) for one in seen])
        return (pixels - pixels.mean(0)) / (pixels.std(0) + 1e-6)
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        analyzer="char_wb", ngram_range=(1, 4), sublinear_tf=True, max_features=50_000
    ).fit_transform(seen)
