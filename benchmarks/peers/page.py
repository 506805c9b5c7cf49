"""The page of a comparison, and its picture, from the figures in its JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.peers import front, picture, ratios
from benchmarks.peers.front import MEGABYTE, Result
from tasks.benchmark.latency import HEADLINE

KEPT = 0.99
"""Share of the teacher's headline figure below which a recipe is not its peer's best, however fast it is."""
FIRST = front.REFERENCES


def best(result: Result) -> list[str]:
    """The variants that are compared first.

    The references, of each peer its fastest recipe that keeps the quality or else its best, the students.
    """
    peers: dict[str, list[str]] = {}
    for entry in result["entries"]:
        if entry["name"] in result["figures"]:
            peers.setdefault(entry["peer"], []).append(entry["name"])
    return [
        *FIRST,
        *(_best_of(names, result) for names in peers.values()),
        *_measured(result["students"], result),
    ]


def _best_of(names: Sequence[str], result: Result) -> str:
    keeping = [name for name in names if result["figures"][name]["quality_ratio"] >= KEPT]
    if not keeping:
        return max(names, key=lambda name: result["figures"][name]["quality_ratio"])
    return max(keeping, key=lambda name: result["timings"][name]["speedup"])


def _measured(names: Sequence[str], result: Result) -> list[str]:
    return [name for name in names if name in result["figures"]]


def markdown(result: Result, drawing: str) -> str:
    """`drawing`: the picture's path as seen from the page."""
    parts = [
        _head(result),
        _verdict(result),
        f"![Quality against speed]({drawing})",
        front.markdown(result),
        _first_table(result),
        _courses(result),
    ]
    return "\n\n".join([*parts, _recipes(result), _failures(result), _how(result)]) + "\n"


def _head(result: Result) -> str:
    hardware, load, measured = result["timings"]["hardware"], result["timings"]["load"], result["measured"]
    vectors = ", ".join(result["instructions"]) or "vector instructions unknown"
    return f"""# {result["run"]} against the field

Made by `{result["command"]}` on {result["date"]}; the figures of every recipe are in the JSON beside this page.

Machine: {hardware["cpu"]} ({vectors}), {hardware["cores"]} cores, {hardware["system"]}, Python {hardware["python"]};
load {load["before"]} before and {load["after"]} after, {load["others"]} processors kept busy by others.

The same teacher and the same rows to each; quality on the {measured["rows"]} rows of the {result["split"]} split; speed of
{measured["rounds"]} rounds in turns, all variants in one process."""  # noqa: E501


def _verdict(result: Result) -> str:
    """How much faster each student is than the fastest peer that is at least as good, way of asking by way of
    asking."""
    if not any(any(courses.values()) for courses in result["against"].values()):
        return "No peer could be measured." if result["against"] else "No student was measured."
    return "\n\n".join(_of_student(result, student) for student in result["against"])


def _of_student(result: Result, student: str) -> str:
    headline, figures, courses = result["measured"]["headline"], result["figures"], result["against"][student]
    quality = figures[student][headline]
    as_good = {peer for peer in courses[HEADLINE] if figures[peer][headline] >= quality}
    if not as_good:
        return f"**No peer is as good as `{student}`** ({headline} {quality:.3f})."
    kept = {
        course: {peer: quartiles for peer, quartiles in of_course.items() if peer in as_good}
        for course, of_course in courses.items()
    }
    name, (low, middle, high) = ratios.fastest(kept[HEADLINE])
    lines = [
        f"**`{student}` is {middle:.1f} × as fast as the fastest peer that is at least as good, `{name}`** "
        f"({headline} {quality:.3f} and {figures[name][headline]:.3f}; quartiles of the rounds {low:.1f} to "
        f"{high:.1f}; input to answer, batch 1, 1 thread).",
        "",
        "| way of asking | fastest peer as good | times as fast | quartiles of the rounds |",
        "|---|---|---:|---:|",
    ]
    for course, of_course in kept.items():
        name, (low, middle, high) = ratios.fastest(of_course)
        lines.append(f"| {_words(course)} | `{name}` | {middle:.1f} | {low:.1f} to {high:.1f} |")
    return "\n".join(lines)


def _first_table(result: Result) -> str:
    headline, made = result["measured"]["headline"], {entry["name"]: entry for entry in result["entries"]}
    lines = [
        "## Each peer's best recipe",
        "",
        f"Of a peer's recipes the fastest one that keeps {KEPT:.0%} of the teacher's {headline}, or else "
        "its best.",
        "",
        f"| | {headline} | share of the teacher's | times faster | MB | times smaller | peak RSS, MiB | "
        "made in, s (CPU s) |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name in best(result):
        quality, speed = result["figures"][name], result["timings"][name]
        share = _bounded(quality, "quality_ratio") if name != "teacher" else "1"
        cells = [
            _bounded(quality, headline),
            share,
            f"{speed['speedup']:.1f} ({speed['speedup_quartile_1']:.1f} to "
            f"{speed['speedup_quartile_3']:.1f})",
            f"{quality['bytes'] / MEGABYTE:.2f}",
            f"{quality['size_ratio']:.1f}",
            f"{speed['peak_rss_mb']:.0f}" if speed["peak_rss_mb"] is not None else "–",
            f"{made[name]['seconds']:.0f} ({made[name]['cpu_seconds']:.0f})" if name in made else "–",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _bounded(figures: Mapping[str, float], name: str) -> str:
    return f"{figures[name]:.3f} [{figures[f'{name}_low']:.3f}, {figures[f'{name}_high']:.3f}]"


def _courses(result: Result) -> str:
    """Every recipe, every way of asking."""
    courses = list(result["timings"]["teacher"]["times_faster"])
    names = [
        *FIRST,
        *_measured([entry["name"] for entry in result["entries"]], result),
        *_measured(result["students"], result),
    ]
    lines = [
        "## Every recipe: times faster than the teacher in torch",
        "",
        f"| | {' | '.join(map(_words, courses))} | p50, ms | share of the teacher's "
        f"{result['measured']['headline']} |",
        "|---|" + "---:|" * (len(courses) + 2),
    ]
    for name in names:
        speed = result["timings"][name]
        cells = [f"{speed['times_faster'][course]:.1f}" for course in courses]
        share = f"{result['figures'][name]['quality_ratio']:.3f}" if name != "teacher" else "1"
        lines.append(
            f"| {name} | {' | '.join(cells)} | {speed['latency_ms'][HEADLINE]['p50']:.2f} | {share} |"
        )
    return "\n".join([*lines, "", "p50: of the headline, input to answer, batch 1, 1 thread."])


def _words(course: str) -> str:
    return course.replace("_", " ")


def _recipes(result: Result) -> str:
    lines = ["## The recipes", "", "| recipe | what it does |", "|---|---|"]
    lines += [f"| {entry['name']} | {entry['does']} |" for entry in result["entries"]]
    packages = [
        f"* {name}: {', '.join(f'{key} {value}' for key, value in each.items())}"
        for name, each in result["versions"].items()
    ]
    return "\n".join([*lines, "", "Environments:", "", *packages])


def _failures(result: Result) -> str:
    failed = [entry for entry in result["entries"] if entry["error"]]
    if not failed:
        return "## What failed\n\nNothing: every recipe was made, opened and answered."
    return "\n\n".join(
        ["## What failed", *(f"`{entry['name']}`:\n\n```\n{entry['error']}\n```" for entry in failed)]
    )


def _own(result: Result) -> str:
    names = sorted({entry["peer"] for entry in result["entries"] if entry["own_runtime"]})
    if not names:
        return ""
    return (
        f"{', '.join(names)} answer by their own libraries, from the text as it is to probabilities: each of "
        "their times holds all of it, `model only` too, as the baseline's does. "
    )


def _how(result: Result) -> str:
    return f"""## How it was measured

Each peer's script runs in an environment of its own, gets the teacher's and the pretrained checkpoint, the training rows and the texts
that the teacher labelled for the student, and leaves a graph or a model of its own form; `made in` is that process's wall time, and its
processor time. Then all are measured by Slipway's own harness
(`tasks/benchmark/latency.py`) in one process: every ONNX graph in the same onnxruntime with the same session options, OpenVINO's in
OpenVINO with the hint LATENCY. All graphs get the same fast tokenizer, without padding. {_own(result)}All get the same rows one by one. A size is that of the
folder that answers; peak RSS is of a process that opens the variant and answers 32 inputs. Intervals are 95 %,
paired with the teacher on the same resampled rows.

The test split was {"" if result["split"] == "test" else "not "}opened by this run."""  # noqa: E501


def draw(result: Result, file: Path) -> None:
    picture.draw(front.points(result), result["measured"]["headline"], file)
