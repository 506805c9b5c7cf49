"""What each night did.

A line of data/<run>/retrain/history.jsonl, a page for people, a chart of quality over time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from flows.retraining.record.card_text import literal, paragraphs, table
from tasks.benchmark.gates import BELOW
from tasks.core import escape

Entry = dict[str, Any]
WIDTH = 60
"""Characters of a cell's line."""
PICTURE = "![quality over time](quality.png)"


def folder(run: str) -> Path:
    return Path("data") / run / "retrain"


def file(run: str) -> Path:
    return folder(run) / "history.jsonl"


def read(root: Path, run: str) -> list[Entry]:
    """The nights so far, the first one first."""
    path = root / file(run)
    return parsed(path.read_text(encoding="utf-8")) if path.exists() else []


def parsed(text: str) -> list[Entry]:
    return [json.loads(line) for line in text.splitlines()]


def append(root: Path, run: str, entry: Entry) -> None:
    path = root / file(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(entry, ensure_ascii=False) + "\n")


def waiting(entries: Sequence[Entry]) -> int:
    """Rows that came since the last judgement."""
    return int(entries[-1]["waiting"]) if entries else 0


def versions(entries: Sequence[Entry]) -> int:
    """The highest number a champion has had."""
    return max((int(entry["version"]) for entry in entries), default=0)


def usual_bytes(entries: Sequence[Entry]) -> float | None:
    """The median size of the drops that were taken; None while there are fewer than three of them."""
    sizes = sorted(one["bytes"] for entry in entries for one in entry["files"] if one["taken"])
    return float(sizes[len(sizes) // 2]) if len(sizes) >= 3 else None


def headline(entry: Entry) -> str:
    """`bbc: promoted to v3: better on the fresh test rows`."""
    return f"{entry['run']}: {entry['decision']}{': ' if entry['why'] else ''}{entry['why']}"


def page(entry: Entry, entries: Sequence[Entry]) -> str:
    """Markdown of a night, and a table of the last ones."""
    parts = [
        f"# {entry['run']}, night of {entry['at'][:10]}",
        f"**{_foreign(headline(entry))}**",
        *_facts(entry),
    ]
    parts += _files(entry) + _shifts(entry) + _verdict(entry) + _nights(entries)
    return "\n\n".join(parts) + "\n"


def _facts(entry: Entry) -> list[str]:
    rows = entry["rows"]
    return [
        f"{rows['arrived']} rows arrived, {rows['taken']} were taken, {rows['set_aside']} set aside. "
        f"{entry['collected']} are collected, "
        f"{entry['waiting']} of them since the last judgement. The champion is v{entry['version']}. It took "
        f"{entry['seconds']:.0f} s."
    ]


def _files(entry: Entry) -> list[str]:
    if not entry["files"]:
        return []
    lines = [
        [
            literal(one["name"]),
            str(one["rows"]),
            str(one["taken"]),
            escape.wrapped(one["fault"] or _reasons(one["set_aside"]), WIDTH),
        ]
        for one in entry["files"]
    ]
    kept = f"What was set aside is in `data/quarantine/{entry['run']}`, with reasons."
    return ["## What arrived", table(["drop", "rows", "taken", "set aside"], lines), kept]


def _reasons(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {why}" for why, count in counts.items())


def _foreign(text: str) -> str:
    """It may name labels and columns of a drop: nothing in it is Markdown."""
    return " ".join(paragraphs(text))


def _shifts(entry: Entry) -> list[str]:
    lines = [
        [
            literal(one["name"]),
            literal(shift["of"]),
            f"{literal(shift['measure'])} {shift['effect']:.3f}",
            f"{shift['bound']:g}",
            f"{shift['p']:.2g}",
            literal(shift["test"]),
        ]
        for one in entry["files"]
        for shift in one["shifts"]
    ]
    return (
        ["## Shift against the training rows", table(["drop", "of", "effect", "bound", "p", "test"], lines)]
        if lines
        else []
    )


def _verdict(entry: Entry) -> list[str]:
    judged = entry["judgement"]
    if judged is None:
        return []
    lines = [
        [
            name,
            f"**{one['verdict']}**",
            f"{one['champion']:.3f}",
            f"{one['challenger']:.3f}",
            _signed(one),
            str(one["rows"]),
            _flips(one),
        ]
        for name, one in _sets(judged)
    ]
    heads = ["test rows", "verdict", "champion", "challenger", "difference, 95 %", "rows", "flips"]
    visible = "; ".join(f"on the {name} rows {one['smallest_visible']:.3f}" for name, one in _sets(judged))
    spread = entry["spread"]
    told = (
        f"Of {spread['seeds']} trainings that differ by their seed alone: deviation "
        f"{spread['deviation']:.4f}."
        if spread
        else "The spread between seeds was not measured: the verdict is about these two models, not about "
        "their recipes."
    )
    fast = judged["times_as_fast"]
    return [
        "## Challenger against champion",
        table(heads, lines),
        f"Differences up to {next(_sets(judged))[1]['margin']:g} do not matter. The smallest that could "
        f"have been seen: {visible}. {told}",
        f"{fast['median']:.2f} times as fast as the champion (quartiles {fast['quartile_1']:.2f} to "
        f"{fast['quartile_3']:.2f}), "
        f"{judged['size_ratio']:.2f} times its size.",
        *_linear(judged.get("baseline", "")),
        *(f"* against it: {_foreign(one)}" for one in judged["objections"]),
        *(f"* for it: {_foreign(one)}" for one in judged["for_it"]),
    ]


def _linear(baseline: str) -> list[str]:
    """Where the linear baseline stands; a challenger that is no better than it is told so in bold."""
    told = _foreign(baseline)
    return [f"**{told}**" if BELOW in baseline else told] if told else []


def _sets(judged: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    return ((name, judged[name]) for name in ("frozen", "fresh") if name in judged)


def _signed(one: Mapping[str, float]) -> str:
    return f"{one['difference']:+.3f} [{one['low']:+.3f}, {one['high']:+.3f}]"


def _flips(one: Mapping[str, Any]) -> str:
    return f"+{one['gained']} / −{one['lost']}"


def _nights(entries: Sequence[Entry]) -> list[str]:
    lines = []
    for entry in reversed(entries[-30:]):
        judged = dict(_sets(entry["judgement"] or {}))
        told = [
            f"{judged[name]['verdict']} {judged[name]['difference']:+.3f}" if name in judged else "–"
            for name in ("frozen", "fresh")
        ]
        rows = entry["rows"]
        counts = [str(rows[key]) for key in ("arrived", "taken", "set_aside")]
        lines.append(
            [entry["at"][:16].replace("T", " "), *counts, entry["decision"], *told, f"v{entry['version']}"]
        )
    heads = ["night", "arrived", "taken", "set aside", "decision", "frozen", "fresh", "champion"]
    return ["## The nights so far", PICTURE, table(heads, lines)]
