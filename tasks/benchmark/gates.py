"""The promises of a run: least quality, least speed, greatest size.

The benchmark records whether they were kept, never fails.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.core.errors import DataError

FILES = ("metrics.json", "timings.json")
MEGABYTE = 1e6
LINEAR = "a linear model on the same training rows"
"""What the baseline is, where figures do not say otherwise."""
BELOW = "NOT ABOVE THE LINEAR BASELINE"
"""The warning that everything that tells of a benchmark repeats."""
SANE = 1e9


def of_figures(
    final: Mapping[str, Any], headline: str, min_quality_ratio: float, max_bytes: int
) -> dict[str, Any]:
    """Quality and size: the same for the same inputs, so they stand in metrics.json."""
    ratio, low, high = (final[f"quality_ratio{end}"] for end in ("", "_low", "_high"))
    sure = (
        "is also above it"
        if low >= min_quality_ratio
        else "is below it: on so few rows the figure alone shows it, the interval does not"
    )
    quality = (
        f"{ratio:.4f} of the teacher's {headline} (95 % interval {low:.4f} to {high:.4f}); at least "
        f"{min_quality_ratio:g} was asked"
    )
    if ratio >= min_quality_ratio:
        quality += f"; the lower end {sure}"
    size = f"{final['bytes'] / MEGABYTE:.2f} MB; at most {max_bytes / MEGABYTE:.2f} MB was asked"
    return _all(
        quality=_gate(ratio, min_quality_ratio, ratio >= min_quality_ratio, quality),
        size=_gate(final["bytes"], max_bytes, final["bytes"] <= max_bytes, size),
    )


def of_timings(final: Mapping[str, Any], min_speedup: float) -> dict[str, Any]:
    """Speed: of the day, so it stands in timings.json."""
    value, low, high = final["speedup"], final["speedup_quartile_1"], final["speedup_quartile_3"]
    reason = (
        f"{value:.2f} times the teacher's speed (quartiles of the rounds {low:.2f} to {high:.2f}); at "
        f"least {min_speedup:g} was asked"
    )
    return _all(speed=_gate(value, min_speedup, value >= min_speedup, reason))


def _gate(value: float, bound: float, passed: bool, reason: str) -> dict[str, Any]:
    return {"value": value, "bound": bound, "passed": passed, "reason": reason}


def _all(**gates: dict[str, Any]) -> dict[str, Any]:
    return {"passed": all(gate["passed"] for gate in gates.values()), **gates}


def verdict(folder: Path) -> tuple[bool, list[str]]:
    """Whether all gates of a benchmark folder are passed, and a line for each.

    Raises:
        DataError: there are no figures yet.
    """
    return evaluate(*read(folder))


def evaluate(figures: Mapping[str, Any], timings: Mapping[str, Any]) -> tuple[bool, list[str]]:
    """Whether all gates are passed, a line for each, and one that says where the linear baseline stands,
    which is no gate.
    """
    gates = {
        name: gate for part in (figures, timings) for name, gate in part["gates"].items() if name != "passed"
    }
    lines = [
        f"{name}: {'passed' if gate['passed'] else 'NOT PASSED'}: {gate['reason']}"
        for name, gate in gates.items()
    ]
    return all(gate["passed"] for gate in gates.values()), [*lines, *filter(None, [beside_baseline(figures)])]


def beside_baseline(figures: Mapping[str, Any]) -> str:
    """How the model that ships stands beside a linear model on the same training rows; it says `BELOW` if the
    model is no better.

    Empty where the figures know no baseline.
    """
    headline = _at(figures, "measured", "headline")
    final, linear = (
        [_at(figures, name, f"{headline}{end}") for end in ("", "_low", "_high")]
        for name in ("final", "baseline")
    )
    if not all(isinstance(one, int | float) and abs(one) < SANE for one in (*final, *linear)):
        return ""
    own, other = (
        f"{value:.4f} (95 % interval {low:.4f} to {high:.4f})" for value, low, high in (final, linear)
    )
    standing = (
        BELOW
        if final[0] <= linear[0]
        else "the model is above it"
        if final[1] > linear[2]
        else "the model is above it, not beyond noise"
    )
    return f"baseline: {standing}: {headline} {own}; {baseline_of(figures)} has {other}"


def baseline_of(figures: Mapping[str, Any]) -> str:
    """What the baseline is."""
    return str(_at(figures, "measured", "baseline") or LINEAR)


def _at(tree: Any, *path: str) -> Any:
    for key in path:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree


def read(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """metrics.json and timings.json of a benchmark.

    Raises:
        DataError: one is missing or is not what the benchmark writes.
    """
    found: list[dict[str, Any]] = []
    for name in FILES:
        try:
            content = json.loads((folder / name).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DataError(
                f"{folder}/{name}", "there is no such file; run the pipeline first (`make repro`)"
            ) from None
        except (json.JSONDecodeError, UnicodeDecodeError):
            raise DataError(f"{folder}/{name}", "is not readable as JSON; run the benchmark again") from None
        if not isinstance(content, dict) or "gates" not in content:
            raise DataError(f"{folder}/{name}", "has no `gates`; run the benchmark again")
        found.append(content)
    return found[0], found[1]
