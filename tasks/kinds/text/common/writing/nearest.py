"""An answer without a model: what answers the training row that is asked the most alike."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.kinds.base.rows import Row
from tasks.kinds.text.common import texts
from tasks.kinds.text.common.writing import quality
from tasks.kinds.text.common.writing.baseline import Asked, as_it_is


def answers(known: Sequence[Row], rows: Sequence[Row], asked: Asked = as_it_is) -> list[str]:
    """The completion of the training row whose prompt is nearest, by the cosine of TF-IDF of words; of
    several the first one's.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.metrics import pairwise_distances_argmin

    vectorizer = TfidfVectorizer(analyzer=_words, sublinear_tf=True)
    learnt = vectorizer.fit_transform([asked(row["text"]) for row in known])
    wanted = vectorizer.transform([asked(row["text"]) for row in rows])
    return [
        str(known[place]["label"]) for place in pairwise_distances_argmin(wanted, learnt, metric="cosine")
    ]


def _words(text: str) -> list[str]:
    """None at all is a word, too: there may be no other in the prompts of a run."""
    return texts.WORD.findall(quality.normal(text)) or [""]
