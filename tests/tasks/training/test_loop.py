"""How rows are dealt into batches, and seeds to trainings."""

from __future__ import annotations

from collections import Counter

import pytest

from tasks.training import loop
from tasks.training.loop import Plan, _batches, seed_of

PLAN = Plan(
    epochs=1,
    batch_size=8,
    learning_rate=0.1,
    warmup=0,
    weight_decay=0,
    clip=1,
    patience=1,
    precision="fp32",
    seed=3,
    processes=1,
)


@pytest.mark.parametrize(("rows", "fewest", "extra"), [(40, 2, 0), (41, 1, 0), (41, 2, 1), (1, 2, 1)])
def test_every_row_is_dealt_once_and_none_alone_where_two_are_needed(
    rows: int, fewest: int, extra: int
) -> None:
    batches = _batches([1] * rows, PLAN, 0, fewest)
    dealt = Counter(row for batch in batches for row in batch)
    assert set(dealt) == set(range(rows))
    assert sum(dealt.values()) - rows == extra
    assert len(batches) == -(-rows // 8)
    assert min(map(len, batches)) >= min(fewest, rows)
    assert batches == _batches([1] * rows, PLAN, 0, fewest)


def test_runs_with_neighbouring_seeds_share_no_training_and_the_first_is_the_runs_own() -> None:
    seeds = [seed_of(seed, number) for seed in range(50) for number in range(1, 65)]
    assert len(set(seeds)) == len(seeds)
    assert [seed_of(seed, 1) for seed in range(50)] == list(range(50))
    assert all(0 <= seed_of(2**31 - 1, number) < 2**31 for number in range(1, 65))


@pytest.mark.parametrize(
    ("curve", "rise"),
    [
        ([0.5, 0.8, 0.9, 0.9], 0.0),
        ([0.5, 0.6, 0.7, 0.8], 0.1),
        ([0.5, 0.9, 0.85, 0.905], 0.0),
        ([0.1, 0.9], 0.0),
        ([0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.88], 0.08),
    ],
)
def test_a_training_that_had_not_settled_is_told(
    curve: list[float], rise: float, capsys: pytest.CaptureFixture[str]
) -> None:
    history = [{"f1": value} for value in curve]
    assert loop.still_rising(history, "f1") == pytest.approx(rise)
    loop.print_if_rising(history, "f1", "finetune")
    said = capsys.readouterr().out
    assert said.startswith("finetune: look at this: f1 still rose by") if rise else said == ""
