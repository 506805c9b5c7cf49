"""A student of texts as it is proposed: sections of a run, and how much work it is to make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.proposals.proposal import Value, Work
from tasks.proposals.text import values


@dataclass(frozen=True)
class Student:
    prune: Mapping[str, Value]
    distill: Mapping[str, Value]
    quantize: Mapping[str, Value]
    gates: Value
    work: Work
    """Of its distillation, the teacher's answers included."""


def gates(quality: float, speedup: float, folder: float) -> Value:
    """Gates of a student whose folder should have so many bytes."""
    figures = {
        "min_quality_ratio": quality,
        "min_speedup": speedup,
        "max_bytes": int(round(values.SLACK * folder, -4)),
    }
    return Value(figures, "what the preset promises")
