"""Finds near duplicates: texts whose sets of five-character pieces overlap by a given share (Jaccard), through MinHash."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from datasketch import MinHashLSH
    from numpy.typing import NDArray

PIECE = 5
PERMUTATIONS = 128
SEED = 1
SLACK = 0.1
"""The index is asked for this much less overlap, so as to miss little; what it finds too much is thrown out by the exact overlap."""
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Likeness:
    """What resembles what, by index."""

    first: list[int]
    """For each the first that is equal to it, which may be itself."""
    pairs: Iterator[tuple[int, int]]
    """(later, earlier) of those first ones that are alike. Can be gone through once."""

    def groups(self) -> list[int]:
        """For each the smallest index of its group: groups are what is equal, and what such pairs link."""
        united = Union(len(self.first))
        for pair in chain(enumerate(self.first), self.pairs):
            united.join(*pair)
        return [united.root(index) for index in range(len(self.first))]


def likeness(texts: Sequence[str], threshold: float) -> Likeness:
    """Whether two texts are alike depends on these two alone.

    Args:
        threshold: 0.5 to 1, the overlap from which on two texts belong together.
    """
    normal = [" ".join(text.casefold().split()) for text in texts]
    first: dict[str, int] = {}
    equal = [first.setdefault(text, index) for index, text in enumerate(normal)]
    return Likeness(equal, _pairs(normal, list(first.values()), threshold))


def groups(texts: Sequence[str], threshold: float) -> list[int]:
    """For each text the smallest index of its group."""
    return likeness(texts, threshold).groups()


class Union:
    """Union-find; the root of a group is its smallest member."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def root(self, index: int) -> int:
        while self._parent[index] != index:
            self._parent[index] = self._parent[self._parent[index]]
            index = self._parent[index]
        return index

    def join(self, one: int, other: int) -> None:
        low, high = sorted((self.root(one), self.root(other)))
        self._parent[high] = low


def _pairs(normal: Sequence[str], distinct: Sequence[int], threshold: float) -> Iterator[tuple[int, int]]:
    from tasks.shared.progress import track

    if threshold >= 1:
        return
    lsh = _index(threshold)
    for index in track(distinct, label="near duplicates"):
        for other in _alike(lsh, index, normal, threshold):
            yield index, other


def _index(threshold: float) -> MinHashLSH:
    from datasketch import MinHashLSH

    return MinHashLSH(threshold=threshold - SLACK, num_perm=PERMUTATIONS, weights=(0.1, 0.9))


def _alike(lsh: MinHashLSH, index: int, normal: Sequence[str], threshold: float) -> Iterator[int]:
    """The earlier texts that overlap enough with this one, which is then in the index too."""
    from datasketch import MinHash

    pieces = _pieces(normal[index])
    sketch = MinHash(num_perm=PERMUTATIONS, seed=SEED, hashfunc=int, scheme="affine32")
    sketch.update_batch(pieces)
    for other in sorted(lsh.query(sketch)):
        theirs = _pieces(normal[other])
        shared = len(np.intersect1d(pieces, theirs, assume_unique=True))
        if shared >= threshold * (len(pieces) + len(theirs) - shared):
            yield other
    lsh.insert(index, sketch)


def _pieces(text: str) -> NDArray[np.uint32]:
    """Hashes of the distinct runs of five characters; of the whole text if it is shorter."""
    signs = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    length = min(PIECE, max(len(signs), 1))
    hashed = np.zeros(max(len(signs) - length + 1, 0), dtype=np.uint64)
    for offset in range(length):
        hashed = (hashed ^ signs[offset : offset + len(hashed)]) * MULTIPLIER
    return np.unique((hashed >> np.uint64(32)).astype(np.uint32))
