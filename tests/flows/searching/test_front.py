"""Which students no other beats, which the budget takes, and how they are shown."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flows.searching import budget, front, picture
from flows.searching.front import Outcome
from flows.searching.job import COMPLETE, GIVEN_UP, Result
from flows.searching.study import Tried

TELL = "quality >= 98% of teacher, then least latency"
FACTS = {"run": "bbc", "budget": TELL, "seed": 0, "minutes": 1.5}


def tried(number: int, quality: float, latency: float, size: int, divergence: float = 0.2) -> Tried:
    bounds = {"quality_low": quality - 0.03, "quality_high": quality + 0.03}
    speed = {
        "latency": latency,
        "speedup": 5 / latency,
        "speedup_quartile_1": 4 / latency,
        "speedup_quartile_3": 6 / latency,
    }
    figures = {"quality": quality, **bounds, **speed, "bytes": size, "divergence": divergence}
    return Tried(number, {"prune.layers": number + 1}, Result(COMPLETE, "", 2.0, figures))


TRIALS = [
    tried(0, 0.985, 0.30, 4_000_000),
    tried(1, 0.990, 0.25, 3_000_000, 0.25),
    tried(2, 0.991, 0.255, 3_000_000, 0.19),
    tried(3, 0.950, 0.10, 2_000_000),
    tried(4, 0.984, 0.305, 4_010_000),
    tried(5, 0.970, 0.40, 5_000_000),
    tried(6, 1.010, 0.60, 9_000_000),
    Tried(7, {"prune.layers": 8}, Result(GIVEN_UP, "after 25% of the recovery", 1.0, {"cost": 3.0})),
]


@pytest.fixture
def found() -> Outcome:
    return front.outcome(TRIALS, budget.parse(TELL))


def test_the_front_holds_what_no_other_beats(found: Outcome) -> None:
    assert found.front == (1, 2, 3, 6)


def test_the_budget_is_kept_by_what_was_measured(found: Outcome) -> None:
    assert found.keeping == (0, 1, 2, 4, 6)


def test_of_students_as_fast_the_nearest_to_the_teacher_wins(found: Outcome) -> None:
    assert found.winner == 2


def test_each_stands_beside_the_default(found: Outcome) -> None:
    beside = {
        1: "dominates",
        2: "dominates",
        3: "better in latency, bytes",
        4: "matches",
        5: "is dominated",
        6: "better in quality",
    }
    assert found.beside == beside


@pytest.mark.parametrize(
    ("line", "winner"),
    [
        ("latency <= 0.2 ms, then best quality", 3),
        ("quality >= 90% of teacher, then least size", 3),
        ("speedup >= 8 x, then best quality", 6),
    ],
)
def test_other_budgets_take_others(line: str, winner: int) -> None:
    assert front.outcome(TRIALS, budget.parse(line)).winner == winner


def test_none_wins_where_none_keeps_the_budget() -> None:
    assert front.outcome(TRIALS, budget.parse("quality >= 105% of teacher, then least size")).winner is None


def test_the_table_shows_every_trial_with_what_became_of_it(found: Outcome) -> None:
    text = front.markdown(found, FACTS)
    rows = [line for line in text.splitlines() if line.startswith("| ") and line[2] in "*01234567"]
    assert [row.split("|")[1].strip() for row in rows] == ["3", "1", "**2**", "0", "4", "5", "6", "7"]
    assert "Winner: trial 2." in text
    assert "99.1% [96.1%, 102.1%]" in rows[2]
    assert "the default" in rows[3]
    assert "after 25% of the recovery" in rows[7]


def test_the_file_holds_what_the_table_shows(found: Outcome) -> None:
    told = json.loads(front.as_json(found, FACTS))
    assert told["winner"] == 2
    assert [one["on_front"] for one in told["trials"]] == [False, True, True, True, False, False, True, False]
    assert told["trials"][2]["quality"] == 0.991


def test_the_picture_is_the_same_for_the_same_trials(found: Outcome, tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        picture.draw(found, TELL, tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    other = front.outcome(TRIALS[:3], budget.parse(TELL))
    picture.draw(other, TELL, tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes() != (tmp_path / "a.png").read_bytes()
