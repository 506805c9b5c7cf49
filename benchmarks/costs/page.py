"""The page of measured costs, from the figures in its JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from benchmarks.costs.growth import Curve
from benchmarks.costs.jobs import QUICK, RELATIONS
from benchmarks.costs.sizes import Grid, Point

Result = Mapping[str, Any]
SERIES = {
    "labelling": "from texts to logits, tokenizer and model, in batches of 64",
    "distilling": "the steps of one epoch, on logits alone",
    "distilling with relations": f"the same with `relations.weight: {RELATIONS['weight']:g}`, for which the "
    "run's teacher reads every batch",
    "benchmarking": "the whole stage: models opened, the teacher's int8 graph made, latency and memory "
    "measured, all written",
    "answers of a benchmark": "of that, the answers of all variants to all rows, each variant's summed up",
}
FACTORS = {
    "rows": "rows",
    "tokens": "tokens",
    "parameters": "model",
    "parameters without the table of words": "model",
}
"""What is told as growing -> the field of a point that differs."""
MILLION = 1e6


def curve(result: Result, grid: Grid, series: str, factor: str) -> Curve:
    points = grid.curve(FACTORS[factor])
    return Curve(
        [_size(result, point, factor) for point in points],
        [result["seconds"][point.name][series] for point in points],
    )


def _size(result: Result, point: Point, factor: str) -> int:
    model = result["models"][point.model]
    sizes = {"rows": point.rows, "tokens": point.tokens, "parameters": model["parameters"]}
    return int(sizes.get(factor, model["without_words"]))


def curves(result: Result, grid: Grid) -> Iterator[tuple[str, str, Curve]]:
    """(series, factor, curve)."""
    for series in SERIES:
        for factor in FACTORS:
            yield series, factor, curve(result, grid, series, factor)


def growth(result: Result, grid: Grid) -> dict[str, dict[str, dict[str, float]]]:
    """Series -> factor -> the figures of its law, as they stand in the JSON."""
    told: dict[str, dict[str, dict[str, float]]] = {}
    for series, factor, one in curves(result, grid):
        (low, high), exponent = one.exponents, one.law[1]
        figures = {"exponent": exponent, "exponent_low": low, "exponent_high": high, "miss": one.miss}
        told.setdefault(series, {})[factor] = {name: round(value, 4) for name, value in figures.items()}
    return told


def markdown(result: Result, grid: Grid, picture: str) -> str:
    """`picture`: its path as seen from the page."""
    parts = [
        _head(result),
        f"![Seconds by rows, tokens and parameters]({picture})",
        _measured(result, grid),
        _laws(result, grid),
    ]
    return "\n\n".join([*parts, _readings(result, grid), _how(result)]) + "\n"


def _head(result: Result) -> str:
    hardware = result["hardware"]
    versions = ", ".join(
        f"{name} {hardware[name]}" for name in ("torch", "onnxruntime", "transformers", "tokenizers")
    )
    others = [one for one in result["others"] if one is not None]
    busy = _between(others) if others else "an unknown number of"
    return f"""# What labelling, distilling and benchmarking cost

Made by `{result["command"]}` on {result["date"]}; every round's seconds are in the JSON beside this page.

Machine: {hardware["cpu"]}, {hardware["cores"]} cores, {hardware["threads"]} threads, {hardware["system"]}, Python {hardware["python"]};
{versions}; load {_between(result["load"])} when rounds began, {busy} processors kept busy by others."""  # noqa: E501


def _between(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    return f"{low} to {high}" if low < high else f"{low}"


def _measured(result: Result, grid: Grid) -> str:
    lines = [
        "## Measured",
        "",
        "Wall seconds: the median of the rounds, and in brackets the least and the greatest. One factor "
        "differs from the middle at a time.",
        "",
        f"| rows | tokens per row | parameters, million (without words) | {' | '.join(SERIES)} |",
        "|---:|---:|---:|" + "---:|" * len(SERIES),
    ]
    points = dict.fromkeys(point for factor in ("rows", "tokens", "model") for point in grid.curve(factor))
    for point in points:
        model, seconds = result["models"][point.model], result["seconds"][point.name]
        size = f"{model['parameters'] / MILLION:.1f} ({model['without_words'] / MILLION:.1f})"
        lines.append(
            f"| {point.rows:,} | {point.tokens} | {size} | "
            f"{' | '.join(_spread(seconds[series]) for series in SERIES)} |"
        )
    rounds = {series: len(next(iter(result["seconds"].values()))[series]) for series in SERIES}
    told = ", ".join(f"{series} {count}" for series, count in rounds.items())
    models = "; ".join(
        f"{name}: {model['layers']} layers of {model['hidden']}, feed-forward {model['ffn']}, "
        f"{model['vocabulary']:,} pieces"
        for name, model in sorted(result["models"].items(), key=lambda item: item[1]["parameters"])
    )
    return "\n".join([*lines, "", f"Rounds: {told}.", f"Models: {models}."])


def _spread(seconds: Sequence[float]) -> str:
    return f"{_short(median(seconds))} ({_short(min(seconds))} to {_short(max(seconds))})"


def _short(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds >= 10 else f"{seconds:.2f}"


def _laws(result: Result, grid: Grid) -> str:
    lines = [
        "## What grows how",
        "",
        "The exponent b of seconds = a · size^b through the three medians, in brackets from the least to "
        "the greatest of single rounds;",
        "1 is in proportion, 0 not at all. Beside it how far the farthest median is off that law: where a "
        "part stays the same whatever",
        "the size, seconds are no power of it, and the exponent holds for these sizes only.",
        "",
        f"| | {' | '.join(FACTORS)} |",
        "|---|" + "---:|" * len(FACTORS),
    ]
    for series, factors in growth(result, grid).items():
        cells = [
            f"{one['exponent']:.2f} ({one['exponent_low']:.2f} to {one['exponent_high']:.2f}), off by "
            f"{one['miss']:.0%}"
            for one in factors.values()
        ]
        lines.append(f"| {series} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _readings(result: Result, grid: Grid) -> str:
    lines = [f"* **{series}, {factor}**: {one.reading()}." for series, factor, one in curves(result, grid)]
    return "\n".join(["In words:", "", *lines])


def _how(result: Result) -> str:
    inside = "\n".join(f"* {series}: {what}." for series, what in SERIES.items())
    return f"""## What is inside

{inside}

Loading and saving models is in the whole of a benchmark alone. Its params are those of `{result["run"]}`, but for latency:
{QUICK["rounds"]} rounds on {QUICK["latency_inputs"]} inputs. The rows are those it judges on, the model is its student, and the run's
teacher its teacher.

Rows are texts of the run's pool and training rows, joined and cut so that each has just as many tokens; their labels are any. Models are
the run's teacher, pruned: speed does not depend on how good weights are. Rounds go through all sizes in turns.
The test split was not opened."""  # noqa: E501
