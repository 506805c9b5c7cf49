"""The tables of a review: figures side by side, params, data, categories, gates, speed, code."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from flows.reviewing.compared.costs import HEADLINE_COURSE, LINEAR, SHIPPED, TEACHER, Costs
from flows.reviewing.compared.quality import Quality
from flows.reviewing.compared.recorded import ABSENT
from flows.reviewing.compared.rows import DataChange, Shown
from flows.reviewing.pages.page import Block, Line, Paragraph, Section, Table, Text, Tone, foreign
from flows.reviewing.review import RunReview
from tasks.benchmark.gates import BELOW

MEGABYTE = 1e6
MOST_CATEGORIES = 60


def signed(value: float, digits: int = 3) -> str:
    """With a true minus; what rounds to 0 has no sign."""
    text = f"{abs(value):.{digits}f}"
    return text if not float(text) else f"{'+' if value > 0 else '−'}{text}"


def number(value: Any, show: Callable[[float], str] = lambda one: f"{one:.3f}") -> str:
    return show(value) if isinstance(value, int | float) and not isinstance(value, bool) else ABSENT


def figures(one: RunReview) -> Iterator[Block]:
    """What one looks at first, A beside B."""
    costs, headline = one.costs, one.costs.headline
    rows: list[Sequence[Line]] = []
    for variant, name, told in (
        (SHIPPED, headline, headline),
        (LINEAR, headline, f"{headline} of the linear baseline"),
        (SHIPPED, "agreement", "agreement with its teacher"),
        (SHIPPED, "ece", "calibration error (ECE)"),
    ):
        pairs = [costs.figure(f"{name}{end}", variant) for end in ("", "_low", "_high")]
        cells = [number(pairs[0][at]) + _bounds(pairs[1][at], pairs[2][at]) for at in (0, 1)]
        rows.append([told, *cells, _change(pairs[0], signed)])
    rows += _costs_of(costs)
    if any(cell != ABSENT for row in rows for cell in row[1:3]):
        yield Table(["the model that ships, as each side measured it", "A", "B", "B less A"], rows)


def _costs_of(costs: Costs) -> Iterator[Sequence[Line]]:
    quartiles = [costs.timing(f"speedup_quartile_{at}") for at in (1, 3)]
    speed = costs.timing("speedup")
    tones: dict[int, Tone] = {1: "good", -1: "bad", 0: ""}
    cells = [
        number(speed[at], lambda one: f"{one:.1f}") + _bounds(quartiles[0][at], quartiles[1][at], 1)
        for at in (0, 1)
    ]
    change = Text(_change(speed, lambda gap: signed(gap, 1)), tones[costs.faster])
    yield ["× faster than its teacher (quartiles)", *cells, change]
    latency = (
        costs.timing("latency_ms", HEADLINE_COURSE, "p50"),
        costs.timing("latency_ms", HEADLINE_COURSE, "p95"),
    )
    cells = [
        f"{number(latency[0][at], lambda one: f'{one:.2f}')} / "
        f"{number(latency[1][at], lambda one: f'{one:.2f}')}"
        for at in (0, 1)
    ]
    yield ["ms per input, p50 / p95, 1 thread", *cells, _change(latency[0], lambda gap: signed(gap, 2))]
    size = costs.figure("bytes")
    megabytes = [number(one, lambda size: f"{size / MEGABYTE:.2f}") for one in size]
    yield ["size, MB", *megabytes, _change(size, lambda gap: signed(gap / MEGABYTE, 2))]
    memory = costs.timing("peak_rss_mb")
    mebibytes = [number(one, lambda mb: f"{mb:.0f}") for one in memory]
    yield ["peak memory, MiB", *mebibytes, _change(memory, lambda gap: signed(gap, 0))]


def _bounds(low: Any, high: Any, digits: int = 3) -> str:
    return (
        f" [{low:.{digits}f}, {high:.{digits}f}]"
        if all(isinstance(one, int | float) for one in (low, high))
        else ""
    )


def _change(pair: tuple[Any, Any], show: Callable[[float], str]) -> str:
    return show(pair[1] - pair[0]) if all(isinstance(one, int | float) for one in pair) else ABSENT


def params(one: RunReview) -> Iterator[Block]:
    if one.params and one.in_a and one.in_b:
        rows: list[Sequence[Line]] = [
            [foreign(change.key), foreign(change.a), foreign(change.b)] for change in one.params
        ]
        yield Section(f"Params changed: {len(rows)}", [Table(["key", "A", "B"], rows, left=3)])


def data(one: RunReview) -> Iterator[Block]:
    if one.data is None or one.data.lacking:
        if one.raw_changed:
            yield Paragraph("The raw data changed.")
        return
    found = one.data
    totals = {
        name: sum(getattr(split, name) for split in found.splits)
        for name in ("added", "removed", "relabelled", "touched", "moved_in")
    }
    names = {
        "added": "added",
        "removed": "removed",
        "relabelled": "relabelled",
        "touched": "changed beside the text",
        "moved_in": "moved",
    }
    title = (
        ", ".join(f"{count} {names[name]}" for name, count in totals.items() if count)
        or "none in what ingest keeps"
    )
    heads = [
        "split",
        "rows in A",
        "rows in B",
        "added",
        "removed",
        "relabelled",
        "changed beside what the model sees",
        "moved in",
    ]
    lines: list[Sequence[Line]] = [
        [
            one.split,
            *map(str, (one.a, one.b, one.added, one.removed, one.relabelled, one.touched, one.moved_in)),
        ]
        for one in found.splits
    ]
    yield Section(f"Rows of data changed: {title}", [Table(heads, lines), *_examples(found)])


def _examples(found: DataChange) -> Iterator[Block]:
    for title, shown in (
        ("added", found.added),
        ("removed", found.removed),
        ("relabelled", found.relabelled),
    ):
        if shown:
            yield Paragraph([Text(f"Some that were {title}:", "strong")])
            labels = ["label in A", "label in B"] if title == "relabelled" else ["label"]
            yield Table(
                ["split", "row", *labels, "from"],
                [_example(row, title == "relabelled") for row in shown],
                left=5,
            )


def _example(row: Shown, both: bool) -> list[Line]:
    labels = [foreign(row.before), foreign(row.label)] if both else [foreign(row.label)]
    return [row.split, foreign(row.text or ABSENT), *labels, foreign(row.source)]


def categories(quality: Quality) -> Iterator[Block]:
    """The largest changes first; all intervals hold together."""
    found = quality.comparison
    ordered = sorted(found.categories.items(), key=lambda pair: -abs(pair[1].value))
    rows: list[Sequence[Line]] = []
    for name, gap in ordered[:MOST_CATEGORIES]:
        tone: Tone = "bad" if gap.high < 0 else "good" if gap.low > 0 else ""
        rows.append(
            [
                foreign(name),
                f"{gap.champion:.3f}",
                f"{gap.challenger:.3f}",
                Text(signed(gap.value), tone),
                f"{signed(gap.low)} to {signed(gap.high)}",
            ]
        )
    beyond = sum(gap.high < 0 or gap.low > 0 for gap in found.categories.values())
    more = (
        f" The {MOST_CATEGORIES} largest of {len(ordered)} are shown."
        if len(ordered) > MOST_CATEGORIES
        else ""
    )
    told = f"F1 of each. The intervals are wide enough to hold all together (95 %, Bonferroni).{more}"
    yield Section(
        f"Categories: {beyond} of {len(ordered)} changed beyond noise",
        [Table(["category", "A", "B", "B less A", "interval"], rows), Paragraph(told)],
    )


def gates(one: RunReview) -> Iterator[Block]:
    if not one.costs.gates:
        return
    rows: list[Sequence[Line]] = []
    for gate in one.costs.gates:
        states = [
            Text({True: "passed", False: "NOT PASSED", None: ABSENT}[state], "bad" if state is False else "")
            for state in (gate.a, gate.b)
        ]
        rows.append([foreign(gate.name), *states, foreign(gate.told_b or gate.told_a)])
    rows += _baseline(one)
    failed = sum(gate.b is False for gate in one.costs.gates)
    state = (
        f"{failed} of {len(one.costs.gates)} not passed"
        if failed
        else "all passed"
        if any(gate.b for gate in one.costs.gates)
        else "none"
    )
    yield Section(f"Gates of B: {state}", [Table(["gate", "A", "B", "in words (B, else A)"], rows, left=4)])


def _baseline(one: RunReview) -> list[Sequence[Line]]:
    """A line of the table of gates for what is none: where the linear baseline stands."""
    told = [one.costs.baseline(at) for at in (0, 1)]
    if not any(told):
        return []
    states = [
        Text(ABSENT) if not each else Text("NOT ABOVE", "bad") if BELOW in each else Text("above")
        for each in told
    ]
    return [["beside the linear baseline", *states, foreign((told[1] or told[0]).removeprefix("baseline: "))]]


def speed(one: RunReview) -> Iterator[Block]:
    """All courses, and the machine of each side."""
    courses = one.costs.timing("latency_ms")
    known = [name for at in (0, 1) for name in (courses[at] or {})]
    if not known:
        return
    rows: list[Sequence[Line]] = []
    for course in dict.fromkeys(known):
        both = {rank: one.costs.timing("latency_ms", course, rank) for rank in ("p50", "p95", "p99")}
        ratio = one.costs.timing("times_faster", course)
        cells = [" / ".join(number(both[rank][at], lambda ms: f"{ms:.2f}") for rank in both) for at in (0, 1)]
        rows.append(
            [
                foreign(course.replace("_", " ")),
                *cells,
                *(number(value, lambda times: f"{times:.1f}") for value in ratio),
            ]
        )
    heads = ["way of asking", "ms in A, p50 / p95 / p99", "ms in B", "× faster, A", "× faster, B"]
    machines: list[Sequence[Line]] = [[side, *_machine(one, at)] for at, side in enumerate("AB")]
    teachers = one.costs.timing("latency_ms", HEADLINE_COURSE, "p50", variant=TEACHER)
    told = (
        "The teachers themselves: "
        f"{' and '.join(number(ms, lambda one: f'{one:.2f} ms') for ms in teachers)} (p50, 1 thread)."
    )
    tables: list[Block] = [
        Table(heads, rows),
        Paragraph(told),
        Table(["side", "machine", "cores", "load before", "others' work"], machines, left=2),
    ]
    yield Section("Speed, and the machines it was measured on", tables, closed=True)


def _machine(one: RunReview, at: int) -> list[Line]:
    def told(*path: str) -> Any:
        return one.costs.hardware(*path)[at]

    machine = [f"{told('hardware', key)}" for key in ("cpu", "system") if told("hardware", key)]
    versions = [f"{key} {told('hardware', key)}" for key in ("torch", "onnxruntime") if told("hardware", key)]
    load = [number(told("load", key), lambda busy: f"{busy:.2f}") for key in ("before", "others")]
    return [
        foreign(", ".join([*machine, *versions]) or ABSENT),
        number(told("hardware", "cores"), lambda cores: f"{cores:.0f}"),
        *load,
    ]


def code(one: RunReview) -> Iterator[Block]:
    if one.code:
        rows: list[Sequence[Line]] = [
            [foreign(source.path), foreign(", ".join(source.stages))] for source in one.code
        ]
        yield Section(
            f"Files that stages were made with changed: {len(rows)}",
            [Table(["file", "stages"], rows, left=2)],
            closed=True,
        )
