"""What a reviewer reads, from verdict to details: the review of two revisions as a page."""

from __future__ import annotations

from collections.abc import Iterator

from flows.reviewing.compared.costs import LINEAR
from flows.reviewing.compared.quality import Quality
from flows.reviewing.compared.recorded import ABSENT
from flows.reviewing.pages import charts, differences, flips
from flows.reviewing.pages.page import (
    Block,
    Items,
    Line,
    Page,
    Paragraph,
    Section,
    Table,
    Text,
    Tone,
    foreign,
    spans,
)
from flows.reviewing.review import Review, RunReview

TONES: dict[str, Tone] = {"better": "good", "worse": "bad"}
MARKS = {
    "worse": "worse",
    "baseline": "not above the linear baseline",
    "class": "a category fell",
    "gates": "gates not passed",
    "slower": "slower",
    "larger": "larger",
    "stale": "not run again",
    "unjudged": "could not be judged",
}


def page(review: Review) -> Page:
    title: Line = ["Review: A ", foreign(review.a.told), " → B ", foreign(review.b.told)]
    short: list[Block] = (
        [
            Table(
                ["run", "verdict", "what it rests on", "look at"],
                [_in_short(one) for one in review.runs],
                left=4,
            )
        ]
        if review.runs
        else []
    )
    told: list[Line] = [["A is ", foreign(review.a.told), f": {review.a.why}."]] if review.a.why else []
    if review.unchanged:
        told.append(["Nothing differs in ", *_listed(review.unchanged), "."])
    if not review.runs and not review.unchanged:
        told.append("Neither side has a run.")
    return Page(title, [*short, *map(Paragraph, told)], [_chapter(one) for one in review.runs])


def _listed(names: list[str]) -> Iterator[Text]:
    for at, name in enumerate(names):
        yield from ([Text(", ")] if at else [])
        yield foreign(name)


def verdict(one: RunReview) -> Text:
    if not one.in_a or not one.in_b:
        return Text("new in B" if one.in_b else "gone in B", "muted")
    if one.quality is None:
        return Text("could not be judged", "muted")
    found = one.quality.comparison.verdict
    return Text(found, TONES.get(found, "muted"))


def _in_short(one: RunReview) -> list[Line]:
    marks = [
        Text(("" if at == 0 else ", ") + MARKS[mark], "bad" if at == 0 else "")
        for at, mark in enumerate(one.marks)
    ]
    return [foreign(one.run), verdict(one), _basis(one), marks or "nothing"]


def _basis(one: RunReview) -> Line:
    linear = one.costs.figure(one.costs.headline, LINEAR)[1]
    beside = f"; linear baseline {linear:.3f}" if isinstance(linear, int | float) else ""
    if one.quality is None:
        return f"{_figures_alone(one)}{beside}"
    found = one.quality.comparison
    gap = found.difference
    return (
        f"{found.figure} {gap.champion:.3f} → {gap.challenger:.3f}: {differences.signed(gap.value)} "
        f"({differences.signed(gap.low)} to {differences.signed(gap.high)}), {found.rows} rows{beside}"
    )


def _figures_alone(one: RunReview) -> str:
    figures = one.costs.figure(one.costs.headline)
    told = [f"{value:.3f}" if isinstance(value, int | float) else ABSENT for value in figures]
    return f"{one.costs.headline} {told[0]} → {told[1]}" if told != [ABSENT, ABSENT] else "no figures"


def _chapter(one: RunReview) -> Section:
    blocks: list[Block] = [*map(Paragraph, _sentences(one)), *differences.figures(one)]
    if warnings := [*_warnings(one), *one.costs.warnings]:
        blocks.append(Items([[Text("Mind: ", "strong"), *spans(line)] for line in warnings]))
    blocks += charts.of(one)
    blocks += [*differences.params(one), *differences.data(one)]
    if one.quality is not None:
        blocks += [*differences.categories(one.quality), *flips.sections(one.run, one.quality)]
    blocks += [*differences.gates(one), *differences.speed(one), *differences.code(one)]
    return Section([foreign(one.run), " ", verdict(one)], blocks, aside=False)


def _sentences(one: RunReview) -> Iterator[Line]:
    if not one.in_a or not one.in_b:
        yield f"Only {'B' if one.in_b else 'A'} has this run: there is nothing to compare it with."
        return
    if one.quality is None:
        yield [
            "The answers to single rows cannot be compared, so there is no verdict. ",
            foreign("; ".join(one.why_not), longest=600),
        ]
        yield (
            "What git holds is shown; intervals of two sides that overlap say nothing about their difference."
        )
        return
    yield from judged(one.quality)


def judged(quality: Quality) -> Iterator[Line]:
    """What the verdict means, what it rests on, and what could have been seen."""
    found = quality.comparison
    gap, rows, margin = (
        found.difference,
        f"{found.rows} rows",
        f"± {found.margin:g}, the margin that does not matter",
    )
    span = f"{differences.signed(gap.low, 4)} to {differences.signed(gap.high, 4)}"
    if not found.gained and not found.lost:
        yield f"On {rows} that both measured, both models answer each row alike in what is right and wrong."
    else:
        yield (
            f"On {rows} that both measured, {found.figure} goes from {gap.champion:.4f} to "
            f"{gap.challenger:.4f}: "
            f"{differences.signed(gap.value, 4)}, 95 % interval {span}, paired. "
            f"{quality.gained_rows} rows became right, {quality.lost_rows} became wrong."
        )
    meaning = {
        "better": "The whole interval lies above 0: B is better.",
        "worse": "The whole interval lies below 0: B is worse.",
        "no difference": f"The whole interval lies within {margin}.",
        "not enough data": f"The interval holds 0 and reaches beyond {margin}: these rows cannot tell.",
    }[found.verdict]
    seen = (
        f" A true difference smaller than {gap.visible:.4f} could not have been seen." if gap.visible else ""
    )
    yield meaning + seen
    yield _seeds(quality)
    if told := _left_out(quality):
        yield told


def _seeds(quality: Quality) -> str:
    if quality.spread is None:
        return "Seed spread not measured: the verdict is about these two models, not their recipes."
    spread = quality.spread
    return (
        f"The spread of seeds is in the interval: standard deviation {spread.deviation:.4f}, from "
        f"{spread.seeds} seeds of this run."
    )


def _left_out(quality: Quality) -> str:
    parts = []
    if quality.only_a or quality.only_b:
        parts.append(
            f"The measured rows differ: {quality.common} are common, {quality.only_a} are in A alone, "
            f"{quality.only_b} in B alone."
        )
    if quality.relabelled:
        parts.append(
            f"{quality.relabelled} of the common rows have another label in B: both models are judged by "
            "the label of B."
        )
    if quality.unlike:
        parts.append(f"{quality.unlike} rows were left out: their answers are not of one length.")
    return " ".join(parts)


def _warnings(one: RunReview) -> Iterator[Line]:
    if one.costs.below:
        yield [
            "B ships a model that is ",
            Text("not above the linear baseline", "bad"),
            ": ",
            foreign(one.costs.baseline(1)),
            ".",
        ]
    for side, faults in zip("AB", one.behind, strict=True):
        for fault in faults:
            yield [
                f"{side}: ",
                foreign(fault, longest=600),
                ": its figures are not of this revision; `dvc repro` makes them.",
            ]
    if one.data is not None:
        for fault in one.data.lacking:
            yield ["The rows of data cannot be compared: ", foreign(fault)]
    if one.quality is not None and (fallen := one.quality.comparison.fallen(one.quality.comparison.margin)):
        yield ["Fell beyond noise and margin: ", *_listed(fallen), "."]
