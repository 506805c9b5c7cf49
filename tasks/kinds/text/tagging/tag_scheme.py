"""Tags of words: schemes, entities, and what a word looks like."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from tasks.core.errors import UnusableRowError
from tasks.kinds.base.kind import Baseline, Row
from tasks.kinds.text.common.words import Word
from tasks.kinds.text.tagging.spans import OUTSIDE

SIGNS = {"bio": "BI", "iob1": "BI", "bioes": "BIES"}
Entity = tuple[str, int, int]


def listed(value: str) -> list[str]:
    """`["a", "b"]` or `a b` as a list.

    Words lose white space in them. A sentence of CoNLL may begin with a bracket too.
    """
    if not value.startswith("["):
        return value.split()
    try:
        found = json.loads(value)
    except (ValueError, RecursionError):
        return value.split()
    is_list = isinstance(found, list) and all(isinstance(one, str) for one in found)
    return ["_".join(one.split()) or "_" for one in found] if is_list else value.split()


def to_bio(tags: Sequence[str], scheme: str, broken: str, mended: Counter[str]) -> list[str]:
    """Tags of a sentence in BIO.

    A tag that goes on with an entity which was never begun begins one (`repair`), or the row cannot be used
    (`reject`).
    """
    result: list[str] = []
    faults = 0
    sign_before, type_before = OUTSIDE, ""
    for tag in tags:
        sign, _, name = tag.partition("-")
        if tag != OUTSIDE and (not name or sign not in SIGNS[scheme]):
            raise UnusableRowError(
                f"unknown tag: {tag!r}; in the scheme {scheme} it is O, or one of "
                f"{', '.join(SIGNS[scheme])}, - and a type"
            )
        goes_on = sign in "IE" and name == type_before and sign_before in "BI"
        faults += _is_fault(scheme, sign, goes_on, sign_before)
        result.append(OUTSIDE if tag == OUTSIDE else f"{'I' if goes_on else 'B'}-{name}")
        sign_before, type_before = sign, name
    faults += scheme == "bioes" and sign_before in "BI"
    if faults and broken == "reject":
        raise UnusableRowError(f"broken tags: {faults} of them do not follow the scheme {scheme}")
    mended["broken tag sequences repaired"] += faults > 0
    return result


def _is_fault(scheme: str, sign: str, goes_on: bool, sign_before: str) -> bool:
    if scheme == "iob1":  # there I may begin an entity, and B stands only between two of one type
        return False
    begun_not_ended = scheme == "bioes" and sign_before in "BI" and not goes_on
    return (sign in "IE" and not goes_on) or begun_not_ended


def cut(
    words: Sequence[str], tags: Sequence[str], longest: int
) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """Parts of at most so many words, none of which ends inside an entity (unless one entity is longer)."""
    start = 0
    while len(words) - start > longest:
        ends = [at for at in range(start + longest, start, -1) if not tags[at].startswith("I-")]
        end = ends[0] if ends else start + longest
        yield words[start:end], tags[start:end]
        start = end
    yield words[start:], tags[start:]


def first_pieces(word_of: Sequence[int | None], words: int) -> list[int]:
    """The position of each word's first piece, 0 if it has none."""
    where = [0] * words
    for position in reversed(range(len(word_of))):
        word = word_of[position]
        if word is not None:
            where[word] = position
    return where


def entities(tags: Sequence[str]) -> Iterator[Entity]:
    """(type, first word, word after the last) of each entity.

    Strict: an I- that follows no B- or I- of its type is none.
    """
    name, start = "", 0
    for at, tag in enumerate([*tags, OUTSIDE]):
        if name and tag != f"I-{name}":
            yield name, start, at
            name = ""
        if tag.startswith("B-"):
            name, start = tag[2:], at


def marked(
    text: str, words: Sequence[Word], probabilities: np.ndarray, labels: Sequence[str], form: str
) -> str:
    """The text with the entities of probabilities (words, c), each in the `form`, which may name `words`,
    `name` and `sure`.
    """
    sure = probabilities.max(1)
    for name, first, end in sorted(
        entities([labels[tag] for tag in probabilities.argmax(1)]), key=lambda one: -one[1]
    ):
        begin, stop = words[first][1], words[end - 1][2]
        text = (
            text[:begin]
            + form.format(words=text[begin:stop], name=name, sure=sure[first:end].min())
            + text[stop:]
        )
    return " ".join(text.split())


def located(
    text: str, words: Sequence[Word], probabilities: np.ndarray, labels: Sequence[str]
) -> list[dict[str, Any]]:
    """The entities of probabilities (words, c) by their first character.

    The probability of an entity is that of its least sure word.
    """
    sure = probabilities.max(1)
    found = sorted(entities([labels[tag] for tag in probabilities.argmax(1)]), key=lambda one: one[1])
    return [
        {
            "start": (begin := words[first][1]),
            "end": (stop := words[end - 1][2]),
            "type": name,
            "text": text[begin:stop],
            "probability": round(float(sure[first:end].min()), 6),
        }
        for name, first, end in found
    ]


def baseline(rows: Sequence[Row], labels: Sequence[str], seed: int) -> Baseline:
    """What a word and its neighbours look like, into a logistic regression."""
    from sklearn.feature_extraction import DictVectorizer
    from sklearn.linear_model import LogisticRegression

    index = {label: number for number, label in enumerate(labels)}
    vectorizer = DictVectorizer()
    seen = vectorizer.fit_transform(features_of_words(row["text"].split() for row in rows))
    model = LogisticRegression(C=2.0, max_iter=200, random_state=seed)
    model.fit(seen, [index[tag] for row in rows for tag in row["label"].split()])

    def probabilities(rows: Sequence[Row]) -> np.ndarray:
        result = np.zeros((sum(len(row["text"].split()) for row in rows), len(labels)))
        result[:, model.classes_] = model.predict_proba(
            vectorizer.transform(features_of_words(row["text"].split() for row in rows))
        )
        return result

    terms = sum(len(name.encode()) for name in vectorizer.feature_names_)
    return Baseline(
        probabilities,
        model.coef_.size + model.intercept_.size,
        terms + model.coef_.nbytes + model.intercept_.nbytes,
    )


def features_of_words(sentences: Iterable[Sequence[str]]) -> list[dict[str, Any]]:
    """What each word of each sentence and its neighbours look like, for a linear model."""
    framed = (["", *words, ""] for words in sentences)
    return [_features(*words[at - 1 : at + 2]) for words in framed for at in range(1, len(words) - 1)]


def _features(before: str, word: str, after: str) -> dict[str, Any]:
    lower, shape = word.casefold(), re.sub(r"\d", "0", re.sub(r"[a-z]", "x", re.sub(r"[A-Z]", "X", word)))
    return {
        "word": lower,
        "shape": re.sub(r"(.)\1+", r"\1+", shape),
        "prefix": lower[:3],
        "suffix": lower[-3:],
        "before": before.casefold(),
        "after": after.casefold(),
        "before title": before.istitle(),
        "after title": after.istitle(),
        "title": word.istitle(),
        "upper": word.isupper(),
        "first": not before,
    }
