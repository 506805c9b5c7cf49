"""What a benchmark found, in words and tables: report.md for the reader, `summary` for the end of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.benchmark import gates
from tasks.benchmark.latency import HEADLINE
from tasks.core import escape
from tasks.core.escape import markdown as escaped

Figures = Mapping[str, Any]
NOT_KNOWN = "–"
MEGABYTE = 1e6
MISTAKES = 20
LONGEST_LABEL = 40
NOT_VARIANTS = frozenset({"gates", "measured", "hardware", "load", "categories", "points"})


@dataclass(frozen=True)
class Tables:
    """What the report shows beside the two dicts of figures."""

    labels: Sequence[str]
    teacher_by_class: Sequence[Mapping[str, float]]
    final_by_class: Sequence[Mapping[str, float]]
    mistakes: Sequence[Mapping[str, str]]
    """Of the final model, the surest first; a line each by heads that all have."""
    pictured: bool
    """Whether mistakes.png shows them, in the same order."""
    drawn: Sequence[str]
    """Pictures of answers that there are, by name."""


def variants(figures: Figures) -> list[str]:
    return [name for name in figures if name not in NOT_VARIANTS]


def markdown(figures: Figures, timings: Figures, tables: Tables) -> str:
    parts = [
        "# Benchmark",
        *_in_short(figures, timings),
        *_gates(figures, timings),
        *_pictures(tables),
        *_beside_teacher(figures),
        *_classes(tables),
        *_mistakes(tables),
        *_speed(figures, timings),
        *_how(figures),
        *_next(),
    ]
    return "\n\n".join(parts) + "\n"


def _in_short(figures: Figures, timings: Figures) -> list[str]:
    headline = figures["measured"]["headline"]
    heads = [
        "variant",
        f"{headline} (95 % interval)",
        "× faster",
        "× smaller",
        "parameters",
        "MB",
        "peak memory, MiB",
    ]
    rows = []
    for name in variants(figures):
        own, speed = figures[name], timings[name]
        parameters = f"{own['parameters'] / 1e6:.2f} M"
        size = f"{own['bytes'] / MEGABYTE:.2f}"
        memory = f"{speed['peak_rss_mb']:.0f}"
        rows.append(
            [
                name,
                with_bounds(own, headline),
                faster(speed),
                smaller(figures, name),
                parameters,
                size,
                memory,
            ]
        )
    return [
        _table(heads, rows),
        "`baseline` is a linear model on the same training rows; `teacher` the fine-tuned model in torch, "
        "32-bit "
        "floats; `teacher_int8` the "
        "teacher exported and quantized, nothing else; `pruned` the student before, `distilled` after it "
        "learned from the teacher; `final` "
        "the folder that ships. Faster and smaller are against `teacher`.",
    ]


def _gates(figures: Figures, timings: Figures) -> list[str]:
    passed, lines = gates.evaluate(figures, timings)
    return ["## Gates", f"**{verdict(passed, lines)}**", "\n".join(f"* {line}" for line in lines)]


def verdict(passed: bool, lines: Sequence[str]) -> str:
    """Of the gates; no better than the linear baseline is said there, for no gate asks about it."""
    below = f" The model is {gates.BELOW}." if any(gates.BELOW in line for line in lines) else ""
    return ("All gates passed." if passed else "NOT all gates passed.") + below


def _pictures(tables: Tables) -> list[str]:
    names = {"confusion": "confusion matrix", "reliability": "reliability diagram"}
    shown = ["![quality against latency](quality_latency.png)"]
    return ["## Pictures", *shown, *(f"![{names[name]}]({name}.png)" for name in tables.drawn)]


def _beside_teacher(figures: Figures) -> list[str]:
    headline, teacher = figures["measured"]["headline"], figures["teacher"]
    heads = [
        "variant",
        f"share of the teacher's {headline}",
        "difference",
        "smallest visible",
        "agreement",
        "calibration error",
    ]
    rows = []
    for name in variants(figures):
        own = figures[name]
        share, difference, visible = "1", "0", NOT_KNOWN
        if name != "teacher":
            share, difference = with_bounds(own, "quality_ratio"), with_bounds(own, "difference_to_teacher")
            visible = f"{own['smallest_visible_difference']:.3f}"
        rows.append(
            [name, share, difference, visible, with_bounds(own, "agreement"), with_bounds(own, "ece")]
        )
    above = "above" if teacher["difference_to_baseline_low"] > 0 else "not shown to be above"
    return [
        "## Beside the teacher",
        _table(heads, rows),
        f"The teacher is {above} the linear baseline: the difference is "
        f"{with_bounds(teacher, 'difference_to_baseline')}.",
        "Intervals are paired: each resample takes the same rows for all variants. *Smallest visible* is "
        "half the "
        "interval's width: a smaller "
        "true difference could not have been seen on so few rows. *Agreement* is the share of decisions "
        "made as the teacher makes them. "
        "*Calibration error* (ECE) is the mean distance between how sure a variant is and how often it is "
        "right, in 15 "
        "bins of equal width.",
    ]


def _classes(tables: Tables) -> list[str]:
    if not tables.labels:
        return []
    heads = ["no.", "label", "rows", "precision", "recall", "F1", "teacher: precision", "recall", "F1"]
    rows = []
    for number, (label, own, teacher) in enumerate(
        zip(tables.labels, tables.final_by_class, tables.teacher_by_class, strict=True)
    ):
        scores = [f"{each[name]:.3f}" for each in (own, teacher) for name in ("precision", "recall", "f1")]
        rows.append([str(number), escape.wrapped(label, LONGEST_LABEL), f"{own['support']:.0f}", *scores])
    worst = min(zip(tables.labels, tables.final_by_class, strict=True), key=lambda pair: pair[1]["f1"])
    told = f"Of the final model; the teacher beside it. Worst: {escaped(worst[0])}, F1 {worst[1]['f1']:.3f}."
    return ["## Label by label", _table(heads, rows), told]


def _mistakes(tables: Tables) -> list[str]:
    if not tables.mistakes:
        return ["## Worst errors", "There is none: every row was answered right."]
    heads = ["no.", *tables.mistakes[0]]
    rows = [
        [str(number), *cells]
        for number, cells in enumerate(escape.table([list(one.values()) for one in tables.mistakes]), 1)
    ]
    picture = ["![worst errors](mistakes.png)"] if tables.pictured else []
    return [
        "## Worst errors",
        "The wrong answers that the final model was surest of.",
        *picture,
        _table(heads, rows, "---"),
    ]


def _speed(figures: Figures, timings: Figures) -> list[str]:
    machine, load, final = timings["hardware"], timings["load"], timings["final"]
    # Torch threads that wait for each other on a busy machine stand still: such ratios were seen ten times
    # too high.
    taken = load["before"] / 2 if load["others"] is None else load["others"]
    warning = " **The machine was busy: do not trust milliseconds, nor any ratio with several threads.**"
    busy = (
        f"about {taken:.2f} processors busy with other work.{warning if taken > machine['cores'] / 4 else ''}"
    )
    return [
        "## Speed",
        "Headline: the input as the user has it to the answer, all preparation included, batch 1, one "
        "thread, "
        f"{timings['measured']['inputs']} "
        f"real inputs of the {figures['measured']['split']} split, against the teacher in torch. The "
        "variants are timed "
        "in turns, each round "
        f"begins with another one, after a warm-up; told is the median over {timings['measured']['rounds']} "
        "rounds of "
        "the ratio within a round. "
        f"For `final` it is {final['speedup']:.2f}, quartiles {final['speedup_quartile_1']:.2f} to "
        f"{final['speedup_quartile_3']:.2f}.",
        f"Machine: {escaped(machine['cpu'])}, {machine['cores']} cores; torch {machine['torch']}, "
        "onnxruntime "
        f"{machine['onnxruntime']}. Load average before {load['before']}, after {load['after']}, this run's "
        f"own work in it; {busy}",
        "Times faster than the teacher, by the way of asking (all but the headline with fewer rounds and "
        "inputs):",
        _by_course(figures, timings, "times_faster", lambda ratio: f"{ratio:.1f}"),
        "Milliseconds per input, p50 / p95 / p99:",
        _by_course(
            figures,
            timings,
            "latency_ms",
            lambda percentiles: " / ".join(f"{value:.2f}" for value in percentiles.values()),
        ),
        "With several threads both runtimes let theirs sleep between calls (`OMP_WAIT_POLICY=PASSIVE` for "
        "torch), as on a machine that is "
        "shared: that slows torch down on short inputs, so read those ratios with care.",
        "Inputs per second, model only:",
        _by_course(figures, timings, "throughput", lambda inputs: f"{inputs:.0f}"),
        "Peak memory is that of a process which opens the variant and answers 32 inputs, libraries "
        "included; for "
        "`baseline` with its fitting.",
    ]


def _by_course(figures: Figures, timings: Figures, key: str, show: Callable[[Any], str]) -> str:
    """A line per course, a column per variant."""
    names = variants(figures)
    return _table(
        ["", *names],
        [
            [_words(course), *(show(timings[name][key][course]) for name in names)]
            for course in timings["teacher"][key]
        ],
    )


def _how(figures: Figures) -> list[str]:
    measured = figures["measured"]
    frozen = (
        "The test split is read by this stage only, once per run of it: the recipe was chosen on the "
        "validation split. "
        "Whoever changes the recipe "
        "after having seen this page has used the test split up."
        if measured["split"] == "test"
        else "These figures are of the validation split, on which the recipe is chosen; they flatter. The "
        "test split was not read."
    )
    return [
        "## How quality was measured",
        f"{measured['rows']} rows of the {measured['split']} split, {measured['resamples']} bootstrap "
        "resamples, 95 % "
        "percentile intervals. "
        "They say what other rows of the same kind could have given; not what another seed of the training "
        "could have. "
        "`final` and `teacher_int8` "
        "were asked row by row, as when served. " + frozen,
    ]


def _next() -> list[str]:
    return [
        "## Where to look next",
        "* `../metrics.json`, `../timings.json`: every figure of this page\n"
        "* `../quality.json`, `../speed.json`: the few that `dvc metrics` shows\n"
        "* `../out/predictions.parquet`: each row's probabilities by variant; look at the rows where "
        "`final` and `teacher` differ\n"
        "* `../plots/`: the tables behind the pictures; `dvc plots diff` compares them with another commit\n"
        "* `dvc metrics diff`, `dvc params diff`: what changed, and by what",
    ]


def _words(course: str) -> str:
    words = course.replace("_", " ").replace("answer", "input to answer")
    return f"**{words}**" if course == HEADLINE else words


def with_bounds(figures: Mapping[str, float], name: str) -> str:
    return f"{figures[name]:.3f} [{figures[f'{name}_low']:.3f}, {figures[f'{name}_high']:.3f}]"


def faster(timings: Mapping[str, float]) -> str:
    return f"{timings['speedup']:.1f}"


def smaller(figures: Figures, name: str) -> str:
    return f"{figures['teacher']['bytes'] / figures[name]['bytes']:.1f}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], alignment: str = "---:") -> str:
    """Cells are Markdown already."""
    lines = [heads, ["---", *[alignment] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
