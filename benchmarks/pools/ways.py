"""Ways to make unlabelled texts where a run has none. All but the last make them of the training rows alone.

- variations: Wei and Zou, EDA (2019), as `distill.rewording` makes them.
- splices: the first part of a row and the last part of another one of its class; after Andreas, Good-Enough
  Compositional Data Augmentation (2020), without its search for like contexts.
- near words: words become one of their nearest in the pretrained table of words; Jiao et al., TinyBERT
  (2020), who take GloVe's.
- retrieved: the nearest sentences of a corpus by TF-IDF.

A masked language model that fills in words is not among them: no checkpoint that a package carries has the
head for it.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from tasks.kinds.base.data import Rewording
from tasks.kinds.base.rows import Row
from tasks.kinds.text.common import rewording
from tasks.kinds.text.common.texts import WORD

SHARES = {"drop": 0.1, "mask": 0.1, "replace": 0.1, "swap": 0.05}
REPLACED = 0.3
NEAREST = 8
"""Words of which one takes the place of a word."""


@dataclass(frozen=True)
class Sources:
    """What texts are made of."""

    rows: Sequence[Row]
    pretrained: Path
    """Checkpoint with the table of words."""
    tokenizer: Any
    corpus: Sequence[str]

    @cached_property
    def neighbours(self) -> Mapping[str, Sequence[str]]:
        """Each whole word of the rows that is a piece -> the nearest such words of the whole table."""
        from safetensors.numpy import load_file

        tensors = load_file(self.pretrained / "model.safetensors")
        table = next(one for name, one in tensors.items() if name.endswith("word_embeddings.weight"))
        numbers = {piece: at for piece, at in self.tokenizer.get_vocab().items() if piece.isalpha()}
        pieces = [*numbers]
        vectors = table[[numbers[piece] for piece in pieces]]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        own = sorted({word.lower() for row in self.rows for word in WORD.findall(row["text"])} & {*pieces})
        near = vectors[[pieces.index(word) for word in own]] @ vectors.T
        order = np.argsort(-near, axis=1, kind="stable")[:, 1 : NEAREST + 1]
        return {word: [pieces[at] for at in line] for word, line in zip(own, order, strict=True)}


Way = Callable[[Sources, int, int], list[str]]
"""(what there is, texts for each row, seed) -> texts."""


def variations(sources: Sources, copies: int, seed: int) -> list[str]:
    how = Rewording(copies=copies, **SHARES)
    return [row["text"] for row in rewording.reworded(sources.rows, how, seed, sources.tokenizer)]


def splices(sources: Sources, copies: int, seed: int) -> list[str]:
    chance, of_label = random.Random(seed), defaultdict(list)
    for row in sources.rows:
        of_label[row["label"]].append(row["text"])

    def part(text: str, first: bool) -> str:
        starts = [match.start() for match in WORD.finditer(text)] or [0]
        at = chance.choice(starts[len(starts) // 3 : 1 + 2 * len(starts) // 3])
        return text[:at] if first else text[at:]

    return [
        (part(row["text"], True) + " " + part(chance.choice(of_label[row["label"]]), False)).strip()
        for _ in range(copies)
        for row in sources.rows
    ]


def near_words(sources: Sources, copies: int, seed: int) -> list[str]:
    chance, known = random.Random(seed), sources.neighbours

    def replaced(word: str) -> str:
        if chance.random() >= REPLACED or word.lower() not in known:
            return word
        return chance.choice(known[word.lower()])

    return [
        WORD.sub(lambda match: replaced(match[0]), row["text"]) for _ in range(copies) for row in sources.rows
    ]


def retrieved(sources: Sources, copies: int, _seed: int) -> list[str]:
    """Each sentence at most once; the nearest of all rows first."""
    texts = [row["text"] for row in sources.rows]
    weights = TfidfVectorizer(sublinear_tf=True, stop_words="english").fit([*texts, *sources.corpus])
    near = (weights.transform(texts) @ weights.transform(sources.corpus).T).tocsr()
    order = [near[row].indices[np.argsort(-near[row].data, kind="stable")] for row in range(len(texts))]
    wanted, found = copies * len(texts), dict[int, None]()
    for place in range(max(map(len, order), default=0)):
        for line in order:
            if place < len(line) and len(found) < wanted:
                found.setdefault(int(line[place]))
    return [sources.corpus[at] for at in found]


def both(sources: Sources, copies: int, seed: int) -> list[str]:
    half = copies // 2
    return variations(sources, copies - half, seed) + splices(sources, half, seed)


WAYS: Mapping[str, Way] = {
    "variations": variations,
    "splices": splices,
    "variations and splices": both,
    "near words": near_words,
    "retrieved": retrieved,
}
