"""What the benchmark leaves beside figures: tables and pictures of confusions, reliability and mistakes."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.benchmark import metrics, plots, report
from tasks.core import escape
from tasks.kinds.base.kind import Kind, Row, Truth
from tasks.kinds.base.quality import decided

if TYPE_CHECKING:
    import numpy as np


def write_plots(out: Path, kind: Kind, answers: Mapping[str, np.ndarray], truth: Truth) -> list[str]:
    """The confusion matrix of the final model and the reliability of its probabilities, as tables and as
    pictures; returns the names of the pictures.

    Kinds without categories have no confusions, answers that are texts no probabilities: their tables then
    have no rows.
    """
    drawn = []
    pairs: list[Mapping[str, Any]] = []
    if categories := kind.quality.categories:
        names, counts = metrics.confusion(categories, answers["final"], truth)
        coarse, guesses = categories.coarse(truth.names), decided(answers["final"])
        pairs = [
            {"actual": coarse[true], "predicted": coarse[guess]}
            for true, guess in zip(truth.labels, guesses, strict=True)
        ]
        plots.confusion(counts, names, out / "report" / "confusion.png")
        drawn.append("confusion")
    _csv(out / "plots" / "confusion.csv", ["actual", "predicted"], pairs)
    bins = {
        name: metrics.reliability(answers[name], truth.labels)
        for name in ("teacher", "final")
        if answers[name].ndim == 2
    }
    if bins:
        plots.reliability(bins, out / "report" / "reliability.png")
        drawn.append("reliability")
    heads = ["variant", "bin", "rows", "confidence", "accuracy"]
    listed = ({"variant": name, **_rounded(one)} for name, each in bins.items() for one in each)
    _csv(out / "plots" / "reliability.csv", heads, listed)
    return drawn


def mistakes(
    folder: Path, kind: Kind, answers: np.ndarray, truth: Truth, rows: Sequence[Row]
) -> tuple[list[dict[str, str]], bool]:
    """The worst errors as lines of a table; and whether a sheet of pictures shows them, too."""
    wrong = metrics.worst(kind, answers, truth, report.MISTAKES)
    listed = _lines(kind, answers, truth, rows, wrong)
    seen = [kind.report.shown(rows[row]) for row in wrong]
    if pictures := [one for one in seen if not isinstance(one, str)]:
        captions = ["\n".join(f"{head}: {cell}" for head, cell in one.items()) for one in listed]
        plots.thumbnails(pictures, captions, folder / "mistakes.png")
    return listed, bool(pictures)


def best(kind: Kind, answers: np.ndarray, truth: Truth, rows: Sequence[Row]) -> list[dict[str, str]]:
    """The best texts as lines of the same table; none where answers are no texts."""
    return _lines(kind, answers, truth, rows, metrics.best(kind, answers, truth, report.BEST))


def _lines(
    kind: Kind, answers: np.ndarray, truth: Truth, rows: Sequence[Row], chosen: Sequence[int]
) -> list[dict[str, str]]:
    """The answers to the chosen rows beside the right ones."""
    own = {row: truth.of_row(row) for row in chosen}
    return [
        kind.report.mistake(rows[row], answers[own[row]], truth.labels[own[row]], truth.names)
        for row in chosen
    ]


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in values.items()}


def _csv(file: Path, heads: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    listed = [{name: escape.cell(value) for name, value in row.items()} for row in rows]
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, heads, lineterminator="\n")
        writer.writeheader()
        writer.writerows(listed)
