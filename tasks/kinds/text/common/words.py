"""Words of a running text. One pattern cuts them in ingest, in `predict` and in the lines of docs/ship.md, so
that all see the same words.

The pattern is one of tokenizers' (Oniguruma), which the shippable folder needs anyway; preprocessing.json
holds it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tokenizers.pre_tokenizers import Split

Word = tuple[str, int, int]
"""The word, its start and its end in code points."""

# Scripts that put no spaces between words: there each letter is a word of its own, with its marks.
UNSPACED = (
    r"[\p{Han}\p{Hiragana}\p{Katakana}\x{3040}-\x{30ff}\x{ff66}-\x{ff9d}"
    r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tai_Le}\p{New_Tai_Lue}\p{Tai_Tham}\p{Tai_Viet}\p{Ahom}&&\p{L}]"
)
LETTER = rf"[\p{{L}}\p{{N}}_&&[^{UNSPACED[1:-1]}]]"
# Combining marks (variation selectors and keycaps too), joiners, half-width voicing marks: they belong to
# what stands before them.
MARK = r"[\p{M}\x{200c}\x{200d}\x{ff9e}\x{ff9f}]"
STACKED = r"(?<=[\x{17d2}\x{1039}])"
INVISIBLE = (
    r"\x{ad}\x{61c}\x{180e}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{206f}\x{feff}\x{fff9}-\x{fffb}"
)
# Between two letters of one word: soft hyphen, word joiner, direction marks.
WITHIN = r"[\x{ad}\x{61c}\x{200e}\x{200f}\x{2060}]*"
MODIFIER = r"[\p{M}\x{200c}\x{200d}\x{1f3fb}-\x{1f3ff}\x{e0020}-\x{e007f}]"

PATTERNS = {
    "white_space": r"[^\s\p{Cc}\x{feff}]+",
    "unicode": "|".join(
        [
            rf"{UNSPACED}{MARK}*(?:{STACKED}{UNSPACED}{MARK}*)*",
            rf"{LETTER}{MARK}*(?:{WITHIN}{LETTER}{MARK}*)*",
            rf"[\x{{1f1e6}}-\x{{1f1ff}}]{{2}}{MARK}*",  # a flag
            rf"[^\s\p{{L}}\p{{N}}_\p{{Cc}}\p{{Cs}}{INVISIBLE}](?:\x{{200d}}\p{{S}}|{MODIFIER})*",  # a symbol
        ]
    ),
}
"""How a text is cut -> the pattern of a word. `unicode`: runs of letters, digits and marks; every other
visible sign is a word."""


def pattern_of(facts: Mapping[str, Any]) -> str:
    """What preprocessing.json says; of a folder that was shipped before it did, white space."""
    return str(facts.get("words", PATTERNS["white_space"]))


def cut(text: str, pattern: str) -> list[Word]:
    """The words of a text and where they stand. The text must hold no lone surrogate."""
    return [(word, start, end) for word, (start, end) in _cutter(pattern).pre_tokenize_str(text)]


@cache
def _cutter(pattern: str) -> Split:
    from tokenizers import Regex
    from tokenizers.pre_tokenizers import Split

    return Split(Regex(pattern), "removed", invert=True)


@cache
def marks() -> str:
    """All combining marks and the joiners, as they stand between the brackets of a regular expression of
    Python.
    """
    found = (chr(code) for code in (*range(0x300, 0x20000), *range(0xE0100, 0xE01F0)))
    return "\u200c\u200d" + "".join(sign for sign in found if unicodedata.category(sign).startswith("M"))


def composed(word: str) -> str:
    """The word in Unicode's composed form (NFC), in which all texts are trained on."""
    return unicodedata.normalize("NFC", word)
