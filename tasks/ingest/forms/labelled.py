"""Whether the lines of a text begin with their label: fastText's `__label__x text`, or `DESC:manner text`; or
end with it, as `text@label`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

FASTTEXT = "__label__"
LABELLED = re.compile(
    r"(?P<label>[+-]?[^\W_][\w.+-]{0,39}(?::[\w.+-]{1,40})?)[ \t]+(?P<text>\S.*)", re.DOTALL
)
"""A label, a blank and a text."""
ENDED = re.compile(r"(?P<text>.*\S)[ \t]*@(?P<label>[^\W_][\w-]{0,39})[ \t]*")
"""A text and its label."""
LEVELS = re.compile(r"(?P<coarse>[^\W\d_][^:]*):(?P<fine>[^:]+)")
SAMPLE = 1_000
FEWEST = 10
FEWEST_PLAIN = 20
SOUND = 0.98
LEVELLED = 0.9
REPEATED = 0.95
"""So many lines have a label that occurs in others too."""
OFTEN = 5
"""As often occurs a label that is a number on average, for else it may count the lines."""
SPARSE = re.compile(r"\d+:\S+( |$)")
"""Numbers of features with their values (libsvm), which are no text."""
NUMBER = re.compile(r"[+-]?\d{1,3}")
MOST_NUMBERS = 20


def is_fasttext(lines: Sequence[str]) -> bool:
    """All lines but a few begin with a label of fastText."""
    sample = lines[:SAMPLE]
    marked = sum(line.lstrip().startswith(FASTTEXT) and len(line.split()) > 1 for line in sample)
    return bool(sample) and marked >= SOUND * len(sample)


def has_levels(labels: Sequence[str]) -> bool:
    """Whether labels are written on two levels, as `DESC:manner`."""
    return bool(labels) and sum(LEVELS.fullmatch(label) is not None for label in labels) >= LEVELLED * len(
        labels
    )


def is_ended(lines: Sequence[str]) -> bool:
    """All lines but a few end with one of few labels, each of which occurs again."""
    sample = lines[:SAMPLE]
    counts = Counter(match["label"] for line in sample if (match := ENDED.fullmatch(line)))
    if counts.total() < max(FEWEST_PLAIN, SOUND * len(sample)) or len(counts) < 2:
        return False
    return counts.total() >= OFTEN * len(counts) and min(counts.values()) > 1


def is_labelled(lines: Sequence[str]) -> bool:
    """Nearly all lines begin with one of few labels, each of which occurs again.

    A word alone in front may be the first of a sentence (a list of questions begins with few words): labels
    are numbers, or have two levels.
    """
    sample = lines[:SAMPLE]
    found = [match for line in sample if (match := LABELLED.fullmatch(line))]
    if len(found) < max(FEWEST, SOUND * len(sample)):
        return False
    labels = [match["label"] for match in found]
    levelled = [match["coarse"] for label in labels if (match := LEVELS.fullmatch(label))]
    has_two = len(levelled) >= LEVELLED * len(labels)
    counts = Counter(levelled if has_two else labels)
    repeats = sum(count for count in counts.values() if count > 1) >= REPEATED * counts.total()
    texts = [match["text"] for match in found]
    is_sparse = all(map(SPARSE.match, texts)) or not any(one.isalpha() for text in texts for one in text)
    if len(counts) < 2 or not repeats or is_sparse:
        return False
    is_numbered = len(counts) <= MOST_NUMBERS and all(NUMBER.fullmatch(label) for label in counts)
    return has_two or (is_numbered and len(found) >= max(FEWEST_PLAIN, OFTEN * len(counts)))
