"""Names of classes that look the same, or nearly so, and what tells them apart.

They are kept apart, and said.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping

# Cyrillic and Greek letters with the shape of a Latin one.
SHAPES = str.maketrans(
    "АВЕКМНОРСТУХІЈЅаеорсухіјѕһԁԛԝΑΒΕΖΗΙΚΜΝΟΡΤΥΧαοιν", "ABEKMHOPCTYXIJSaeopcyxijshdqwABEZHIKMNOPTYXaoiv"
)  # fmt: skip
BETWEEN = " -_.,:;"
SHOWN = 3


def warnings(counts: Mapping[str, int]) -> list[str]:
    """A sentence for each set of names that look alike, with how many rows each has."""
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        alike[look(name)].append(name)
    return [_sentence(names, counts) for names in alike.values() if len(names) > 1]


def look(name: str) -> str:
    """Equal for names that can be taken for each other.

    Case, width, normal form, invisible signs, shapes, what stands between words.
    """
    plain = unicodedata.normalize("NFKC", name.translate(SHAPES)).casefold()
    return "".join(
        sign for sign in unicodedata.normalize("NFKC", plain) if not _invisible(sign) and sign not in BETWEEN
    )


def _invisible(sign: str) -> bool:
    return unicodedata.category(sign) in {"Cf", "Cc", "Zs"} or unicodedata.name(sign, "").startswith(
        "VARIATION SELECTOR"
    )


def _sentence(names: list[str], counts: Mapping[str, int]) -> str:
    first, *others = names
    each = "; ".join(
        f"`{other}` ({counts[other]:,} rows) has {', '.join(_differences(first, other))}"
        for other in others[:SHOWN]
    )
    more = f"; and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
    return (
        f"classes that look alike are kept apart: beside `{first}` ({counts[first]:,} rows) "
        f"{each}{more}; if they are one, mend the data"
    )


def _differences(one: str, other: str) -> Iterator[str]:
    for what, start, end, begin, stop in difflib.SequenceMatcher(
        None, one, other, autojunk=False
    ).get_opcodes():
        if what != "equal":
            here, there = (
                " ".join(map(_named, part[:SHOWN])) for part in (one[start:end], other[begin:stop])
            )
            yield f"{there or 'nothing'} for {here}" if here else f"{there} more"


def _named(sign: str) -> str:
    return f"U+{ord(sign):04X} {unicodedata.name(sign, 'without a name')}"
