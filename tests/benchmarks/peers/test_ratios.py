"""Ratios are taken within a round; the fastest peer is the one a student is least ahead of."""

from __future__ import annotations

import numpy as np

from benchmarks.peers import ratios

TAKEN = {
    "answer": {
        "student": np.array([[1.0, 1.0], [2.0, 2.0], [1.0, 1.0]]),  # the machine was busy in the second round
        "slow": np.array([[6.0, 6.0], [12.0, 12.0], [8.0, 8.0]]),
        "fast": np.array([[3.0, 5.0], [8.0, 8.0], [4.0, 4.0]]),
    }
}


def test_a_round_in_which_all_were_slow_changes_no_ratio() -> None:
    found = ratios.against(TAKEN, ["student"], ["slow", "fast"])
    assert found == {"student": {"answer": {"slow": [6.0, 6.0, 7.0], "fast": [4.0, 4.0, 4.0]}}}
    assert ratios.fastest(found["student"]["answer"]) == ("fast", [4.0, 4.0, 4.0])


def test_a_student_that_was_not_measured_is_left_out() -> None:
    assert ratios.against(TAKEN, ["other"], ["fast"]) == {}
