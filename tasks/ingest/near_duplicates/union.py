"""What resembles what, and the groups that follow from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain


@dataclass(frozen=True)
class Likeness:
    """What resembles what, by index."""

    first: list[int]
    """For each the first that is equal to it, which may be itself."""
    pairs: Iterator[tuple[int, int]]
    """(later, earlier) of those first ones that are alike. Can be gone through once."""
    crowded: int = 0
    """Texts that are nearly all template, of which some pairs were left out."""

    def groups(self) -> list[int]:
        """For each the smallest index of its group: groups are what is equal, and what such pairs link."""
        united = Union(len(self.first))
        for pair in chain(enumerate(self.first), self.pairs):
            united.join(*pair)
        return [united.root(index) for index in range(len(self.first))]


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
