"""Which columns of a table hold a text and its label."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tasks.ingest import joined
from tasks.ingest.joined import Names
from tasks.proposals.proposal import Column, Doubt, Guess, Table, Value

TEXT_NAMES = [
    "text",
    "sentence",
    "utterance",
    "message",
    "content",
    "review",
    "comment",
    "question",
    "query",
    "headline",
    "title",
    "subject",
    "post",
    "tweet",
    "document",
    "description",
    "abstract",
    "body",
    "prompt",
    "input",
    "sms",
    "request",
]
TITLES = ["title", "headline", "subject"]
BODIES = ["text", "message", "content", "review", "comment", "post", "description", "abstract", "body"]
"""What comes with a title: together they are one text."""
LABEL_NAMES = [
    "label",
    "category",
    "class",
    "intent",
    "target",
    "tag",
    "topic",
    "sentiment",
    "desk",
    "genre",
    "team",
    "type",
    "discipline",
    "emotion",
    "rating",
    "stars",
    "labels",
    "coarse",
]
SHORT = 60
"""Words in the mean up to which a text is short; longer columns are further text beside short ones."""
SHORT_TOGETHER = 120
"""Words in the mean up to which a title and what comes with it are read as one text."""
FEWEST_REPEATS = 2.0
"""Rows per value from which on values are classes."""
MOST_LABEL_WORDS = 8.0
MOST_CLASSES = 1_000
MOST_LISTED = 0.2
"""Share of labels that are lists of several: ingest sets such rows aside."""
MOST_NUMBERS = 20
"""Different numbers up to which numbers are taken as classes without a question."""


def named(name: str, known: Sequence[str]) -> int | None:
    """The place of a column's name among known ones; None if it has none of their words."""
    words = re.split(r"[^a-z0-9]+", name.casefold())
    return next((place for place, one in enumerate(known) if one in words), None)


def label_candidates(table: Table) -> list[Column]:
    """Columns whose values could be classes, the likeliest first."""
    found = [
        one
        for one in table.columns.values()
        if one.listed <= MOST_LISTED
        and one.pictures == 0
        and 2 <= one.distinct <= MOST_CLASSES
        and one.repetition >= FEWEST_REPEATS
        and one.words <= MOST_LABEL_WORDS
    ]

    def order(column: Column) -> tuple[float, ...]:
        place = named(column.name, LABEL_NAMES)
        is_filled = column.filled >= 0.5 * column.rows
        return (not is_filled, place is None, place or 0, column.numeric > 0.9, column.words)

    return sorted(found, key=order)


def text_candidates(table: Table, label: str) -> list[Column]:
    """Columns of running text, in the order of the data."""
    return [
        one
        for one in table.columns.values()
        if one.name != label
        and one.listed == 0
        and one.pictures == 0
        and one.numeric < 0.5
        and (one.words >= 2 or _is_unspaced(one))
        and one.repetition < FEWEST_REPEATS
        and not _are_times(one)
    ]


def _is_unspaced(column: Column) -> bool:
    """Text of a script that does not separate words."""
    some = [value for value, _ in column.top[:50]]
    return (
        bool(some) and sum(len(value) for value in some) / len(some) >= 6 and not all(map(str.isascii, some))
    )


def _are_times(column: Column) -> bool:
    some = [value for value, _ in column.top[:50]]
    return bool(some) and all(re.fullmatch(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([T ].*)?", one) for one in some)


def recognise(table: Table) -> Guess | None:
    """One text and one label in a row."""
    doubts: list[Doubt] = []
    labels = label_candidates(table)
    label = table.named("label") or (labels[0].name if labels else None)
    if label is None:
        return None
    if "label" not in table.given:
        doubts += _label_doubts(table.columns[label], labels)
    texts = text_candidates(table, label)
    text = table.given.get("text")
    if text is None:
        choices = _text_choices(texts)
        if not choices:
            return None
        text = choices[0]
        if len(choices) > 1:
            doubts.append(
                Doubt(
                    "text", "which column is the text that the model reads?", [*map(joined.name_of, choices)]
                )
            )
    read = joined.parts(text)
    pools = [one for one in texts if one.name not in read and one.words > SHORT]
    pool = table.named("pool") or (pools[0].name if pools else None)
    columns = {"text": text, "label": label} | ({"pool": pool} if pool else {})
    words = sum(table.columns[one].words for one in read)
    ingest = {
        "near_duplicates": Value(0.8),
        "pool_words": Value(_pool_words(words), f"a text has {words:.0f} words in the mean"),
    }
    why = (
        f"`{joined.name_of(text)}` holds texts ({words:.0f} words in the mean), `{label}` "
        f"{table.columns[label].distinct} classes"
    )
    return Guess(_fit(table, read, label), columns, why, ingest, {"long_texts": "head"}, doubts)


def _text_choices(texts: Sequence[Column]) -> list[Names]:
    """What could be the text, the likeliest first: a title and what comes with it, or one column."""
    whole = [one for one in texts if one.name.casefold() == TEXT_NAMES[0]]
    short = [one for one in texts if one.words <= SHORT]
    single: list[Names] = [one.name for one in sorted(whole or short or texts, key=_text_order)]
    both = None if whole else _title_and_body(texts)
    return [both, *both, *(one for one in single if one not in both)] if both else single


def _title_and_body(texts: Sequence[Column]) -> list[str] | None:
    """Columns that are one text together: by their names or, where they have none, two of which the first is
    the shorter."""
    titles = [one for one in texts if named(one.name, TITLES) is not None]
    bodies = [one for one in texts if named(one.name, BODIES) is not None and one not in titles]
    if len(texts) == 2 and all(one.name.isdecimal() for one in texts):
        titles, bodies = list(texts[:1]), list(texts[1:])
    if len(titles) != 1 or len(bodies) != 1 or titles[0].words > bodies[0].words:
        return None
    together = titles[0].words + bodies[0].words
    return [titles[0].name, bodies[0].name] if together <= SHORT_TOGETHER else None


def _pool_words(words: float) -> int:
    return int(min(200, max(12, round(1.6 * words))))


def _text_order(column: Column) -> tuple[float, ...]:
    place = named(column.name, TEXT_NAMES)
    return (place is None, place or 0, -column.words)


def _label_doubts(label: Column, labels: Sequence[Column]) -> list[Doubt]:
    doubts = []
    alike = [one.name for one in labels if one.filled >= 0.5 * one.rows]
    if len(alike) > 1 and named(label.name, LABEL_NAMES) is None:
        doubts.append(Doubt("label", "which column is the label that the model answers?", alike))
    elif label.numeric > 0.9 and label.distinct > MOST_NUMBERS:
        doubts.append(
            Doubt(
                "label",
                f"the {label.distinct} labels of `{label.name}` are numbers; are they classes, not amounts?",
                [label.name],
            )
        )
    return doubts


def _fit(table: Table, read: Sequence[str], label: str) -> float:
    classes = table.columns[label]
    filled = min(max(table.columns[one].filled for one in read), classes.filled) / max(table.rows, 1)
    return 0.8 * filled if classes.repetition >= FEWEST_REPEATS else 0.4 * filled
