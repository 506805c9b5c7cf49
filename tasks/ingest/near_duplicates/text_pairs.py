"""Finds near duplicates: texts whose sets of five-character pieces overlap by a given share (Jaccard).

Two texts that overlap so much share one of their rarest pieces: of the larger one among the first n - t n +
1, of the smaller one among the first n - 2 t / (1 + t) n + 1 (Bayardo, Ma and Srikant, Scaling up all pairs
similarity search, 2007; Xiao et al., PPJoin, 2008). Only texts that meet there are compared. A piece that
very many texts have even there (a template that makes up nearly all of them) would make each a candidate of
each: through it a text meets only its neighbours in length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.ingest.near_duplicates.union import Likeness

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

PIECE = 5
CROWDED = 1_000
"""Texts that meet through one piece; through one that more have, a text meets only the next ones in length.
"""
NEIGHBOURS = 50
BLOCK = 128
AT_ONCE = 8_192
EXACT = 1e-6
"""What rounding may add to a product that is a whole number."""
MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


def likeness(texts: Sequence[str], threshold: float) -> Likeness:
    """Whether two texts are alike depends on these two alone.

    Args:
        threshold: 0.5 to 1, the overlap from which on two texts belong together.
    """
    normal = [" ".join(text.casefold().split()) for text in texts]
    first: dict[str, int] = {}
    equal = [first.setdefault(text, index) for index, text in enumerate(normal)]
    distinct = list(first.values())
    if threshold >= 1 or len(distinct) < 2:
        return Likeness(equal, iter(()))
    sets = Sets.of([_pieces(normal[index]) for index in distinct], threshold)
    return Likeness(equal, _pairs(sets, np.asarray(distinct)[sets.order]), sets.crowded())


def groups(texts: Sequence[str], threshold: float) -> list[int]:
    """For each text the smallest index of its group."""
    return likeness(texts, threshold).groups()


def _pairs(sets: Sets, of: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    from tasks.core.progress import track

    for start in track(range(0, len(of), BLOCK), label="near duplicates"):
        one, other = sets.alike(*sets.candidates(start))
        later, earlier = np.maximum(of[one], of[other]), np.minimum(of[one], of[other])
        yield from zip(later.tolist(), earlier.tolist(), strict=True)


@dataclass(frozen=True)
class Sets:
    """The pieces of n texts, the shortest text first, as sparse matrices (n, pieces) of ones."""

    threshold: float
    order: NDArray[np.int64]
    """Of each row the text, by index."""
    sizes: NDArray[np.int64]
    whole: csr_array
    probed: csr_array
    """The pieces of a text through which it meets shorter ones."""
    indexed: tuple[csr_array, csr_array]
    """Those through which longer ones meet it: pieces that few texts have here, and those that many have."""

    @staticmethod
    def of(pieces: Sequence[NDArray[np.uint32]], threshold: float) -> Sets:
        sizes = np.array([len(own) for own in pieces], dtype=np.int64)
        order = np.argsort(sizes, kind="stable")
        sizes, values = sizes[order], np.concatenate([pieces[index] for index in order])
        rows = np.repeat(np.arange(len(sizes)), sizes)
        _, names, counts = np.unique(values, return_inverse=True, return_counts=True)
        by_rarity = np.lexsort((names, counts[names], rows))
        names, place = names[by_rarity], np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        shared = counts[names] > 1
        smaller = 2 * threshold / (1 + threshold)
        is_probed = shared & (place <= (sizes - np.ceil(threshold * sizes - EXACT))[rows])
        is_indexed = shared & (place <= (sizes - np.ceil(smaller * sizes - EXACT))[rows])
        is_crowded = (np.bincount(names[is_indexed], minlength=len(counts)) > CROWDED)[names]

        def matrix(chosen: NDArray[np.bool_]) -> csr_array:
            return _ones(rows[chosen], names[chosen], (len(sizes), len(counts)))

        index = matrix(is_indexed & ~is_crowded), matrix(is_indexed & is_crowded)
        return Sets(threshold, order, sizes, matrix(shared), matrix(is_probed), index)

    def crowded(self) -> int:
        """Texts that longer ones may meet through crowded pieces."""
        return int(np.count_nonzero(self.indexed[1].sum(axis=1)))

    def candidates(self, start: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(row, row of a text that is no longer) of a block of texts: those that may be alike."""
        end = min(start + BLOCK, len(self.sizes))
        few, many = self.indexed
        shortest = int(np.searchsorted(self.sizes, self.threshold * self.sizes[start]))
        near = max(shortest, start - NEIGHBOURS)
        pairs = [
            (start + rows, low + columns)
            for index, low in ((few, shortest), (many, near))
            for rows, columns in [(self.probed[start:end] @ index[low:end].T).nonzero()]
        ]
        one, other = (np.concatenate(part).astype(np.int64) for part in zip(*pairs, strict=True))
        met = np.unique(np.stack([one, other])[:, other < one], axis=1)
        return met[0], met[1]

    def alike(
        self, one: NDArray[np.int64], other: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Those of the pairs that overlap enough."""
        shared = np.zeros(len(one), dtype=np.int64)
        for at in range(0, len(one), AT_ONCE):
            part = slice(at, at + AT_ONCE)
            shared[part] = self.whole[one[part]].multiply(self.whole[other[part]]).sum(axis=1)
        enough = shared >= self.threshold * (self.sizes[one] + self.sizes[other] - shared)
        return one[enough], other[enough]


def _ones(rows: NDArray[np.int64], columns: NDArray[np.int64], shape: tuple[int, int]) -> csr_array:
    from scipy.sparse import csr_array

    return csr_array((np.ones(len(rows), dtype=np.int32), (rows, columns)), shape=shape)


def _pieces(text: str) -> NDArray[np.uint32]:
    """Hashes of the distinct runs of five characters; of the whole text if it is shorter."""
    signs = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    length = min(PIECE, max(len(signs), 1))
    hashed = np.zeros(max(len(signs) - length + 1, 0), dtype=np.uint64)
    for offset in range(length):
        hashed = (hashed ^ signs[offset : offset + len(hashed)]) * MULTIPLIER
    return np.unique((hashed >> np.uint64(32)).astype(np.uint32))
