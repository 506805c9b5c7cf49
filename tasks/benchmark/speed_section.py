"""The section of the report on speed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tasks.benchmark.grid import Figures, grid, timed
from tasks.benchmark.latency import HEADLINE
from tasks.core.escape import markdown as escaped


def lines(figures: Figures, timings: Figures) -> list[str]:
    """The section."""
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
        *_pieces(figures, timings),
        "Peak memory is that of a process which opens the variant and answers 32 inputs, libraries "
        "included; for "
        "`baseline` with its fitting.",
    ]


def _pieces(figures: Figures, timings: Figures) -> list[str]:
    """Of models that write: how many pieces were written, and how long each took."""
    told = {name: timings[name]["pieces"] for name in timed(figures, timings) if "pieces" in timings[name]}
    if not told:
        return []
    rows = [[name, f"{one['of_an_answer']:.1f}", f"{one['milliseconds']:.2f}"] for name, one in told.items()]
    return [
        "Pieces that were written, one after the other, for an answer as long as the right one, and the time "
        "of each behind the first:",
        grid(["variant", "pieces of an answer", "ms per piece"], rows),
    ]


def _by_course(figures: Figures, timings: Figures, key: str, show: Callable[[Any], str]) -> str:
    """A line per course, a column per variant."""
    names = timed(figures, timings)
    return grid(
        ["", *names],
        [
            [_words(course), *(show(timings[name][key][course]) for name in names)]
            for course in timings["teacher"][key]
        ],
    )


def _words(course: str) -> str:
    words = course.replace("_", " ").replace("answer", "input to answer")
    return f"**{words}**" if course == HEADLINE else words
