"""What has to hold after a simulated quarter, looked up in git, in DVC's cache and in the folders."""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from flows.judging import answers, verdict
from flows.judging.verdict import Spread
from tests import smoke
from tests.campaigns.nightly import Project
from tests.campaigns.planting import COLUMNS, Drop

if TYPE_CHECKING:
    from tests.campaigns.quarter import Night

Content = tuple[str, ...]
RESAMPLES = 2000
BLANK_LINES = re.compile(r"\n\s*\n")


@dataclass(frozen=True)
class Claim:
    what: str
    faults: Sequence[str]
    told: str = ""

    @property
    def holds(self) -> bool:
        return not self.faults

    def __str__(self) -> str:
        return (
            f"* {'holds' if self.holds else '**FAILS**'}: {self.what}. {self.told}{'; '.join(self.faults)}"
        ).rstrip()


def content(row: dict[str, Any]) -> Content:
    """Without blank lines: ingest reads none in a quoted field of CSV."""
    return tuple(BLANK_LINES.sub("\n", str(row.get(name, ""))) for name in COLUMNS)


# -- of the nights --


def of_nights(project: Project, done: Sequence[Night]) -> list[Claim]:
    failed = [f"night {night.number} ended {night.code}" for night in done if night.code]
    unclean = [f"night {night.number}: {what}" for night in done for what in night.unclean]
    left = [f"inbox: {path.name}" for path in project.inbox.iterdir()]
    return [
        Claim("every night ended well", failed),
        Claim("git, DVC and both remotes agree after each night", unclean),
        Claim("nothing is left in the inbox", left),
        Claim(
            "each drop came to what it had to",
            [fault for night in done for fault in _wrong(project, night.drop)],
        ),
    ]


def _wrong(project: Project, drop: Drop) -> Iterator[str]:
    """Bad drops are set aside whole, or just their bad rows."""
    found = [one for entry in project.history() for one in entry["files"] if one["name"] == drop.name]
    if len(found) != 1:
        yield f"{drop.name} was taken in {len(found)} times"
        return
    whole = (
        not drop.rows
        or drop.what.startswith("the file of")
        or {row.bad for row in drop.rows} & {"wrong label", "other domain"}
    )
    if whole and not found[0]["fault"]:
        yield f"{drop.name} ({drop.what}) was not set aside whole"
    if not whole and (found[0]["fault"] or found[0]["taken"] < 0.8 * (len(drop.rows) - drop.bad)):
        yield (
            f"{drop.name} ({drop.what}): {found[0]['taken']} of {len(drop.rows)} rows taken, "
            f"{found[0]['fault']}"
        )


# -- of the rows --


def of_rows(project: Project, drops: Sequence[Drop]) -> list[Claim]:
    """Every planted row is in one place.

    With the rows to learn from, with those that are collected, or in quarantine with a reason.
    """
    raw = list(_lines(project.root / "data" / "raw" / project.run / "arrived"))
    collected = list(_lines(project.root / "data" / "collected" / project.run))
    kept, aside, reasons = Counter([*raw, *collected]), Counter[Content](), Counter[str]()
    faults = [f"kept twice: {one[0]!r}" for one, count in kept.items() if count > 1]
    planted = Counter(content(row.values) for drop in drops for row in drop.rows if row.values is not None)
    for drop in drops:
        for line, reason in _set_aside(project, drop).items():
            row = next((row for row in drop.rows if row.line == line), None)
            faults += [f"{drop.name}:{line} was set aside, where no row begins"] if row is None else []
            reasons[reason] += 1
            if row is not None and row.values is not None:
                aside[content(row.values)] += 1
            elif row is not None:
                reasons["(of these no rows at all)"] += 1
    malformed = sum(row.values is None for drop in drops for row in drop.rows)
    if reasons["(of these no rows at all)"] != malformed:
        faults.append(
            f"{reasons['(of these no rows at all)']} of {malformed} malformed lines are in quarantine"
        )
    faults += [f"lost: {one[0]!r}" for one in planted - (kept + aside)] + [
        f"from nowhere: {one[0]!r}" for one in (kept + aside) - planted
    ]
    told = (
        f"{planted.total() + malformed} rows planted = {len(raw)} learned from + {len(collected)} collected "
        f"+ {aside.total()} set aside "
        f"+ {malformed} malformed. "
    )
    return [Claim("every row is accounted for, none twice, none lost", faults[:5], told)]


def _lines(folder: Path) -> Iterator[Content]:
    for file in sorted(folder.glob("*.jsonl")):
        yield from (content(json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines())


def _set_aside(project: Project, drop: Drop) -> dict[int, str]:
    """Line -> reason; all of its lines if the drop was set aside whole."""
    for file in (project.root / "data" / "quarantine" / project.run).glob("*/reasons.jsonl"):
        reasons = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        if reasons[0]["file"] == drop.name or (file.parent / "drop" / drop.name).exists():
            told = {one["line"]: one["reason"] for one in reasons if one["line"]}
            return (
                {row.line: told.get(row.line, "whole") for row in drop.rows}
                if reasons[0].get("whole")
                else told
            )
    return {}


# -- of the champions --


def of_versions(project: Project, drops: Sequence[Drop]) -> list[Claim]:
    bad = {
        content(row.values): row.bad
        for drop in drops
        for row in drop.rows
        if row.bad and row.values is not None
    }
    passed: list[str] = []
    counts = []
    for tag in _tags(project):
        learned = list(_learned(project, tag))
        found = Counter(bad[one] for one in learned if one in bad)
        counts.append(f"{tag}: {len(learned)} arrived rows, {found.total()} bad")
        passed += [f"{tag} learned from {count} rows with {what}" for what, count in found.items()]
    collected = Counter(
        bad[one] for one in _lines(project.root / "data" / "collected" / project.run) if one in bad
    )
    passed += [f"{count} rows with {what} are collected" for what, count in collected.items()]
    frozen = {
        project.folder(project.locked(one)[f"data/{project.run}/ingest/out"])["test.parquet"]
        for one in _commits(project)
    }
    told = f"{len(_commits(project))} commits. "
    return [
        Claim(
            "no champion has learned from a bad row, and none is collected", passed, f"{'; '.join(counts)}. "
        ),
        Claim(
            "the frozen test split has the same bytes in every commit",
            [] if len(frozen) == 1 else sorted(frozen),
            told,
        ),
        *_gains(project),
    ]


def _tags(project: Project) -> list[str]:
    found = project.git("tag", "--list", f"{project.run}@v*").splitlines()
    return sorted(found, key=lambda tag: int(tag.partition("@v")[2]))


def _commits(project: Project) -> list[str]:
    """Those since the first model."""
    first = project.git("log", "--format=%H", "--grep=^the first model$").splitlines()[-1]
    return [first, *project.git("log", "--format=%H", f"{first}..HEAD").splitlines()]


def _learned(project: Project, revision: str) -> Iterator[Content]:
    """The rows in the raw folder of a commit that arrived."""
    for name, md5 in project.folder(project.pointed("raw", revision)).items():
        if name.startswith("arrived/"):
            lines = project.cached(md5).read_text(encoding="utf-8").splitlines()
            yield from (content(json.loads(line)) for line in lines)


def _gains(project: Project) -> list[Claim]:
    """Each champion against the one before it on the frozen rows, anew."""
    tags = _tags(project)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        models = [_got(project, tag, Path(folder) / str(at)) for at, tag in enumerate(tags)]
        rows = pq.read_table(
            project.root / "data" / project.run / "ingest" / "out" / "test.parquet"
        ).to_pylist()
        for (former, old), (tag, new) in pairwise(zip(tags, models, strict=True)):
            names = answers.names_of([old, new], rows)
            truth = answers.truth_of(rows, names)
            guesses = [answers.numbered(one.ask(rows), one.labels, truth) for one in (old, new)]
            one = verdict.compare(old.kind, guesses[0], guesses[1], truth, Spread(0, 0.0), 0.0, RESAMPLES, 1)
            told = (
                f"{one.figure} {one.difference.champion:.3f} → {one.difference.challenger:.3f}, "
                f"{one.difference.value:+.3f} "
                f"[{one.difference.low:+.3f}, {one.difference.high:+.3f}] over rows alone, {len(rows)} "
                f"rows, +{one.gained} / −{one.lost}. "
            )
            faults = [] if one.difference.value > 0 else ["it is not"]
            found.append(Claim(f"{tag} is better than {former} on the frozen rows", faults, told))
    return found or [Claim("a challenger was promoted", ["none was"])]


def _got(project: Project, tag: str, to: Path) -> answers.Shipped:
    smoke.call(
        project.root,
        "dvc",
        "get",
        "--quiet",
        ".",
        f"data/{project.run}/quantize/out",
        "--rev",
        tag,
        "--out",
        str(to),
    )
    kind = (
        project.git("show", f"{tag}:params.yaml")
        .partition(f"\n  {project.run}:\n")[2]
        .partition("kind: ")[2]
        .partition("\n")[0]
    )
    return answers.shipped(to, kind.strip())


# -- of going back --


def of_rollback(project: Project) -> list[Claim]:
    tags = _tags(project)
    if len(tags) < 2:
        return []
    done = project.call("rollback", project.run)
    faults = [f"it ended {done.code}: {done.said[-300:]}"] if done.code else []
    here, there = project.locked(), project.locked(tags[-2])
    faults += [f"{path} is not that of {tags[-2]}" for path in there if here.get(path) != there[path]]
    faults += (
        []
        if project.pointed("raw") == project.pointed("raw", tags[-2])
        else ["the raw data are not those of then"]
    )
    faults += project.unclean()
    told = f"{len(there)} outputs, {done.seconds:.0f} s; `dvc status` is clean. "
    return [Claim(f"a rollback from {tags[-1]} brings {tags[-2]} back, md5 by md5", faults, told)]
