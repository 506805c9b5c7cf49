"""What a benchmark found, in words and tables: report.md for the reader, `summary` for the end of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.benchmark import gates, speed_section, written
from tasks.benchmark.grid import NOT_KNOWN, Figures, grid, variants, with_bounds
from tasks.core import escape
from tasks.core.escape import markdown as escaped

MEGABYTE = 1e6
MISTAKES, BEST = 20, 10
LONGEST_LABEL = 40


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
    best: Sequence[Mapping[str, str]]
    """The best texts of the final model, likewise; none where answers are no texts."""
    drawn: Sequence[str]
    """Pictures of answers that there are, by name."""


def markdown(figures: Figures, timings: Figures, tables: Tables) -> str:
    parts = [
        "# Benchmark",
        *_in_short(figures, timings),
        *_gates(figures, timings),
        *_pictures(tables),
        *_beside_teacher(figures),
        *written.section(figures),
        *_classes(tables),
        *_mistakes(tables),
        *_best(tables),
        *speed_section.lines(figures, timings),
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
        bounds, ratios = with_bounds(figures[name], headline), [faster(timings, name), smaller(figures, name)]
        rows.append([name, bounds, *ratios, *_costs(figures, timings, name)])
    nearest = f" {written.NEAREST_IS}" if written.NEAREST in figures else ""
    return [
        grid(heads, rows),
        f"`baseline` is {gates.baseline_of(figures)}; `teacher` the fine-tuned model in torch, "
        "32-bit "
        "floats; `teacher_int8` the "
        "teacher exported and quantized, nothing else; `pruned` the student before, `distilled` after it "
        "learned from the teacher; `final` "
        f"the folder that ships. Faster and smaller are against `teacher`.{nearest}",
    ]


def _costs(figures: Figures, timings: Figures, name: str) -> list[str]:
    """Parameters, megabytes and memory of a model."""
    if name not in timings:
        return [NOT_KNOWN] * 3
    own, memory = figures[name], timings[name]["peak_rss_mb"]
    return [f"{own['parameters'] / 1e6:.2f} M", f"{own['bytes'] / MEGABYTE:.2f}", f"{memory:.0f}"]


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
        rows.append([name, share, difference, visible, with_bounds(own, "agreement"), _if_known(own, "ece")])
    above = "above" if teacher["difference_to_baseline_low"] > 0 else "not shown to be above"
    baseline = "linear baseline" if gates.baseline_of(figures) == gates.LINEAR else "baseline"
    return [
        "## Beside the teacher",
        grid(heads, rows),
        f"The teacher is {above} the {baseline}: the difference is "
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


def _if_known(figures: Mapping[str, float], name: str) -> str:
    return with_bounds(figures, name) if name in figures else NOT_KNOWN


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
    return ["## Label by label", grid(heads, rows), told]


def _mistakes(tables: Tables) -> list[str]:
    if not tables.mistakes:
        return ["## Worst errors", "There is none: every row was answered right."]
    picture = ["![worst errors](mistakes.png)"] if tables.pictured else []
    return [
        "## Worst errors",
        "The wrong answers that the final model was surest of; of texts those farthest from the right ones.",
        *picture,
        _numbered(tables.mistakes),
    ]


def _best(tables: Tables) -> list[str]:
    if not tables.best:
        return []
    said = "The texts of the final model that are nearest to the right ones; what it can do at its best."
    return ["## Best answers", said, _numbered(tables.best)]


def _numbered(lines: Sequence[Mapping[str, str]]) -> str:
    cells = escape.table([list(one.values()) for one in lines])
    return grid(["no.", *lines[0]], [[str(number), *one] for number, one in enumerate(cells, 1)], "---")


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


def faster(timings: Figures, name: str) -> str:
    return f"{timings[name]['speedup']:.1f}" if name in timings else NOT_KNOWN


def smaller(figures: Figures, name: str) -> str:
    size = figures[name].get("bytes")
    return f"{figures['teacher']['bytes'] / size:.1f}" if size else NOT_KNOWN
