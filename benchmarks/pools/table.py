"""What students have in common with their teacher, by the way in which their texts were made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

import numpy as np

from tasks.benchmark.bootstrap import interval, resampled_sums
from tasks.kinds.base.kind import load_kind
from tasks.kinds.base.rows import Truth

RESAMPLES = 2000
HEADER = (
    "| texts beside the labelled rows | how many | {headline} | of its teacher | difference to the first "
    "line | divergence on validation rows |\n|---|---:|---:|---:|---:|---:|"
)


def table(found: Mapping[str, Any]) -> str:
    """A Markdown table: means and standard deviations over the seeds, and the difference to the first way.

    The interval is over the rows, of the mean over the seeds.
    """
    kind = load_kind(found["kind"])
    truth = Truth(np.array(found["right"]), [1] * len(found["right"]), found["labels"])
    by_way: dict[str, dict[str, Mapping[str, Any]]] = {}
    for key, student in found["students"].items():
        way, _, seed = key.rpartition(", seed ")
        by_way.setdefault(way, {})[seed] = student
    answers = [found["teacher"], *(one["answers"] for ways in by_way.values() for one in ways.values())]
    statistics = [kind.quality.statistics(np.array(one), truth) for one in answers]
    sampled = [kind.quality.headline_of(one) for one in resampled_sums(statistics, RESAMPLES, 0)]
    points = [float(kind.quality.headline_of(one.sum(0))) for one in statistics]
    teacher, lines = points[0], [HEADER.format(headline=kind.quality.headline)]
    numbers = iter(range(1, len(points)))
    places = {way: {seed: next(numbers) for seed in ways} for way, ways in by_way.items()}
    first = next(iter(places.values()))
    for way, of_seed in places.items():
        own = [points[at] for at in of_seed.values()]
        shared = [seed for seed in of_seed if seed in first]
        apart = [points[of_seed[seed]] - points[first[seed]] for seed in shared]
        low, high = interval(
            np.mean([sampled[of_seed[seed]] - sampled[first[seed]] for seed in shared], axis=0)
        )
        told = "" if of_seed is first else f"{mean(apart):+.3f} [{low:+.3f}, {high:+.3f}]"
        texts = max(one["texts"] for one in by_way[way].values())
        divergence = _spread([one["divergence"] for one in by_way[way].values()])
        lines.append(
            f"| {way} | {texts:,} | {_spread(own)} | {mean(own) / teacher:.1%} | {told} | {divergence} |"
        )
    rows = f"{found['train']:,} training rows, {len(found['right']):,} that measure"
    return "\n".join([*lines, "", f"{rows}; the teacher has {teacher:.3f}."])


def _spread(values: Sequence[float]) -> str:
    return f"{mean(values):.3f}" + (f" ± {stdev(values):.3f}" if len(values) > 1 else "")
