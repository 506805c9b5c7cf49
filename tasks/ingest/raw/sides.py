"""Which side of a split the name of a file or folder says: train, validation or test."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

EVALUATION = ("eval", "evalset", "evaluate", "evaluation")
"""What some call the validation side, and others the test side."""
WORDS = {
    "train": ("train", "training", "trainset"),
    "validation": (
        "dev", "devset", "development", "val", "valset", "valid", "validate", "validation", "validationset",
        "testa",  # of CoNLL-2003, whose test side is testb
    ),
    "test": ("test", "testing", "testset", "testb", "t10k", "holdout", "heldout", *EVALUATION),
}  # fmt: skip
SIDE_OF = {word: side for side, words in WORDS.items() for word in words}
FIRST = re.compile(rf"((?ai:{'|'.join(sorted(SIDE_OF, key=len, reverse=True))}))(?![^\W\d_])")
BORDERS = re.compile(r"[\W_]+|(?<=[a-z])(?=[A-Z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
"""Between the words of a name: other signs, a capital after a small letter, letters beside digits."""
TWO_WORDS = re.compile(r"(?<![^\W_])(held|hold)[-_ ]out(?![^\W\d_])", re.IGNORECASE)


def side_named(name: str) -> str | None:
    """`data/Train-1.csv` -> train.

    A folder says a side with its first word, a file with any: `emerging.test.annotated`, `wnut17train.conll`.
    A file that says several, and none with its first word, says none.
    """
    word = _word_named(name)
    return SIDE_OF[word] if word else None


def says_evaluation(name: str) -> bool:
    """Whether the name says the side with a word that means either test or validation."""
    return _word_named(name) in EVALUATION


def is_side(folder: str) -> bool:
    """Whether the name of one folder says a side."""
    return bool(_first(folder))


def _word_named(name: str) -> str:
    parts = PurePosixPath(name).parts
    if first := next(filter(None, map(_first, parts)), ""):
        return first
    words = [word for word in BORDERS.split(_joined(parts[-1])) if word.lower() in SIDE_OF] if parts else []
    return words[0].lower() if len({SIDE_OF[word.lower()] for word in words}) == 1 else ""


def _first(part: str) -> str:
    found = FIRST.match(_joined(part))
    return found[1].lower() if found else ""


def _joined(part: str) -> str:
    return TWO_WORDS.sub(lambda found: f"{found[1]}out", part)
