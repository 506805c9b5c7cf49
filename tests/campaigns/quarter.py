"""A simulated quarter: twelve nightly drops, good ones and bad ones, taken in and learned from night by
night; and whether all was right.

    python -m tests.campaigns.quarter [--run bbc] [--seed 0] [--seeds 5] [--nights 12] [--out
    docs/results/quarter.md]

Works in a scratch clone of this repository's last commit, whose first champion is made by `dvc repro` on the
rows of the start: all that fall on the frozen test split, and a third of the others. Each night is `python -m
flows.retrain night`. Prints Markdown; exit status 1 if a claim fails. On two quiet cores about half an hour.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.core import params
from tests import smoke
from tests.campaigns import claims, nightly, planting
from tests.campaigns.nightly import Project
from tests.campaigns.planting import Drop

SETTLE_SECONDS = 2.0
NOTHING = "nothing new"
POLICY = {"settle_seconds": SETTLE_SECONDS, "min_new_rows": 110}
"""Other than committed: a challenger every second good night, so that a quarter takes less than an hour."""
WRITER = """
import pathlib, sys, time
with open(sys.argv[1], "ab", buffering=0) as file:
    for line in pathlib.Path(sys.argv[2]).read_bytes().splitlines(keepends=True):
        file.write(line)
        time.sleep(float(sys.argv[3]))
    sys.stdin.read()
"""
"""Writes line by line, and keeps the file open until its standard input is closed."""
HEADS = (
    "night",
    "dropped",
    "arrived",
    "taken",
    "set aside",
    "decision",
    "frozen rows",
    "fresh rows",
    "champion",
    "s",
)


@dataclass
class Night:
    number: int
    drop: Drop
    code: int
    said: str
    seconds: float
    entries: list[dict[str, Any]]
    unclean: list[str] = field(default_factory=list)


def nights(project: Project, drops: Sequence[Drop]) -> Iterator[Night]:
    project.inbox.mkdir(parents=True)
    with contextlib.ExitStack() as writing:
        for number, drop in enumerate(drops, 1):
            writing.close()  # what was being written last night is whole by now
            if drop.being_written:
                writing.enter_context(_being_written(project, drop))
            else:
                (project.inbox / drop.name).write_bytes(drop.content)
            time.sleep(SETTLE_SECONDS + 1)
            before = len(project.history())
            done = project.call("night", project.run)
            entries = project.history()[before:]
            yield Night(number, drop, done.code, done.said, done.seconds, entries, project.unclean())


@contextlib.contextmanager
def _being_written(project: Project, drop: Drop) -> Iterator[None]:
    """Half of it lies there, and a process writes on; at the end it is whole."""
    whole = project.root.parent / drop.name
    whole.write_bytes(drop.content)
    half = drop.content.index(b"\n", len(drop.content) // 2) + 1
    target, rest = project.inbox / drop.name, project.root.parent / "rest"
    target.write_bytes(drop.content[:half])
    rest.write_bytes(drop.content[half:])
    command = [sys.executable, "-c", WRITER, str(target), str(rest), "0.5"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        yield
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.wait(600)
        assert target.read_bytes() == drop.content


def row(night: Night) -> str:
    """Of the table; a night that took nothing in has no entry."""
    entry = night.entries[-1] if night.entries else None
    start = [str(night.number), f"`{night.drop.name}`, {night.drop.what}"]
    if entry is None:
        told = night.said.partition(f"{NOTHING}; ")[2].splitlines()[0].split("'")[0]
        return _line([*start, "–", "–", "–", f"{NOTHING}; {told}", "–", "–", "–", f"{night.seconds:.0f}"])
    counts = [str(entry["rows"][key]) for key in ("arrived", "taken")]
    verdicts = [_verdict((entry["judgement"] or {}).get(name)) for name in ("frozen", "fresh")]
    aside = "; ".join(_aside(one) for one in entry["files"] if one["fault"] or one["set_aside"]) or "–"
    return _line(
        [
            *start,
            *counts,
            aside,
            f"**{entry['decision']}**",
            *verdicts,
            f"v{entry['version']}",
            f"{night.seconds:.0f}",
        ]
    )


def _aside(file: dict[str, Any]) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in file["set_aside"].items())
    whole = f"whole: {file['fault']}" if file["fault"] else ""
    return "; ".join(part for part in (whole, reasons) if part)


def _verdict(judged: dict[str, Any] | None) -> str:
    if judged is None:
        return "–"
    change = f"{judged['champion']:.3f} → {judged['challenger']:.3f}"
    return (
        f"{judged['verdict']}: {change}, {judged['difference']:+.3f} [{judged['low']:+.3f}, "
        f"{judged['high']:+.3f}], n = {judged['rows']}"
    )


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def shifts(done: Sequence[Night]) -> list[str]:
    """The effect of each shift of each drop that had one, in bold if beyond its bound."""
    what = {night.drop.name: night.drop.what for night in done}
    files = [one for night in done for entry in night.entries for one in entry["files"] if one["shifts"]]
    if not files:
        return []
    heads = [f"{one['of']}: {one['measure']} (bound {one['bound']:g})" for one in files[0]["shifts"]]
    lines = [_line(["drop", "what", *heads]), _line(["---"] * (2 + len(heads)))]
    for file in files:
        effects = [f"{one['effect']:.2f} (p = {one['p']:.1g})" for one in file["shifts"]]
        marked = [
            f"**{told}**" if one["exceeds"] else told
            for told, one in zip(effects, file["shifts"], strict=True)
        ]
        lines.append(_line([file["name"], what[file["name"]], *marked]))
    return lines


def play(folder: Path, given: argparse.Namespace) -> tuple[list[str], bool]:
    """The page, and whether all claims hold."""
    run = params.read(smoke.REPOSITORY / "params.yaml")[given.run]
    corpus = planting.corpus(run, nightly.LIGHT["ingest"], given.seed)
    desks = sorted({one["desk"] for one in corpus.start})
    drops = planting.quarter(corpus.later, desks, given.seed)[: given.nights]
    project = nightly.clone(
        folder, given.run, corpus.start, POLICY | ({"seeds": given.seeds} if given.seeds else {}), given.pool
    )
    if given.cache:
        shutil.copytree(given.cache, project.root / ".dvc" / "cache", dirs_exist_ok=True)
    seconds = nightly.make_champion(project)
    lines = [_line(HEADS), _line(["---"] * len(HEADS))]
    print("\n".join(lines), flush=True)
    done = []
    for night in nights(project, drops):
        done.append(night)
        lines.append(row(night))
        print(lines[-1], *night.unclean, flush=True)
        (folder / f"night-{night.number:02}.log").write_text(night.said, encoding="utf-8")
    held = [
        *claims.of_nights(project, done),
        *claims.of_rows(project, [night.drop for night in done]),
        *claims.of_versions(project, drops),
    ]
    _keep_pages(project, folder)
    held += claims.of_rollback(project)
    page = [
        f"Start: {len(corpus.start)} rows, `dvc repro` in {seconds:.0f} s.",
        "",
        *lines,
        "",
        *shifts(done),
        "",
        *map(str, held),
    ]
    return page, all(one.holds for one in held)


def _keep_pages(project: Project, folder: Path) -> None:
    """The chart, and the page of the last judged night."""
    place = project.root / "data" / project.run / "retrain"
    for name in ("quality.png", "history.jsonl"):
        if (place / name).exists():
            shutil.copy(place / name, folder / name)
    (folder / "page.md").write_text(project.call("history", project.run).said, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.quarter", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--run", default="bbc", help="of the committed params.yaml")
    parser.add_argument(
        "--seed", type=int, default=0, help="of which rows arrive when, and which are spoiled"
    )
    parser.add_argument("--nights", type=int, default=12, help="to stop after so many")
    parser.add_argument(
        "--seeds",
        type=int,
        help="trainings for the spread between seeds; 1: it is not measured (default: as committed)",
    )
    parser.add_argument(
        "--pool", type=int, default=nightly.POOL, help="texts that the teacher labels for the student"
    )
    parser.add_argument(
        "--cache", type=Path, help="a DVC cache of an earlier quarter, to train nothing twice"
    )
    parser.add_argument("--folder", type=Path, help="to keep the project in (default: a temporary one)")
    parser.add_argument("--out", type=Path, help="file for the page (default: printed alone)")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="slipway-quarter-") as scratch:
        folder = (given.folder or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        page, right = play(folder, given)
    print("\n".join(page))
    if given.out:
        given.out.write_text("\n".join(page) + "\n", encoding="utf-8")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
