"""Numbers that proposals have in common."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tasks.proposals import proposal
from tasks.proposals.proposal import Plan, Proposal, Wish, Work


@pytest.mark.parametrize(
    ("steps", "rows", "epochs", "least"),
    [(400, 100, 30, 2), (500, 8_000, 2, 2), (500, 30_000, 1, 2), (500, 120_000, 1, 1)],
)
def test_epochs_follow_from_steps(steps: int, rows: int, epochs: int, least: int) -> None:
    assert proposal.epochs_of(steps, rows, 32, most=30) == epochs
    assert proposal.fewest_epochs(2, steps, rows, 32) == least


def plan(_facts: Any, wish: Wish) -> Plan:
    return Plan({}, wish.minutes_of(Work(600 * wish.effort, 0), other=1), [])


@pytest.mark.parametrize(
    ("preset", "minutes", "takes", "told"),
    [
        ("balanced", None, 11, ""),
        ("best", None, 11, ""),
        ("balanced", 20.0, 11, ""),
        ("balanced", 6.0, 6, "of the usual steps, to end within 6 minutes; the usual ones would take 11"),
        ("fast", None, 5, "to end within 5 minutes"),
        ("balanced", 2.0, 3, "2 minutes are too few: with 20% .* a smaller preset, fewer rows"),
        ("fast", 2.0, 3, "2 minutes are too few: with 20% .*; fewer rows"),
    ],
)
def test_a_run_keeps_to_its_minutes_or_says_so(preset: Any, minutes: Any, takes: float, told: str) -> None:
    facts: Any = None
    proposed = Proposal(lambda _: None, plan, None, 512, "texts")
    made = proposal.within(proposed, facts, Wish(preset, minutes, seconds_per_gigaflop=1.0))
    assert takes - 0.7 < made.minutes <= takes + 0.01
    assert len(made.remarks) == bool(told)
    assert re.search(told, "".join(made.remarks))
