"""A review for programs: what it found, without pictures."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from flows.reviewing.compared.quality import Flip, Quality
from flows.reviewing.review import Review, RunReview
from tasks.core import escape

VERSION = 1
"""Of the layout: raised when a key changes its meaning or goes."""


def written(review: Review) -> str:
    """With what a terminal or a reader could be deceived by as JSON's own escapes, which say the same."""
    found = {
        "version": VERSION,
        "a": asdict(review.a),
        "b": asdict(review.b),
        "unchanged": review.unchanged,
        "runs": {one.run: _run(one) for one in review.runs},
    }
    text = json.dumps(found, indent=1, ensure_ascii=False)
    return (
        escape.HIDDEN.sub(lambda sign: sign[0] if sign[0] == "\n" else json.dumps(sign[0])[1:-1], text) + "\n"
    )


def _run(one: RunReview) -> dict[str, Any]:
    costs = one.costs
    return {
        "in_a": one.in_a,
        "in_b": one.in_b,
        "verdict": one.quality.comparison.verdict if one.quality else None,
        "marks": one.marks,
        "why_not": one.why_not,
        "params": [asdict(change) for change in one.params],
        "code": [asdict(source) for source in one.code],
        "raw_changed": one.raw_changed,
        "stale": {"a": one.stale[0], "b": one.stale[1]},
        "behind": {"a": one.behind[0], "b": one.behind[1]},
        "data": asdict(one.data) if one.data else None,
        "quality": _quality(one.quality) if one.quality else None,
        "figures": {
            side: {"metrics": costs.figures[at], "timings": costs.timings[at]} for at, side in enumerate("ab")
        },
        "gates": [asdict(gate) for gate in costs.gates],
        "warnings": costs.warnings,
    }


def _quality(quality: Quality) -> dict[str, Any]:
    found = quality.comparison
    told = {
        key: value for key, value in asdict(quality).items() if key not in ("comparison", "lost", "gained")
    }
    differences = {"difference": found.difference, "categories": dict(found.categories)}
    whole = {key: value for key, value in asdict(found).items() if key not in differences}
    gaps = {
        "difference": _gap(found.difference),
        "categories": {name: _gap(gap) for name, gap in found.categories.items()},
    }
    return {
        **whole,
        **gaps,
        **told,
        "lost_shown": [_flip(one) for one in quality.lost],
        "gained_shown": [_flip(one) for one in quality.gained],
    }


def _gap(gap: Any) -> dict[str, float]:
    return {
        "a": gap.champion,
        "b": gap.challenger,
        "value": gap.value,
        "low": gap.low,
        "high": gap.high,
        "visible": gap.visible,
    }


def _flip(flip: Flip) -> dict[str, Any]:
    return {"id": flip.id, "sure": flip.sure, "cells": flip.cells}
