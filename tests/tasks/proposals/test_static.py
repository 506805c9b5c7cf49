"""What preset fast proposes for texts."""

from __future__ import annotations

from typing import Any

import pytest

from tasks.proposals.proposal import Facts, Wish
from tasks.proposals.text import classification, values


def facts(pieces: int, train: int, pool: int) -> Facts:
    """Texts of ten pieces, all of them different until there are no others."""

    def some(count: int, first: int) -> list[dict[str, Any]]:
        return [
            {"input_ids": [(first + 10 * at + next_) % pieces for next_ in range(10)]} for at in range(count)
        ]

    sides = {"train": train, "validation": 100, "test": 100, "pool": pool}
    return Facts(
        rows={side: [{} for _ in range(count)] for side, count in sides.items()},
        encoded={side: some(count, 7 * len(side)) for side, count in sides.items()},
        vocabulary={f"piece {number}": number for number in range(pieces)},
        layer_parameters=10_000_000,
        classes=dict.fromkeys("abcd", (train + 200) // 4),
        split="sticky",
    )


@pytest.mark.parametrize("pieces", [30_522, 250_000])
@pytest.mark.parametrize("pool", [0, 9_000])
def test_its_table_has_no_piece_that_the_teacher_lacks(pieces: int, pool: int) -> None:
    seen = facts(pieces, 900, pool)
    run: Any = classification.plan(seen, Wish("fast", None, 0.01)).values
    kept = run["pretrain"]["vocabulary"].value if "vocabulary" in run["pretrain"] else pieces
    assert kept == values.teachers_pieces(seen) <= max(values.MANY_PIECES, 30_522)
    assert 0 < run["prune"]["vocabulary"].value <= kept
    assert run["distill"]["pool"].value == run["finetune"]["pool_outputs"].value == pool
    assert bool(run["distill"]["rewording"].value) == (pool == 0)
