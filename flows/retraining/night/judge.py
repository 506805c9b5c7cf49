"""Challenger against champion.

Both answer the same rows, the frozen test rows and those that came since, and are timed side by side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from flows.judging import answers
from flows.judging.answers import Shipped
from flows.judging.verdict import Comparison, Difference, Spread, compare
from flows.retraining.policy import Policy
from tasks.benchmark import latency
from tasks.benchmark.forms import variants
from tasks.benchmark.gates import BELOW
from tasks.kinds.base.kind import Row

TIMED_ROWS = 40
ROUNDS = 15


@dataclass(frozen=True)
class Speed:
    """Times as fast as the champion: the median of the rounds' ratios with its quartiles."""

    median: float
    quartile_1: float
    quartile_3: float


@dataclass(frozen=True)
class Judgement:
    """`objections` say what forbids a promotion; `for_it` what speaks for one.

    It takes the second and none of the first.
    """

    frozen: Comparison
    fresh: Comparison | None
    speed: Speed
    size_ratio: float
    objections: tuple[str, ...]
    for_it: tuple[str, ...]
    baseline: str = ""
    """How the challenger's own benchmark says it stands beside the linear baseline."""

    @property
    def promote(self) -> bool:
        return bool(self.for_it) and not self.objections

    def sets(self) -> dict[str, Comparison]:
        return {"frozen": self.frozen} | ({"fresh": self.fresh} if self.fresh else {})

    def as_json(self) -> dict[str, Any]:
        return {
            **{name: summary(one) for name, one in self.sets().items()},
            "times_as_fast": _rounded(asdict(self.speed)),
            "size_ratio": round(self.size_ratio, 6),
            "objections": list(self.objections),
            "for_it": list(self.for_it),
            **({"baseline": self.baseline} if self.baseline else {}),
        }


def beside_benchmark(judged: Judgement, lines: Sequence[str]) -> Judgement:
    """With what the challenger's own benchmark says.

    Gates that it misses are objections, where the linear baseline stands is told.
    """
    missed = [f"misses its own gate: {line}" for line in lines if "NOT PASSED" in line]
    baseline = next((line for line in lines if line.startswith("baseline: ")), "")
    return replace(judged, objections=(*judged.objections, *missed), baseline=baseline)


def warnings(judged: Judgement) -> list[str]:
    """What whoever reads the decision must not miss, whatever it is."""
    return [f"the challenger is {BELOW}"] if BELOW in judged.baseline else []


def judge(
    champion: Shipped,
    challenger: Shipped,
    test: Mapping[str, Sequence[Row]],
    spread: Spread,
    policy: Policy,
    seed: int,
) -> Judgement:
    """`test` holds the rows of `frozen` and, if any came, of `fresh`."""
    compared = {
        name: _compared(champion, challenger, rows, spread, policy, seed)
        for name, rows in test.items()
        if rows
    }
    speed = side_by_side(champion, challenger, test["frozen"], seed)
    growth = variants.size_of(challenger.folder) / variants.size_of(champion.folder)
    return Judgement(
        frozen=compared["frozen"],
        fresh=compared.get("fresh"),
        speed=speed,
        size_ratio=growth,
        objections=(*_fallen(compared, policy), *_slower(speed, policy), *_larger(growth, policy)),
        for_it=tuple(_for_it(compared, policy)),
    )


def _compared(
    champion: Shipped, challenger: Shipped, rows: Sequence[Row], spread: Spread, policy: Policy, seed: int
) -> Comparison:
    names = answers.names_of([champion, challenger], rows)
    truth = answers.truth_of(rows, names)
    old, new = (answers.numbered(model.ask(rows), model.labels, truth) for model in (champion, challenger))
    return compare(champion.kind, old, new, truth, spread, policy.margin, resamples=2000, seed=seed)


def side_by_side(champion: Shipped, challenger: Shipped, rows: Sequence[Row], seed: int) -> Speed:
    """The headline course of the benchmark.

    From the input as the user has it to the answer, one thread, in turns.
    """
    chosen = [rows[at] for at in np.random.default_rng(seed).permutation(len(rows))[:TIMED_ROWS]]
    setting = variants.Setting(
        champion.kind_name, champion.labels, input_size=0, batch=1, seed=seed, device="cpu"
    )  # of which ONNX asks the kind
    named = {"champion": champion.folder, "challenger": challenger.folder}
    opened = [
        variants.open_variant(variants.Source(name, "onnx", folder), setting)
        for name, folder in named.items()
    ]
    course = latency.timing_plans(chosen, ROUNDS, threads=1, longest=None, batch=1)[0]
    taken = latency.summarize({course.name: latency.measure(opened, course)}, [course], reference="champion")[
        "challenger"
    ]
    return Speed(taken["speedup"], taken["speedup_quartile_1"], taken["speedup_quartile_3"])


def _fallen(compared: Mapping[str, Comparison], policy: Policy) -> list[str]:
    said = [
        f"worse on the {name} test rows: {describe(one)}"
        for name, one in compared.items()
        if one.verdict == "worse"
    ]
    for name, one in compared.items():
        said += [
            f"{category} falls beyond noise on the {name} test rows: F1 "
            f"{_signed(one.categories[category])}; at most "
            f"{policy.max_class_fall:g} is allowed"
            for category in one.fallen(policy.max_class_fall)
        ]
    return said


def _slower(speed: Speed, policy: Policy) -> list[str]:
    """Only if all quartiles say so: a busy machine must not stop a good model."""
    if speed.quartile_3 >= 1 / policy.max_slowdown:
        return []
    return [
        f"takes {1 / speed.median:.2f} times the champion's time; at most {policy.max_slowdown:g} is allowed"
    ]


def _larger(growth: float, policy: Policy) -> list[str]:
    return (
        [f"has {growth:.2f} times the champion's bytes; at most {policy.max_growth:g} is allowed"]
        if growth > policy.max_growth
        else []
    )


def _for_it(compared: Mapping[str, Comparison], policy: Policy) -> list[str]:
    enough = ("better",) if policy.promote_if == "better" else ("better", "no difference")
    return [
        f"{one.verdict} on the {name} test rows: {describe(one)}"
        for name, one in compared.items()
        if one.verdict in enough
    ]


def describe(one: Comparison) -> str:
    """`macro_f1 0.812 → 0.841, +0.029 [+0.004, +0.054] on 649 rows; a difference below 0.025 could not have
    been seen`.
    """
    found = one.difference
    return (
        f"{one.figure} {found.champion:.3f} → {found.challenger:.3f}, {_signed(found)} on {one.rows} rows; "
        f"a difference below {found.visible:.3f} could not have been seen"
    )


def _signed(one: Difference) -> str:
    return f"{one.value:+.3f} [{one.low:+.3f}, {one.high:+.3f}]"


def summary(one: Comparison) -> dict[str, Any]:
    found = one.difference
    return {
        "verdict": one.verdict,
        "figure": one.figure,
        "rows": one.rows,
        **_rounded({"champion": found.champion, "challenger": found.challenger, "difference": found.value}),
        **_rounded(
            {"low": found.low, "high": found.high, "smallest_visible": found.visible, "margin": one.margin}
        ),
        "gained": one.gained,
        "lost": one.lost,
    }


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 6) for name, value in values.items()}
