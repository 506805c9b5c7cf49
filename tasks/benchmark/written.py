"""What is told of models that write beside the figures of their texts: how likely right answers are to them,
what their own look like, and how good an answer is that takes no model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.benchmark.bootstrap import bounded, resampled_sums, rounded
from tasks.benchmark.forms.writing import Writing
from tasks.benchmark.grid import NOT_KNOWN, Figures, grid, variants, with_bounds
from tasks.core import tables

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.benchmark.forms.variants import Variant
    from tasks.kinds.base.kind import Kind, Row

MOST_ROWS = 64
"""Rows whose right answers are read, the first ones: a graph that ships takes a step for each of their
pieces, in each of several variants."""
NEAREST = "nearest"
NEAREST_IS = (
    "`nearest` is no model: it answers with the completion of the training row whose prompt is nearest "
    "(TF-IDF)."
)
LENGTH = "length_ratio"
"""The figure of quality, where a kind has it, that tells how long answers are beside right ones."""
NATS, PERPLEXITY = "nats_per_row", "perplexity"
TEACHER = "teacher"


def with_nearest(
    answers: Mapping[str, np.ndarray], kind: Kind, known: Path, rows: Sequence[Row]
) -> dict[str, np.ndarray]:
    """The answers by variant, behind those of the baseline the ones of the nearest training rows, which a
    table holds; of kinds that do not write as they are.
    """
    if not kind.generation:
        return dict(answers)
    found = np.array(kind.generation.nearest(tables.read(known), rows))
    first, *others = answers.items()
    return dict([first, (NEAREST, found), *others])


def add(
    figures: dict[str, Any],
    kind: Kind,
    found: Sequence[Variant],
    answers: Mapping[str, np.ndarray],
    rows: Sequence[Row],
    resamples: int,
    seed: int,
) -> None:
    """Adds it to the figures of models that write; to no others."""
    if not kind.generation:
        return
    unended = {variant.name: getattr(variant, "unended", 0.0) for variant in found}
    for name, texts in answers.items():
        traits = kind.generation.traits(rows, texts.tolist())
        means = {trait: rounded(float(values.mean())) for trait, values in traits.items()}
        figures[name]["traits"] = {**means, "not_ended": rounded(unended.get(name, 0.0))}
    some = rows[:MOST_ROWS]
    read = {variant.name: variant.nats(some) for variant in found if isinstance(variant, Writing)}
    figures["measured"]["likelihood_rows"] = len(some)
    for name, told in likelihoods(read, TEACHER, resamples, seed).items():
        figures[name]["likelihood"] = told


def likelihoods(
    read: Mapping[str, np.ndarray], reference: str, resamples: int, seed: int
) -> dict[str, dict[str, float]]:
    """Nats per row and perplexity of a piece of each model, with bounds, and the paired difference of the
    nats to those of the reference. `read` holds what `Writing.nats` gives, by model.
    """
    statistics = [np.column_stack([one, np.ones(len(one))]) for one in read.values()]
    sums = resampled_sums(statistics, resamples, seed)
    sampled = {name: _figures(each) for name, each in zip(read, sums, strict=True)}
    points = {name: _figures(each.sum(0)) for name, each in zip(read, statistics, strict=True)}
    result = {}
    for name in read:
        pairs = [
            bounded(figure, float(point), sampled[name][figure]) for figure, point in points[name].items()
        ]
        if name != reference:
            apart = points[name][NATS] - points[reference][NATS]
            drawn = sampled[name][NATS] - sampled[reference][NATS]
            pairs.append(bounded(f"difference_to_{reference}", float(apart), drawn))
        result[name] = dict(pair for each in pairs for pair in each)
    return result


def _figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    """(..., 3) nats, pieces and rows -> each figure (...)."""
    nats, pieces, rows = np.moveaxis(sums, -1, 0)
    return {NATS: nats / rows, PERPLEXITY: np.exp(nats / pieces)}


def section(figures: Figures) -> list[str]:
    """The sections of the report; none where answers are no texts."""
    return [*_likelihood(figures), *_looks(figures)]


def _likelihood(figures: Figures) -> list[str]:
    found = {name: told for name in variants(figures) if (told := figures[name].get("likelihood"))}
    if not found:
        return []
    heads = ["variant", "nats per row", "more than the teacher", "perplexity of a piece"]
    apart = f"difference_to_{TEACHER}"
    rows = [
        [
            name,
            with_bounds(told, NATS),
            with_bounds(told, apart) if apart in told else NOT_KNOWN,
            with_bounds(told, PERPLEXITY),
        ]
        for name, told in found.items()
    ]
    return [
        "## How likely the right answers are",
        grid(heads, rows),
        f"Of the first {figures['measured']['likelihood_rows']} measured rows alone, as a graph takes a step "
        "for each piece that it reads. *Nats per row*: the mean of −ln of the probability of the whole right "
        "answer, its end with it; fewer are better. They compare across vocabularies where no answer is cut. "
        "*Perplexity* is of a piece: it compares only models with the same vocabulary.",
    ]


def _looks(figures: Figures) -> list[str]:
    found = {name: traits for name in variants(figures) if (traits := figures[name].get("traits"))}
    if not found:
        return []
    heads = [name.replace("_", " ") for name in next(iter(found.values()))]
    rows = [
        [name, _length(figures[name]), *(f"{value:.3f}" for value in traits.values())]
        for name, traits in found.items()
    ]
    return [
        "## What the answers look like",
        grid(["variant", "length", *heads], rows),
        "*Length*: words of all answers for each word of the right ones. The others are means over the rows. "
        "*Empty*: no word. *Repeated*: the share of an answer's runs of three words that came before in it. "
        "*Copied*: the share of its words in a run of five that stands in the prompt; *longest copy*: in the "
        "longest run that does. *Not ended*: the greatest length ended the answer.",
    ]


def _length(figures: Figures) -> str:
    return with_bounds(figures, LENGTH) if LENGTH in figures else NOT_KNOWN
