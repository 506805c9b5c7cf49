"""Tags of words: schemes, character spans, entities, and what a word looks like."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from tasks.kinds.base import UnusableRowError

if TYPE_CHECKING:
    import numpy as np

OUTSIDE = "O"
SIGNS = {"bio": "BI", "iob1": "BI", "bioes": "BIES"}
WORD = re.compile(r"\w+|[^\w\s]")
Entity = tuple[str, int, int]


def listed(value: str) -> list[str]:
    """`["a", "b"]` or `a b` as a list. Words lose white space in them. A sentence of CoNLL may begin with a bracket too."""
    if not value.startswith("["):
        return value.split()
    try:
        found = json.loads(value)
    except ValueError:
        return value.split()
    is_list = isinstance(found, list) and all(isinstance(one, str) for one in found)
    return ["_".join(one.split()) or "_" for one in found] if is_list else value.split()


def to_bio(tags: Sequence[str], scheme: str, broken: str, mended: Counter[str]) -> list[str]:
    """Tags of a sentence in BIO.

    A tag that goes on with an entity which was never begun begins one (`repair`), or the row cannot be used (`reject`).
    """
    result: list[str] = []
    faults = 0
    sign_before, type_before = OUTSIDE, ""
    for tag in tags:
        sign, _, name = tag.partition("-")
        if tag != OUTSIDE and (not name or sign not in SIGNS[scheme]):
            raise UnusableRowError(
                f"unknown tag: {tag!r}; in the scheme {scheme} it is O, or one of {', '.join(SIGNS[scheme])}, - and a type"
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


def from_spans(text: str, spans: str, inclusive: bool) -> tuple[list[str], list[str]]:
    """Words of a running text, and the tags that character spans give them."""
    found = sorted(_span(one, inclusive) for one in _json_list(spans))
    words = [(match.group(), match.start(), match.end()) for match in WORD.finditer(text)]
    tags = [OUTSIDE] * len(words)
    covered = 0
    for start, end, name in found:
        inside = [number for number, (_, begin, stop) in enumerate(words) if begin < end and stop > start]
        if not 0 <= start < end <= len(text) or not inside:
            raise UnusableRowError(f"span {start}-{end} holds no word of the text, which has {len(text)} signs")
        if start < covered:
            raise UnusableRowError(f"spans overlap at {start}")
        covered = end
        for number in inside:
            tags[number] = f"{'B' if number == inside[0] else 'I'}-{name}"
    return [word for word, _, _ in words], tags


def _json_list(spans: str) -> list[Any]:
    try:
        found = json.loads(spans or "[]")
    except ValueError:
        found = None
    if not isinstance(found, list):
        raise UnusableRowError("spans are no list")
    return found


def _span(one: Any, inclusive: bool) -> tuple[int, int, str]:
    values = [one.get(key) for key in ("start", "end", "label")] if isinstance(one, dict) else one
    start, end, name = values if isinstance(values, list) and len(values) == 3 else (None, None, None)
    if not isinstance(start, int) or not isinstance(end, int) or not isinstance(name, str) or not name or set(name) & set(" \t\n"):
        raise UnusableRowError("a span is no [start, end, label] with whole numbers and a type of one word")
    return start, end + inclusive, name


def cut(words: Sequence[str], tags: Sequence[str], longest: int) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
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
    """(type, first word, word after the last) of each entity. Strict: an I- that follows no B- or I- of its type is none."""
    name, start = "", 0
    for at, tag in enumerate([*tags, OUTSIDE]):
        if name and tag != f"I-{name}":
            yield name, start, at
            name = ""
        if tag.startswith("B-"):
            name, start = tag[2:], at


def marked(text: str, probabilities: np.ndarray, labels: Sequence[str], form: str) -> str:
    """The text with the entities of probabilities (words, c), each in the `form`, which may name `words`, `name` and `sure`."""
    words, sure = text.split(), probabilities.max(1)
    for name, start, end in sorted(entities([labels[tag] for tag in probabilities.argmax(1)]), key=lambda one: -one[1]):
        words[start:end] = [form.format(words=" ".join(words[start:end]), name=name, sure=sure[start:end].min())]
    return " ".join(words)


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
