"""Finds near duplicates: texts whose sets of five-character pieces overlap by a given share (Jaccard), all of them.

Pieces that stand in many texts (a template, a signature, markup) would make every text a candidate of every other. They are counted in
another way: two texts that share a rare piece are found through it, two that share none can only be alike if frequent pieces make up
nearly all of them, which few texts are made of.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

PIECE = 5
SHARE_OFTEN, FEWEST_OFTEN = 0.04, 50
"""A piece is frequent if it stands in more than this share of the texts, and in more than so many."""
BLOCK = 256
AT_ONCE = 65_536
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

    if threshold >= 1 or len(distinct) < 2:
        return
    sets = Sets.of([_pieces(normal[index]) for index in distinct])
    of = np.asarray(distinct)
    for start in track(range(0, len(distinct), BLOCK), label="near duplicates"):
        for later, earlier in (sets.sharing_rare(start, threshold), sets.made_of_frequent(start, threshold)):
            yield from zip(of[later].tolist(), of[earlier].tolist(), strict=True)


@dataclass(frozen=True)
class Sets:
    """The pieces of n texts: how many each has, the rare ones as a sparse matrix (n, pieces), the frequent ones as bits (n, bytes)."""

    sizes: NDArray[np.int64]
    rare: csr_array
    frequent: NDArray[np.uint8]
    frequent_sizes: NDArray[np.int64]

    @staticmethod
    def of(pieces: Sequence[NDArray[np.uint32]]) -> Sets:
        from scipy.sparse import csr_array

        sizes = np.array([len(one) for one in pieces], dtype=np.int64)
        rows = np.repeat(np.arange(len(pieces)), sizes)
        _, columns, counts = np.unique(np.concatenate(pieces), return_inverse=True, return_counts=True)
        often = counts > max(FEWEST_OFTEN, len(pieces) * SHARE_OFTEN)
        common = often[columns]
        shape = (len(pieces), len(counts))
        kept = columns[~common], rows[~common]
        rare = csr_array((np.ones(len(kept[0]), dtype=np.int32), kept[::-1]), shape=shape)
        bits = np.zeros((len(pieces), -(-int(often.sum()) // 8)), dtype=np.uint8)
        place = (np.cumsum(often) - 1)[columns[common]]
        np.bitwise_or.at(bits, (rows[common], place // 8), (1 << (place % 8)).astype(np.uint8))
        return Sets(sizes, rare, bits, np.bincount(rows[common], minlength=len(pieces)))

    def sharing_rare(self, start: int, threshold: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(later, earlier) of a block of texts and those before them that are alike and share a rare piece."""
        end = min(start + BLOCK, len(self.sizes))
        shared = (self.rare[start:end] @ self.rare[:end].T).tocoo()
        later, earlier, count = shared.coords[0] + start, shared.coords[1], shared.data
        most = count + np.minimum(self.frequent_sizes[later], self.frequent_sizes[earlier])
        may = (earlier < later) & self._enough(most, later, earlier, threshold)
        return self._alike(later[may], earlier[may], count[may], threshold)

    def made_of_frequent(self, start: int, threshold: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(later, earlier) of those that are alike by their frequent pieces alone."""
        whole = np.flatnonzero(self.frequent_sizes >= threshold * self.sizes)
        block = whole[(whole >= start) & (whole < start + BLOCK)]
        found = [self._alike(np.full(np.count_nonzero(whole < one), one), whole[whole < one], 0, threshold) for one in block.tolist()]
        none = np.zeros(0, dtype=np.int64)
        return np.concatenate([none, *(later for later, _ in found)]), np.concatenate([none, *(earlier for _, earlier in found)])

    def _alike(
        self, later: NDArray[np.int64], earlier: NDArray[np.int64], rare: NDArray[np.int64] | int, threshold: float
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Those pairs that overlap enough; `rare` counts the rare pieces that each shares."""
        shared = np.zeros(len(later), dtype=np.int64)
        for at in range(0, len(later), AT_ONCE):
            both = self.frequent[later[at : at + AT_ONCE]] & self.frequent[earlier[at : at + AT_ONCE]]
            shared[at : at + AT_ONCE] = np.bitwise_count(both).sum(axis=1)
        sure = self._enough(shared + rare, later, earlier, threshold)
        return later[sure], earlier[sure]

    def _enough(
        self, shared: NDArray[np.int64], later: NDArray[np.int64], earlier: NDArray[np.int64], threshold: float
    ) -> NDArray[np.bool_]:
        enough: NDArray[np.bool_] = shared >= threshold * (self.sizes[later] + self.sizes[earlier] - shared)
        return enough


def _pieces(text: str) -> NDArray[np.uint32]:
    """Hashes of the distinct runs of five characters; of the whole text if it is shorter."""
    signs = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    length = min(PIECE, max(len(signs), 1))
    hashed = np.zeros(max(len(signs) - length + 1, 0), dtype=np.uint64)
    for offset in range(length):
        hashed = (hashed ^ signs[offset : offset + len(hashed)]) * MULTIPLIER
    return np.unique((hashed >> np.uint64(32)).astype(np.uint32))
