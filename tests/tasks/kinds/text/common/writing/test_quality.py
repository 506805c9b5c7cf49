"""Figures of texts are those of the libraries that everybody measures with."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.kinds.base.rows import Truth
from tasks.kinds.text.common.writing import baseline, quality
from tests import tiny

RIGHT = [row["headline"] for row in tiny.articles()[:40]]
SAID = [
    *RIGHT[:4],
    "",
    *(" ".join(text.split()[:-1]) + " indeed" for text in RIGHT[5:20]),
    *(" ".join(reversed(text.split())) for text in RIGHT[20:30]),
    *RIGHT[31:40],
    "the the the the",
]
TRUTH = Truth(np.array(RIGHT), [1] * len(RIGHT), [])


def measured(said: list[str], right: list[str]) -> dict[str, float]:
    truth = Truth(np.array(right), [1] * len(right), [])
    sums = quality.statistics(np.array(said), truth).sum(0)
    return {name: float(value) for name, value in quality.figures(sums).items()}


def test_chrf_and_bleu_are_those_of_sacrebleu() -> None:
    import sacrebleu

    found = measured(SAID, RIGHT)
    assert found["chrf"] == pytest.approx(sacrebleu.corpus_chrf(SAID, [RIGHT]).score / 100, abs=1e-9)
    assert found["bleu"] == pytest.approx(sacrebleu.corpus_bleu(SAID, [RIGHT]).score / 100, abs=1e-9)
    few = measured(SAID[20:24], RIGHT[20:24])
    assert few["bleu"] == pytest.approx(sacrebleu.corpus_bleu(SAID[20:24], [RIGHT[20:24]]).score / 100)


def test_rouge_is_the_mean_of_the_rows() -> None:
    from rouge_score import rouge_scorer

    scorer = rouge_scorer.RougeScorer(["rouge1", "rougeL"], use_stemmer=True)
    each = [scorer.score(right, said) for right, said in zip(RIGHT, SAID, strict=True)]
    found = measured(SAID, RIGHT)
    assert found["rouge_1"] == pytest.approx(np.mean([one["rouge1"].fmeasure for one in each]))
    assert found["rouge_l"] == pytest.approx(np.mean([one["rougeL"].fmeasure for one in each]))


def test_figures_of_right_answers_are_one_and_of_none_zero() -> None:
    whole = measured(RIGHT, RIGHT)
    assert {name: value for name, value in whole.items() if value != 1} == {}
    nothing = measured([""] * len(RIGHT), RIGHT)
    assert set(nothing.values()) == {0.0}


def test_exact_match_forgives_case_articles_and_punctuation() -> None:
    found = measured(["The film, a hit", "no"], ["film hit!", "yes"])
    assert found["exact_match"] == 0.5
    assert found["word_f1"] == 0.5


def test_texts_of_other_scripts_are_measured_by_their_signs() -> None:
    found = measured(["\u4eca\u5929\u5929\u6c14"], ["\u4eca\u5929\u4e0b\u96e8"])
    assert found["rouge_1"] == pytest.approx(0.5)
    assert (
        measured(
            ["\u043f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440"],
            ["\u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440"],
        )["rouge_l"]
        == 1
    )


def test_traits_tell_empty_repeated_and_copied_words() -> None:
    rows = [{"text": "a b c d e f g"}, {"text": "x"}, {"text": "y"}]
    found = quality.traits(rows, ["b c d e f q", "", "go to it go to it"])
    assert found["empty"].tolist() == [0, 1, 0]
    assert found["copied"].tolist() == [pytest.approx(5 / 6), 0, 0]
    assert found["longest_copy"].tolist() == [pytest.approx(5 / 6), 0, 0]
    assert found["repeated"].tolist() == [0, 0, 0.25]


def test_the_longest_copy_may_be_too_short_for_a_copied_span() -> None:
    found = quality.traits([{"text": "a b c d e f g"}], ["B c x d"])
    assert (found["copied"].tolist(), found["longest_copy"].tolist()) == ([0], [0.5])


def test_the_baseline_is_as_many_first_words_as_fit_best() -> None:
    rows = [{"text": f"one two three four {n} six seven", "label": "one two three"} for n in range(20)]
    found = baseline.first_words(rows, [], 0)
    assert found.predict(rows[:2]).tolist() == ["one two three"] * 2
