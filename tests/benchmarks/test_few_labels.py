"""What is drawn, what `slipway new` gets of it, and how the draws are told."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from benchmarks import few_labels
from flows.starting import look

ROWS = [(f"text {number}", "abc"[number % 3]) for number in range(60)] + [("rare", "d"), ("seldom", "d")]


def test_a_draw_has_so_many_of_each_class_and_all_of_a_rare_one() -> None:
    drawn, rest = few_labels.draw(ROWS, 4, 0)
    assert [sum(label == one for _, label in drawn) for one in "abcd"] == [4, 4, 4, 2]
    assert sorted(drawn + rest) == sorted(ROWS)
    assert few_labels.draw(ROWS, 4, 0)[0] == drawn != few_labels.draw(ROWS, 4, 1)[0]


def test_the_source_has_a_split_and_unlabelled_texts(tmp_path: Path) -> None:
    drawn, rest = few_labels.draw(ROWS, 4, 0)
    folder = few_labels.lay_out(tmp_path / "source", drawn, rest, ROWS[:3])
    looked = look.look(folder)
    assert set(looked.sides) == {"train", "test"}
    assert len(looked.raw.rows) == len(drawn) + 3
    assert (folder / "unlabelled" / "texts.txt").read_text().splitlines() == [text for text, _ in rest]


def test_rows_are_read_whatever_their_columns_are_called(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter=";").writerows(
            [("intent", "utterance"), *((label, f"say, {text} please") for text, label in ROWS)]
        )
    assert few_labels.read(file) == [(f"say, {text} please", label) for text, label in ROWS]


def test_the_table_has_means_and_spread() -> None:
    def one(teacher: float, setfit: float) -> dict[str, Any]:
        return {
            "headline": "macro_f1",
            "baseline": {"macro_f1": 0.5},
            "described": {"macro_f1": 0.4},
            "teacher": {"macro_f1": teacher},
            "setfit": {
                "macro_f1": setfit,
                "difference_to_teacher_low": setfit - teacher - 0.01,
                "difference_to_teacher_high": setfit - teacher + 0.02,
            },
            "final": {
                "macro_f1": 0.8,
                "quality_ratio": 0.98,
                "quality_ratio_low": 0.97,
                "quality_ratio_high": 0.99,
                "speedup": 20.0,
                "size_ratio": 25.0,
            },
        }

    lines = few_labels.table({"a": one(0.85, 0.8), "b": one(0.87, 0.84)}).splitlines()
    assert lines[2] == (
        "| a | 0.400 | 0.500 | 0.800 | 0.850 | +0.050 [+0.030, +0.060] | 0.800 | 98.0% [97.0%, 99.0%] | 20.0 "
        "| 25.0 |"
    )
    assert lines[-1].startswith(
        "| mean ± sd | 0.400 ± 0.000 | 0.500 ± 0.000 | 0.820 ± 0.028 | 0.860 ± 0.014 | +0.040 ± 0.014 |"
    )
