"""Flips and verdicts of each kind: several decisions in a row, pictures, labels that only one model knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from flows.reviewing.compared import quality
from flows.reviewing.compared.quality import Answers, Terms
from flows.reviewing.pages import flips
from flows.reviewing.pages.page import Picture, Section
from tasks.kinds.base.kind import load_kind
from tests import tiny

TERMS = Terms(margin=0.01, resamples=200, seed=0, spread=None)


def answers(rows: Sequence[dict[str, Any]], names: Sequence[str], wrong: Sequence[int], kind: str) -> Answers:
    """As the rows have it, but for the last decision of some rows."""
    probabilities = {}
    for number, row in enumerate(rows):
        labels = row["label"].split() if kind == "text/tagging" else [row["label"]]
        numbers = np.array([list(names).index(label) for label in labels])
        if number in wrong:
            numbers[-1] = (numbers[-1] + 1) % len(names)
        probabilities[row["id"]] = np.eye(len(names))[numbers] * 0.8 + 0.2 / len(names)
    return Answers({row["id"]: row["label"] for row in rows}, probabilities, names)


def compared(kind: str, wrong: tuple[Sequence[int], Sequence[int]], shown: bool = True) -> quality.Quality:
    rows, names = tiny.rows(80, kind=kind), tiny.NAMES[kind]
    a, b = (answers(rows, names, each, kind) for each in wrong)
    found = quality.compare(
        load_kind(kind), a, b, {}, {row["id"]: row for row in rows} if shown else {}, TERMS
    )
    assert found is not None
    return found


def test_rows_of_many_decisions_are_counted_as_rows_and_their_decisions_as_decisions() -> None:
    found = compared("text/tagging", (range(3), range(2, 12)))
    assert (
        found.comparison.gained,
        found.comparison.lost,
        found.gained_rows,
        found.lost_rows,
        found.common,
    ) == (2, 9, 2, 9, 80)
    assert set(found.lost[0].cells) == {"right", "answer, A", "answer, B"}


def test_flips_of_pictures_are_shown_as_pictures() -> None:
    found = compared("image/classification", ((), range(4)))
    (section, _) = flips.sections("digits", found)
    assert isinstance(section, Section)
    sheet = section.blocks[0]
    assert isinstance(sheet, Picture)
    assert sheet.png.startswith(b"\x89PNG")
    assert sheet.name == "digits-lost.png"


def test_without_the_rows_flips_are_shown_by_their_labels() -> None:
    found = compared("text/classification", ((), range(4)), shown=False)
    assert found.lost_rows == 4
    assert set(found.lost[0].cells) == {"label", "answer, A", "answer, B"}


def test_a_label_that_only_one_model_knows_has_its_place_in_both() -> None:
    rows, kind = tiny.rows(80), "text/classification"
    few = [name for name in tiny.LABELS if name != "tech"]
    known = [row for row in rows if row["label"] != "tech"]
    a = answers(known, few, [], kind)
    a.labels.update({row["id"]: "tech" for row in rows if row["label"] == "tech"})  # type: ignore[attr-defined]
    a.probabilities.update({row["id"]: np.full((1, 4), 0.25) for row in rows if row["label"] == "tech"})  # type: ignore[attr-defined]
    found = quality.compare(load_kind(kind), a, answers(rows, tiny.LABELS, [], kind), {}, {}, TERMS)
    assert found is not None
    assert found.comparison.verdict == "better"
    assert found.gained_rows == 16
    assert found.comparison.categories["tech"].champion == 0


def test_nothing_in_common_is_no_quality() -> None:
    rows, kind = tiny.rows(80), "text/classification"
    first, second = (answers(half, tiny.LABELS, [], kind) for half in (rows[:40], rows[40:]))
    assert quality.compare(load_kind(kind), first, second, {}, {}, TERMS) is None
