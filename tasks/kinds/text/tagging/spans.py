"""Character spans of entities in a running text: what their offsets count, and the words they cover."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any, TypeGuard

from tasks.core.errors import DataError, UnusableRowError
from tasks.kinds.text.common import texts
from tasks.kinds.text.common.words import Word, composed, cut

OUTSIDE = "O"
UNITS: dict[str, Callable[[str], int]] = {
    "code_points": len,
    "utf16": lambda sign: 1 + (ord(sign) > 0xFFFF),
    "bytes": lambda sign: len(sign.encode("utf-8", "surrogatepass")),
}
"""How many units of an offset a sign of the text takes."""
WIDENED = "spans that cut into a word widened to it"
TRIMMED = "spans with white space at an end trimmed"
CUT_FURTHER = "words cut further, as running text is (options.words)"
INVISIBLE = "words without any visible sign left out"
MOST_LEFT = 0.5
"""Another reading of the offsets is the right one if at most this share of the ends that are amiss is amiss
in it."""
COMPARED = 500
"""Rows of each sort, fitting and not, on which readings are compared."""
Span = tuple[int, int, str]
Convert = Callable[[str, int, int], tuple[int, int]]


@dataclass(frozen=True)
class Reading:
    """One way to read offsets.

    `convert` takes (text, start, end) to code points; -1 is a place where no sign of the text begins.
    """

    words: str
    convert: Convert
    advice: str


def reading(offsets: str, span_end: str) -> Reading:
    """The way that the options name."""

    @lru_cache(maxsize=1)
    def places(text: str) -> dict[int, int]:
        return {place: at for at, place in enumerate([0, *accumulate(map(UNITS[offsets], text))])}

    def convert(text: str, start: int, end: int) -> tuple[int, int]:
        ends = end + (span_end == "inclusive")
        return places(text).get(start, -1), places(text).get(ends, -1)

    return Reading(
        f"{offsets}, {span_end} ends",
        convert,
        f"set options.offsets to {offsets} and options.span_end to {span_end}",
    )


def _others(offsets: str, span_end: str) -> Iterator[Reading]:
    """The ways that options can name, then what tools are known to get wrong, which the data have to be
    mended for.
    """
    yield from (
        reading(unit, end)
        for unit in UNITS
        for end in ("exclusive", "inclusive")
        if (unit, end) != (offsets, span_end)
    )
    stated = reading(offsets, span_end).convert
    yield Reading(
        "counted from 1",
        lambda text, start, end: stated(text, start - 1, end - 1),
        "subtract 1 from every start and end in the data",
    )
    for words, change in (
        ("a line end of two signs (CRLF) counted as one", lambda text: text.replace("\r\n", "\n")),
        ("counted in the text without what it begins with", lambda text: text.lstrip("\ufeff \t\r\n\u00a0")),
        ("counted in the composed text (NFC)", lambda text: unicodedata.normalize("NFC", text)),
        ("counted in the decomposed text (NFD)", lambda text: unicodedata.normalize("NFD", text)),
    ):
        yield Reading(
            words, _in_changed(stated, change), "put the very text that was annotated into the data"
        )


def _in_changed(stated: Convert, change: Callable[[str], str]) -> Convert:
    """Offsets in the changed text, taken to the text.

    The place before which it changes to the same beginning.
    """

    @lru_cache(maxsize=1)
    def places(text: str) -> tuple[str, dict[int, int]]:
        return change(text), {len(change(text[:at])): at for at in range(len(text) + 1)}

    def convert(text: str, start: int, end: int) -> tuple[int, int]:
        changed, found = places(text)
        first, last = stated(changed, start, end)
        return found.get(first, -1), found.get(last, -1)

    return convert


def best_reading(rows: Iterable[Mapping[str, Any]], pattern: str) -> tuple[str, str]:
    """The unit and the sort of ends by which most spans begin and end with words.

    Args:
        rows: with `text` and `spans`, as the data hold them.
    """
    seen = [one for row in rows if (one := _edges(row, pattern)) is not None][:COMPARED]
    ways = [(unit, end) for unit in UNITS for end in ("exclusive", "inclusive")]
    return min(ways, key=lambda way: _amiss(seen, reading(*way)).total())


def check(rows: Iterable[Mapping[str, Any]], options: Any, pattern: str) -> list[str]:
    """What there is to tell of spans that do not begin and end with words.

    Args:
        rows: with `text` and `spans`, as the data hold them.
        options: with `offsets` and `span_end`.

    Raises:
        DataError: the offsets fit the words far better when they are read in another way.
    """
    seen = [one for row in rows if (one := _edges(row, pattern)) is not None]
    stated = reading(options.offsets, options.span_end)
    amiss, ends = _amiss(seen, stated), 2 * sum(len(spans) for *_, spans in seen)
    if not amiss:
        return []
    found = f"{amiss.total():,} of {ends:,} starts and ends of spans are not at the edge of a word"
    fitting, odd = (
        [one for one in seen if bool(_amiss([one], stated)) is wrong][:COMPARED] for wrong in (False, True)
    )
    best = min(
        _others(options.offsets, options.span_end), key=lambda other: _amiss([*fitting, *odd], other).total()
    )
    left, here = _amiss([*fitting, *odd], best), _amiss(odd, stated)
    if _fits_far_better(left, here):
        compared = (
            f"of those of {len(fitting) + len(odd):,} rows {here.total():,} are so, and "
            f"{left.total():,} if they are read as {best.words}"
        )
        raise DataError(
            "ingest.spans", f"{found}, read as params say ({stated.words}); {compared}: {best.advice}"
        )
    return [f"{found}; such a span covers every word that it touches"]


def _edges(row: Mapping[str, Any], pattern: str) -> tuple[str, set[int], set[int], list[Span]] | None:
    """A text, where its words begin and end, and its spans; None if the row is set aside anyway."""
    text, spans = row.get("text"), row.get("spans")
    if not isinstance(text, str) or not isinstance(spans, str):
        return None
    try:
        found, words = spans_of(spans), words_of(text, pattern)
    except UnusableRowError:
        return None
    return (text, {start for _, start, _ in words}, {end for _, _, end in words}, found) if found else None


def _amiss(seen: Iterable[tuple[str, set[int], set[int], list[Span]]], way: Reading) -> Counter[str]:
    """How many starts and ends of spans are not those of words; true if any."""
    count: Counter[str] = Counter()
    for text, starts, ends, spans in seen:
        for first, last, _ in spans:
            start, end = way.convert(text, first, last)
            count.update(
                [*(["starts"] if start not in starts else []), *(["ends"] if end not in ends else [])]
            )
    return count


def _fits_far_better(left: Counter[str], here: Counter[str]) -> bool:
    """In all, or at one side of spans and no worse at the other.

    Where suffixes stick to names, as in Korean, no end is a word's.
    """
    if left.total() <= MOST_LEFT * here.total():
        return True
    return left <= here and any(left[side] <= MOST_LEFT * here[side] < here[side] for side in here)


def words_of(text: str, pattern: str) -> list[Word]:
    return cut(texts.whole(text), pattern)


def tagged(
    text: str, spans: str, options: Any, pattern: str, mended: Counter[str]
) -> tuple[list[str], list[str]]:
    """Words of a running text in composed form (NFC), and the tags in BIO that its spans give them.

    Raises:
        UnusableRowError: a span is none, holds no word, or overlaps with another.
    """
    words = words_of(text, pattern)
    tags = [OUTSIDE] * len(words)
    convert = reading(options.offsets, options.span_end).convert
    covered = 0
    for first, last, name in sorted(spans_of(spans)):
        start, end = convert(text, first, last)
        inside = [number for number, (_, begin, stop) in enumerate(words) if begin < end and stop > start]
        if not 0 <= start < end or not inside:
            raise UnusableRowError(
                f"span {first}-{last} holds no word of the text, which has {len(text)} signs "
                f"({options.offsets})"
            )
        if inside[0] < covered:
            raise UnusableRowError(f"spans overlap at {first}")
        covered = inside[-1] + 1
        mended[WIDENED] += words[inside[0]][1] < start or words[inside[-1]][2] > end
        mended[TRIMMED] += words[inside[0]][1] > start or words[inside[-1]][2] < end
        for number in inside:
            tags[number] = f"{'B' if number == inside[0] else 'I'}-{name}"
    return [composed(word) for word, _, _ in words], tags


def spans_of(spans: str) -> list[Span]:
    """The spans of a row, as (start, end, type).

    Raises:
        UnusableRowError: they are no list of spans.
    """
    try:
        found = json.loads(spans or "[]")
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise UnusableRowError("spans are no list")
    return [_span(one) for one in found]


def _span(one: Any) -> Span:
    values = [one.get(key) for key in ("start", "end", "label")] if isinstance(one, dict) else one
    start, end, name = values if isinstance(values, list) and len(values) == 3 else (None, None, None)
    if (
        isinstance(start, bool)
        or isinstance(end, bool)
        or not isinstance(start, int)
        or not isinstance(end, int)
        or not _is_type(name)
    ):
        raise UnusableRowError("a span is no [start, end, label] with whole numbers and a type of one word")
    return start, end, composed(name)


def _is_type(name: Any) -> TypeGuard[str]:
    return isinstance(name, str) and name.split() == [name] and name.isprintable()


def recut(
    words: Sequence[str], tags: Sequence[str], pattern: str, mended: Counter[str]
) -> tuple[list[str], list[str]]:
    """Words as running text is cut where the model is served, each part with the tag of its word."""
    result: list[str] = []
    given: list[str] = []
    begun = ""  # by a word without any visible sign, of which nothing is left
    for word, tag in zip(words, tags, strict=True):
        parts = [composed(part) for part, _, _ in words_of(word, pattern)]
        goes_on = tag if tag == OUTSIDE else f"I-{tag[2:]}"
        first = begun if tag == goes_on and tag[2:] == begun[2:] and begun else tag
        begun = "" if parts else first if first.startswith("B-") else ""
        result += parts
        given += [first, *[goes_on] * (len(parts) - 1)][: len(parts)]
        mended[CUT_FURTHER] += len(parts) > 1
        mended[INVISIBLE] += not parts
    return result, given
