"""Fields are counted by records: a quoted text may go over more lines than there are rows."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tasks.ingest.reading import raw_folder

REVIEWS = [
    [f"first line, {n}\nsecond line of it\nand a third", "good" if n % 3 else "bad"] for n in range(60)
]


@pytest.mark.parametrize("header", [True, False])
def test_texts_over_several_lines_are_one_field(tmp_path: Path, header: bool) -> None:
    with (tmp_path / "reviews.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["review", "sentiment"], *REVIEWS])
    raw = raw_folder.read(tmp_path, header)
    assert [[*row.values.values()] for row in raw.rows][not header :] == REVIEWS
    assert raw.rejected == []


def test_a_quote_that_is_never_closed_does_not_widen_the_table(tmp_path: Path) -> None:
    lines = [f"text {n},label" for n in range(50)]
    lines[3] = '"an open quote,label'
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    raw = raw_folder.read(tmp_path, header=False)
    assert len(raw.rows) == 50
    assert raw.rows[3].values == {"1": '"an open quote', "2": "label"}
