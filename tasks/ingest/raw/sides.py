"""Which side of a split the name of a file or folder says: train, validation or test."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

GIVEN = {
    "train": re.compile(r"train(ing)?(?![a-z])", re.IGNORECASE),
    "validation": re.compile(r"(dev(elopment)?|val(id(ation|ate)?)?)(?![a-z])", re.IGNORECASE),
    "test": re.compile(r"(test(ing)?|t10k)(?![a-z])", re.IGNORECASE),
}


def side_named(name: str) -> str | None:
    """`data/Train-1.csv` -> train."""
    for part in PurePosixPath(name).parts:
        for side, pattern in GIVEN.items():
            if pattern.match(part):
                return side
    return None
