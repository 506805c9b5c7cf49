"""What becomes of values that are no text.

Numbers, dates, lists and objects; and of lists where one value is asked for.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from tasks.core.errors import UnusableRowError
from tasks.ingest.raw.rows import LONGEST_LINE

LIST, OBJECT = "a list", "an object"
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
TRUTH = {"true": 1.0, "false": 0.0}
LIKE_MISSING = {"nan", "none", "null", "nat", "<na>", "na", "n/a", "#n/a", "nil"}
HALVES = re.compile("[\ud800-\udfff]")
SHOWN = 1_000
MISSING = ("NaT", "<NA>")
"""How pandas writes times and values that are not there."""
ONE_WRITTEN = re.compile(r"\[\s*(['\"])((?:(?!\1).)*)\1\s*,?\s*\]")
MANY_WRITTEN = re.compile(r"\[\s*['\"].*['\"]\s*,?\s*\]", re.DOTALL)
"""How Python writes lists of texts, and pandas with it."""


class UnsupportedValue(str):
    """A value that is no plain text.

    Lists and objects are JSON; others cannot be used. `what` says in words what it is.
    """

    what: str

    def __new__(cls, text: str, what: str) -> UnsupportedValue:
        made = super().__new__(cls, text)
        made.what = what
        return made

    @property
    def is_nested(self) -> bool:
        return self.what in (LIST, OBJECT)

    def refused(self, column: str) -> UnusableRowError:
        return UnusableRowError(f"no text: the column `{column}` holds {self.what}")


def text_of(value: Any) -> str | bytes:
    """What a row holds for a value; what is missing (null, NaN) is empty."""
    if isinstance(value, str):
        return (
            value
            if len(value) <= LONGEST_LINE
            else UnsupportedValue(value[:SHOWN], f"a text of more than {LONGEST_LINE:,} characters")
        )
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict | list):
        return _nested(value, LIST if isinstance(value, list) else OBJECT)
    return _plain(value)


def _plain(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() | Decimal():
            return (
                ""
                if math.isnan(value)
                else UnsupportedValue(str(value), "an infinite number")
                if math.isinf(value)
                else str(value)
            )
        case _:
            return "" if str(value) in MISSING else str(value)


def _nested(value: Any, what: str) -> UnsupportedValue:
    try:
        text = json.dumps(value, ensure_ascii=False, default=_inside)
    except (TypeError, ValueError, RecursionError) as error:
        return UnsupportedValue(repr(type(value)), f"{what} that has no form as JSON ({str(error)[:100]})")
    return (
        UnsupportedValue(text, what)
        if len(text) <= LONGEST_LINE
        else UnsupportedValue(text[:SHOWN], f"{what} of more than {LONGEST_LINE:,} characters")
    )


def _inside(value: Any) -> str | None:
    if isinstance(value, bytes):
        raise TypeError("it holds bytes")
    text = text_of(value)
    return str(text) or None


def single(value: str, column: str, is_label: bool) -> str:
    """The one value of a role that takes no list: of a list of one, what is in it; of an empty one, nothing.

    Labels are also taken out of lists that are written as text, as a CSV file has them.

    Raises:
        UnusableRowError: there are several, or it is no text.
    """
    found = _items(value, column, is_label)
    if found is None:
        return value
    texts = [text for one in found if (text := text_of(one))]
    several = list(dict.fromkeys(texts))
    if len(several) > 1:
        shown = ", ".join(str(one)[:40] for one in several[:5])
        raise UnusableRowError(
            f"several labels: {shown}"
            if is_label
            else f"no text: the column `{column}` holds a list of {len(texts)}"
        )
    if several and isinstance(several[0], UnsupportedValue):
        raise several[0].refused(column)
    return str(several[0]) if several else ""


def whole(text: str, counts: Counter[str]) -> str:
    """With a sign in the place of each half of a character, which could not be written.

    Every other sign keeps its place.
    """
    replaced = HALVES.sub("\ufffd", text)
    counts["half characters replaced"] += replaced != text
    return replaced


def numbers_alike(labels: Iterable[str]) -> list[str]:
    """Warnings of labels that are one number written in several ways, as `1`, `1.0` and `true`."""
    written: dict[float, list[str]] = {}
    for label in sorted(labels):
        number = TRUTH.get(label.casefold(), float(label) if NUMBER.fullmatch(label) else None)
        if number is not None:
            written.setdefault(number, []).append(label)
    groups = [", ".join(f"`{one}`" for one in same) for same in written.values() if len(same) > 1]
    return [
        f"the labels {same} are one number, and a class each; write them in one way if they are one class"
        for same in groups
    ]


def like_missing(counts: Mapping[str, int]) -> list[str]:
    """What there is to tell of classes whose names are what programs write for a value that is not there."""
    found = [
        f"`{name}` ({count:,} rows)"
        for name, count in sorted(counts.items())
        if name.casefold() in LIKE_MISSING
    ]
    said = (
        "read like values that are missing, and are a class each; where rows have no label, leave the "
        "label empty"
    )
    return [f"the labels {', '.join(found)} {said}"] if found else []


def _items(value: str, column: str, is_label: bool) -> list[Any] | None:
    """The items of a list; None for what is none."""
    if isinstance(value, UnsupportedValue):
        if value.what != LIST:
            raise value.refused(column)
        return list(json.loads(value))
    return _written(value.strip()) if is_label and value.lstrip().startswith("[") else None


def _written(text: str) -> list[Any] | None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        if one := ONE_WRITTEN.fullmatch(text):
            return [one[2]]
        if MANY_WRITTEN.fullmatch(text):
            raise UnusableRowError(f"several labels: {text[:200]}") from None
        return None
    return found if isinstance(found, list) else None
