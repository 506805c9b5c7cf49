"""The figures of a model card.

Quality with intervals beside the teacher and the baseline, and the machine that speed was measured on.
"""

from __future__ import annotations

from typing import Any

from flows.retraining.record.card_facts import JSON, Facts
from flows.retraining.record.card_text import NOT_KNOWN, literal, megabytes, table
from tasks.benchmark import gates
from tasks.benchmark.latency import HEADLINE

VARIANTS = ("baseline", "teacher", "final")
NO_FIGURES = "The benchmark has not been run here: nothing is known."


def quality(facts: Facts) -> list[str]:
    figures, timings = facts.metrics.get("benchmark"), facts.timings
    if figures is None or timings is None or "final" not in figures:
        return ["## Figures", NO_FIGURES]
    measured, names = figures["measured"], [name for name in VARIANTS if name in figures]
    rows = [
        [literal(name.replace("_", " ")), *(_bounded(figures[variant], name) for variant in names)]
        for name in _bounded_names(figures)
    ]
    rows += [["parameters", *(f"{figures[variant]['parameters']:,}" for variant in names)]]
    rows += [["size", *(megabytes(figures[variant]["bytes"]) for variant in names)]]
    rows += [["times faster than the teacher (quartiles)", *(_speed(timings[variant]) for variant in names)]]
    passed, lines = gates.evaluate(figures, timings)
    seen = figures["final"]["smallest_visible_difference"]
    return [
        "## Figures",
        "`final` is this model, `teacher` the large one it learned from, `baseline` "
        f"{literal(gates.baseline_of(figures))}. "
        f"{measured['rows']} rows of the {literal(measured['split'])} split; in brackets 95 % intervals of "
        f"{measured['resamples']} "
        "bootstrap resamples, the same rows for all. They say what other rows of the same kind could have "
        "given, not what another seed "
        f"of the training could have: this is one seed. A difference to the teacher below {seen:.3f} could "
        "not have been seen.",
        table(["", *names], rows),
        f"Gates: **{'all passed' if passed else 'NOT all passed'}**.",
        *(f"**The model is {gates.BELOW}.**" for line in lines if gates.BELOW in line),
        "\n".join(f"* {literal(line)}" for line in lines),
    ]


def hardware(facts: Facts) -> list[str]:
    timings, settings = facts.timings, facts.settings
    trained = (
        f"Trained on: device {literal(settings.get('device'))}, {literal(settings.get('threads'))} "
        "threads, as params say."
    )
    if timings is None:
        return ["## Hardware", trained, NO_FIGURES]
    machine, load, names = (
        timings["hardware"],
        timings["load"],
        [name for name in VARIANTS if name in timings],
    )
    rows = [[literal(name), _latency(timings[name]), f"{timings[name]['peak_rss_mb']:.0f}"] for name in names]
    return [
        "## Hardware",
        trained,
        f"Measured on: {literal(machine['cpu'])}, {literal(machine['cores'])} cores, "
        f"{literal(machine['system'])}; Python "
        f"{literal(machine['python'])}, torch {literal(machine['torch'])}, onnxruntime "
        f"{literal(machine['onnxruntime'])}. "
        f"Load average before {load['before']}, after {load['after']}.",
        "From the input as a user has it to the answer, one at a time, one thread:",
        table(["", "ms, p50 / p95 / p99", "peak memory, MiB"], rows),
    ]


def _bounded_names(figures: JSON) -> list[str]:
    """The figures of the final model that have bounds, in their order."""
    return [name for name in figures["final"] if f"{name}_low" in figures["final"]]


def _bounded(figures: JSON, name: str) -> str:
    if f"{name}_low" not in figures:
        return NOT_KNOWN
    return f"{figures[name]:.3f} \\[{figures[f'{name}_low']:.3f}, {figures[f'{name}_high']:.3f}\\]"


def _speed(timings: JSON) -> str:
    return (
        f"{timings['speedup']:.1f} ({timings['speedup_quartile_1']:.1f} to "
        f"{timings['speedup_quartile_3']:.1f})"
    )


def _latency(timings: JSON) -> str:
    percentiles: dict[str, Any] = timings["latency_ms"].get(HEADLINE, {})
    return " / ".join(f"{value:.2f}" for value in percentiles.values()) or NOT_KNOWN
