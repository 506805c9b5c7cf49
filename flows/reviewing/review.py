"""The review of two revisions, run by run, as values.

What a page shows of it is `content`, what a program reads `as_json`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from dvc.repo import Repo

from flows.reviewing.compared import costs, quality, recorded, rows
from flows.reviewing.compared.costs import Costs
from flows.reviewing.compared.quality import SHIPPED, Answers, Quality
from flows.reviewing.compared.recorded import Change, Source
from flows.reviewing.compared.rows import DataChange
from flows.reviewing.inputs import revisions
from flows.reviewing.inputs.revisions import Revision
from flows.reviewing.inputs.sides import Side
from tasks.core.errors import ParamsError, did_you_mean
from tasks.kinds.base.kind import Kind, known_kinds, load_kind

Mark = Literal["worse", "baseline", "class", "gates", "slower", "larger", "stale", "unjudged"]
MARKS: tuple[Mark, ...] = get_args(Mark)
LARGER = 1.01
Curve = list[Mapping[str, float]]


@dataclass(frozen=True)
class RunReview:
    """`quality` is None where the sides cannot be compared row by row; `why_not` says why.

    `marks` are what a reviewer should not miss.
    """

    run: str
    in_a: bool
    in_b: bool
    params: list[Change]
    code: list[Source]
    raw_changed: bool
    stale: tuple[dict[str, list[str]], dict[str, list[str]]]
    behind: tuple[list[str], list[str]]
    data: DataChange | None
    quality: Quality | None
    why_not: list[str]
    costs: Costs
    reliability: tuple[Curve, Curve]
    marks: list[Mark]


@dataclass(frozen=True)
class Review:
    a: Revision
    b: Revision
    runs: list[RunReview]
    unchanged: list[str]

    def found(self, asked: Sequence[str]) -> list[tuple[str, Mark]]:
        """Runs and their marks, of those that were asked about."""
        return [(one.run, mark) for one in self.runs for mark in one.marks if mark in asked]


def review(root: Path, a: str | None, b: str | None, runs: Sequence[str]) -> Review:
    """Compares two revisions of the project; by default all runs that differ.

    Raises:
        ParamsError: a revision or a run is not known; all faults at once.
    """
    with closing(Repo(str(root))) as repo:
        faults: list[ParamsError] = []
        try:
            pair = revisions.resolve(root, repo, a, b)
        except ParamsError as error:
            faults.append(error)
            pair = (Revision(revisions.WORKSPACE, None),) * 2
        first, second = (Side(repo, one) for one in pair)
        known = list(dict.fromkeys([*second.runs, *first.runs]))
        unknown = [
            f"--run {run!r}: is in neither revision{did_you_mean(run, known)}"
            for run in runs
            if run not in known
        ]
        if faults or unknown:
            told = [fault for error in faults for fault in error.faults] + (
                [] if faults and not known else unknown
            )
            raise ParamsError("diff", *told)
        same = [
            run
            for run in known
            if run not in runs and recorded.same(first, second, run) and not recorded.behind(second, run)
        ]
        chosen = [run for run in (runs or known) if run not in same]
        return Review(
            *pair, [_run(first, second, run) for run in dict.fromkeys(chosen)], same if not runs else []
        )


def _run(a: Side, b: Side, run: str) -> RunReview:
    in_a, in_b = run in a.runs, run in b.runs
    kind, why = _kind(a, b, run)
    data = rows.compare(a, b, run, kind) if kind and in_a and in_b else None
    figures = costs.compare(a, b, run)
    judged, behind = None, (recorded.behind(a, run), recorded.behind(b, run))
    if kind and in_a and in_b:
        judged, why = _quality(a, b, run, kind, data, figures)
    return RunReview(
        run=run,
        in_a=in_a,
        in_b=in_b,
        params=recorded.params(a, b, run),
        code=recorded.code(a, b, run),
        raw_changed=recorded.raw_changed(a, b, run),
        stale=(recorded.stale(a, run), recorded.stale(b, run)),
        behind=behind,
        data=data,
        quality=judged,
        why_not=why,
        costs=figures,
        reliability=(_curve(a, run), _curve(b, run)),
        marks=_marks(judged, figures, in_a and in_b, bool(behind[1])),
    )


def _kind(a: Side, b: Side, run: str) -> tuple[Kind | None, list[str]]:
    """By name from params, which must be one of ours: it becomes a module's name."""
    now = {
        load_kind(name).task: name for name in known_kinds()
    }  # before kinds were folders, this was their name
    written = [str(side.run(run).get("kind")) for side in (a, b) if run in side.runs]
    named = {now.get(name, name) for name in written}
    if len(named) != 1:
        return None, [f"the kinds differ: {' and '.join(sorted(named))}"]
    (name,) = named
    if name not in known_kinds():
        return None, [f"kind {name!r} is not one that this checkout knows"]
    return load_kind(name), []


def _quality(
    a: Side, b: Side, run: str, kind: Kind, data: DataChange | None, figures: Costs
) -> tuple[Quality | None, list[str]]:
    told = [quality.answers(side, run) for side in (a, b)]
    if told[0] is None or told[1] is None:
        return None, [
            f"{side.revision.told}: {_lacking(side, run)}"
            for side, one in zip((a, b), told, strict=True)
            if one is None
        ]
    split = str(
        (figures.figures[1].get("measured") or figures.figures[0].get("measured") or {}).get("split", "test")
    )
    found = quality.compare(
        kind,
        told[0],
        told[1],
        data.twins if data else {},
        _rows(a, b, run, split, told[1]),
        quality.terms(a, b, run),
    )
    return found, [] if found else ["no row was measured on both sides"]


def _rows(a: Side, b: Side, run: str, split: str, needed: Answers) -> rows.Rows:
    """The measured rows by id, of B and, where they differ, of A."""
    if split not in rows.SPLITS:
        return {}
    newer = rows.read(b, run, split)
    if newer is not None and needed.labels.keys() <= newer.keys():
        return newer
    return {**(rows.read(a, run, split) or {}), **(newer or {})}


def _lacking(side: Side, run: str) -> str:
    return "; ".join(
        f"{path}: {why}"
        for path, why in side.lacking.items()
        if path.startswith(f"data/{run}/") and "/out/" in path
    )


def _curve(side: Side, run: str) -> Curve:
    """Points of the reliability diagram of the model that ships; from git."""
    content = side.read(f"data/{run}/benchmark/plots/reliability.csv") or b""
    try:
        lines = [
            one
            for one in csv.DictReader(io.StringIO(content.decode("utf-8")))
            if one.get("variant") == SHIPPED
        ]
        return [{key: float(one[key]) for key in ("rows", "confidence", "accuracy")} for one in lines]
    except (KeyError, TypeError, ValueError):
        return []


def _marks(judged: Quality | None, figures: Costs, both: bool, behind: bool) -> list[Mark]:
    old, new = figures.figure("bytes")
    grown = isinstance(old, int) and isinstance(new, int) and new > old * LARGER
    holds = {
        "worse": judged is not None and judged.comparison.verdict == "worse",
        "baseline": figures.below,
        "class": judged is not None and bool(judged.comparison.fallen(judged.comparison.margin)),
        "gates": any(gate.b is False for gate in figures.gates),
        "slower": figures.faster < 0,
        "larger": grown,
        "stale": behind,
        "unjudged": both and judged is None,
    }
    return [mark for mark in MARKS if holds[mark]]
