"""The teacher's queries, keys and values of all rows in one layer, computed once and kept in scratch.

With several epochs this saves all passes of the teacher but the first. They are kept in half precision, read
as a memory map, so they need not fit in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch

from tasks.core.errors import ModelError
from tasks.distill.hidden_states import States, check_pieces
from tasks.kinds.base.kind import Features

VALUES, COUNTS = "values.bin", "counts.npy"
KEPT_AS = np.dtype(np.float16)
Batch = tuple[Sequence[int], torch.Tensor, torch.Tensor, torch.Tensor | None]
"""Numbers of n rows, the queries, keys and values side by side (p, l, w) of their p parts, the mask (p, l) of
pieces, and how many parts each row has (n,); None: one."""


def fill(folder: Path, batches: Iterable[Batch]) -> None:
    """Keeps the states of some rows in a new folder; a fill that was broken off begins again.

    Raises:
        ModelError: some are too large for half precision.
    """
    part = folder.with_name(f"{folder.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    order: list[int] = []
    counts: list[int] = []
    with (part / VALUES).open("wb") as stream:
        for rows, values, mask, parts in batches:
            halved = values[mask].half().cpu()
            if not halved.isfinite().all():
                raise ModelError(
                    "distill.relations.cached",
                    "the teacher's states are too large for half precision; write cached: false",
                )
            stream.write(halved.numpy().tobytes())
            order += rows
            counts += _pieces(mask, parts)
    np.save(part / COUNTS, np.array([order, counts]))
    part.rename(folder)


def _pieces(mask: torch.Tensor, parts: torch.Tensor | None) -> list[int]:
    """How many each row has."""
    counts = mask.sum(1)
    return [int(own.sum()) for own in counts.split(1 if parts is None else parts.tolist())]


class StateCache:
    """What `fill` kept."""

    def __init__(self, folder: Path, features: Sequence[Features]) -> None:
        """For the rows that `fill` was given, by their numbers among these features."""
        order, counts = np.load(folder / COUNTS)
        ends = np.cumsum(counts)
        self._place = {
            id(features[row]): (int(end - count), int(end))
            for row, count, end in zip(order, counts, ends, strict=True)
        }
        self._features = features  # keeps them, and so their identities, alive
        size = (folder / VALUES).stat().st_size
        width = size // (KEPT_AS.itemsize * int(ends[-1]))
        self._values = np.memmap(folder / VALUES, KEPT_AS, "r", shape=(int(ends[-1]), width))

    def of(
        self, features: Sequence[Features], mask: torch.Tensor, parts: torch.Tensor | None = None
    ) -> States:
        """The teacher's states of some of the rows, at the pieces (p, l) where the student has some.

        Raises:
            ModelError: the student divides an input into another number of pieces.
        """
        found = [self._values[slice(*self._place[id(one)])] for one in features]
        for own, values in zip(_pieces(mask, parts), found, strict=True):
            check_pieces(own, len(values))
        states = torch.zeros(*mask.shape, self._values.shape[1], device=mask.device)
        states[mask] = torch.from_numpy(np.concatenate(found)).to(mask.device, torch.float32)
        return States(projected={"cached": states})
