"""Prompts without completions, answered by the teacher itself: its students learn from what it writes (Kim
and Rush, Sequence-Level Knowledge Distillation, 2016).
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.core.progress import track
from tasks.kinds.base.generation import Writer
from tasks.kinds.base.rows import Row

AT_ONCE = 32


def answered(writer: Writer, rows: Sequence[Row]) -> list[Row]:
    """The rows with what a model writes as labels."""
    order = sorted(range(len(rows)), key=lambda place: len(rows[place]["text"]))  # like lengths together
    found: list[Row] = list(rows)
    for start in track(range(0, len(order), AT_ONCE), label="teacher writes"):
        places = order[start : start + AT_ONCE]
        written = writer.write([rows[place]["text"] for place in places])
        for place, one in zip(places, written, strict=True):
            found[place] = {**rows[place], "label": one.text}
    return found
