"""Verdicts on answers that are planted, so that what is true is known."""

from __future__ import annotations

import numpy as np
import pytest

from flows.judging import answers, verdict
from flows.judging.verdict import Spread
from tasks.core.errors import DataError
from tasks.kinds.base.kind import load_kind
from tasks.kinds.base.rows import Truth

LABELS = ["a", "b", "c"]
KIND = load_kind("text/classification")
NONE = Spread(0, 0.0)


def truth_of(rows: int) -> Truth:
    return Truth(np.random.default_rng(0).integers(3, size=rows), [1] * rows, LABELS)


def wrong_at(truth: Truth, rows: np.ndarray) -> np.ndarray:
    guess = truth.labels.copy()
    guess[rows] = (guess[rows] + 1) % 3
    return guess


def compared(
    rows: int, gained: int, lost: int, spread: Spread = NONE, margin: float = 0.01
) -> verdict.Comparison:
    """The champion alone is wrong at `gained` rows, the challenger alone at `lost`, both at a tenth."""
    truth = truth_of(rows)
    order = np.random.default_rng(1).permutation(rows)
    both, first, second = (
        order[: rows // 10],
        order[rows // 10 :][:gained],
        order[rows // 10 + gained :][:lost],
    )
    champion, challenger = (
        wrong_at(truth, np.concatenate([both, first])),
        wrong_at(truth, np.concatenate([both, second])),
    )
    return verdict.compare(KIND, champion, challenger, truth, spread, margin, resamples=500, seed=0)


@pytest.mark.parametrize(
    ("rows", "gained", "lost", "expected"),
    [
        (3000, 150, 50, "better"),
        (3000, 50, 150, "worse"),
        (10_000, 30, 30, "no difference"),
        (300, 20, 17, "not enough data"),
        (40, 20, 0, "not enough data"),
    ],
)
def test_verdict_follows_what_was_planted(rows: int, gained: int, lost: int, expected: str) -> None:
    found = compared(rows, gained, lost)
    assert (found.verdict, found.gained, found.lost, found.rows) == (expected, gained, lost, rows)
    assert found.difference.low < found.difference.value < found.difference.high


def test_difference_within_the_margin_does_not_matter_however_sure_it_is() -> None:
    assert compared(50_000, 400, 200, margin=0.01).verdict == "no difference"
    assert compared(50_000, 400, 200, margin=0.001).verdict == "better"


def test_spread_of_seeds_widens_the_interval_the_more_the_fewer_seeds_tell_of_it() -> None:
    alone, many, few = (
        compared(3000, 150, 50, spread) for spread in (NONE, Spread(50, 0.02), Spread(3, 0.02))
    )
    assert alone.difference.visible < many.difference.visible < few.difference.visible
    assert few.verdict == "not enough data"


def test_interval_without_spread_is_the_paired_bootstraps() -> None:
    """Of 3,000 rows 200 differ.

    The deviation of the difference in accuracy is √200 / 3,000, about that of macro-F1 for like classes.
    """
    assert compared(3000, 100, 100).difference.visible == pytest.approx(1.96 * np.sqrt(200) / 3000, rel=0.15)


def test_spread_is_found_again_and_rows_noise_is_not_taken_for_it() -> None:
    truth, generator = truth_of(4000), np.random.default_rng(2)

    def model(accuracy: float) -> np.ndarray:
        return wrong_at(truth, np.flatnonzero(generator.random(4000) > accuracy))

    alike = verdict.spread_of(KIND, [model(0.8) for _ in range(30)], truth, 200, 0)
    apart = verdict.spread_of(
        KIND, [model(0.8 + 0.03 * generator.standard_normal()) for _ in range(30)], truth, 200, 0
    )
    assert alike.deviation < 0.004
    assert apart.deviation == pytest.approx(0.03, rel=0.4)
    assert set(apart.categories) == set(LABELS)
    assert apart.seeds == 30


@pytest.mark.parametrize(("seeds", "most"), [(3, 0.09), (5, 0.065)])
@pytest.mark.parametrize("ratio", [0.0, 1.0, 4.0])
def test_models_of_one_recipe_are_seldom_told_apart_however_far_its_seeds_lie_apart(
    seeds: int, most: float, ratio: float
) -> None:
    """`ratio`: the variance of seeds, in the rows' share of a model's.

    Figures and spreads are drawn, as `spread_of` would find them.
    """
    generator, pairs, of_rows = np.random.default_rng(4), 3000, 0.01
    figures = of_rows * np.sqrt((1 + ratio) / 2) * generator.standard_normal((pairs, seeds + 2))
    spreads = np.sqrt(np.maximum(0, figures[:, 2:].var(1, ddof=1) - of_rows**2 / 2))
    sampled = [np.zeros(2), np.array([-of_rows, of_rows])]
    found = [
        verdict._difference([*pair, *sampled], spread, seeds, 0.95)
        for pair, spread in zip(figures[:, :2], spreads, strict=True)
    ]
    called = np.mean([one.low > 0 or one.high < 0 for one in found])
    assert 0.02 < called < most


def test_class_that_falls_is_named_and_one_that_falls_within_noise_is_not() -> None:
    truth = truth_of(3000)
    of_a = np.flatnonzero(truth.labels == 0)
    found = verdict.compare(KIND, truth.labels, wrong_at(truth, of_a[:200]), truth, NONE, 0.01, 500, 0)
    assert found.fallen(0.1) == ["a"]
    assert found.fallen(0.3) == []
    small = truth_of(60)
    of_a = np.flatnonzero(small.labels == 0)
    assert (
        verdict.compare(KIND, small.labels, wrong_at(small, of_a[:2]), small, NONE, 0.01, 500, 0).fallen(0.05)
        == []
    )


def test_models_of_other_labels_meet_in_one_numbering() -> None:
    names = ["a", "b", "c"]
    rows = [{"id": "one", "label": "c"}, {"id": "two", "label": "b"}]
    truth = answers.truth_of(rows, names)
    assert (truth.labels.tolist(), truth.decisions, truth.ids) == ([2, 1], [1, 1], ["one", "two"])
    given = answers.Answers(["one", "two"], [np.array([[0.1, 0.9]]), np.array([[0.8, 0.2]])])
    assert answers.numbered(given, ["a", "c"], truth).tolist() == [2, 0]
    tagged = answers.truth_of([{"label": "O B-x I-x"}, {"label": "O"}], ["O", "B-x", "I-x"])
    assert (tagged.labels.tolist(), tagged.decisions) == ([0, 1, 2, 0], [3, 1])


def test_answers_to_other_rows_are_refused() -> None:
    truth = answers.truth_of([{"id": "one", "label": "a"}, {"id": "two", "label": "b"}], ["a", "b"])
    for ids, said in (
        (["two", "one"], "row 1 is `two`, and is paired with `one`"),
        (["one"], "answers 1 rows"),
    ):
        given = answers.Answers(ids, [np.array([[0.1, 0.9]])] * len(ids))
        with pytest.raises(DataError, match=said):
            answers.numbered(given, ["a", "b"], truth)
