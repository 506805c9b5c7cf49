"""The twelve nightly drops of the simulated quarter.

What each of them holds, row by row, and what is wrong with it.
"""

from __future__ import annotations

import csv
import io
import json
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.raw_data import sources
from tasks.ingest.cleaning import clean
from tasks.ingest.split import share
from tasks.kinds.base.kind import Kind, load_kind
from tests.campaigns.nightly import json_lines

Row = dict[str, str]
COLUMNS = ["headline", "desk", "body"]
WRONG_SHARE = 0.3
NEW_DESK = "games"
MALFORMED = [
    '{"headline": "half a row", "desk"',
    "no JSON at all",
    '["a", "list"]',
    '{"headline": "", "desk": "tech", "body": "no headline"}',
    '{"headline": "Nobody knows my desk", "desk": "", "body": "..."}',
    '{"headline": "NUL \0 byte", "desk": "tech", "body": ""}',
    '{"headline": "cut',
] * 2


@dataclass(frozen=True)
class Planted:
    """A row of a drop with the line it begins on; `values` is None for a line that is no row."""

    line: int
    values: Row | None
    bad: str = ""
    """Why no model may learn from it: `wrong label`, `new label`, `other domain`, `malformed`; empty if it
    may."""


@dataclass(frozen=True)
class Drop:
    name: str
    what: str
    content: bytes
    rows: Sequence[Planted]
    being_written: bool = False
    """It is half there on its own night, and whole before the next one."""

    @property
    def bad(self) -> int:
        return sum(bool(row.bad) for row in self.rows)


@dataclass
class Corpus:
    """Rows of the start in random order, and those that are to arrive."""

    start: list[Row] = field(default_factory=list)
    later: list[Row] = field(default_factory=list)


def corpus(run: Mapping[str, Any], ingest: Mapping[str, Any], seed: int) -> Corpus:
    """All rows of the frozen test split at the start, and a third of the others.

    `ingest` is what the run's params there are changed to.
    """
    kind, rows, of_ingest = load_kind(run["kind"]), articles("bbc-news"), {**run["ingest"], **ingest}
    random.Random(seed).shuffle(rows)
    test = [row for row in rows if _place(row, kind, of_ingest["split_seed"]) < of_ingest["test"]]
    rest = [row for row in rows if row not in test]
    third = len(rest) // 3
    found = Corpus([*test, *rest[:third]], [_dated(row, at) for at, row in enumerate(rest[third:])])
    random.Random(seed + 1).shuffle(found.start)
    return found


def _dated(row: Row, number: int) -> Row:
    """With a line at its end.

    By its own hash, which is known not to be that of a test row, it could not become a fresh test row either.
    """
    return {**row, "body": f"{row['body']}\nArticle {number} of the quarter."}


def _place(row: Row, kind: Kind, split_seed: int) -> float:
    counts: Counter[str] = Counter()
    values = {
        "text": clean(row["headline"], counts, keep_lines=False),
        "pool": clean(row["body"], counts, keep_lines=True),
    }
    return share(split_seed, kind.data.fingerprint(values))


def articles(source: str) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        sources.bring(source, Path(folder))
        return [
            json.loads(line)
            for line in (Path(folder) / "articles.jsonl").read_text(encoding="utf-8").splitlines()
        ]


def quarter(later: Sequence[Row], desks: Sequence[str], seed: int) -> list[Drop]:
    """One drop a night; nine of the twelve share the rows that are to arrive."""
    chance = random.Random(seed)
    parts = [list(later[at::9]) for at in range(9)]
    parts[2] = parts[2] + [row for part in parts[:2] + parts[3:] for row in _sounding(part)][:8]
    for number, part in enumerate(parts):
        if number != 2:
            parts[number] = [row for row in part if row not in parts[2]]
    first = as_csv("night-01.csv", "good", parts[0])
    return [
        first,
        Drop("night-02.csv", "empty", b"", ()),
        wrong_labels("night-03.jsonl", parts[1], desks, chance),
        as_csv("night-04.csv", "in ISO-8859-1", accented(parts[2]), encoding="iso-8859-1"),
        new_label("night-05.jsonl", parts[3]),
        as_json_lines("night-06.jsonl", "good", parts[4]),
        Drop("night-07.csv", "the file of night 1 again", first.content, first.rows),
        as_json_lines("night-08.jsonl", "still being written", parts[5], being_written=True),
        malformed("night-09.jsonl", parts[6], chance),
        as_csv("night-10.csv", "of another domain", tweets(len(parts[0]), desks, chance), bad="other domain"),
        as_csv("night-11.csv", "good", parts[7]),
        as_json_lines("night-12.jsonl", "good", parts[8]),
    ]


def as_json_lines(
    name: str,
    what: str,
    rows: Sequence[Row],
    bad: Callable[[int], str] = lambda _at: "",
    being_written: bool = False,
) -> Drop:
    planted = [Planted(at + 1, row, bad(at)) for at, row in enumerate(rows)]
    return Drop(name, what, json_lines(rows).encode(), planted, being_written)


def as_csv(name: str, what: str, rows: Sequence[Row], encoding: str = "utf-8", bad: str = "") -> Drop:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    planted = []
    for row in rows:
        planted.append(Planted(text.getvalue().count("\n") + 1, row, bad))
        writer.writerow(row)
    return Drop(name, what, text.getvalue().encode(encoding), planted)


def wrong_labels(name: str, rows: Sequence[Row], desks: Sequence[str], chance: random.Random) -> Drop:
    wrong = set(chance.sample(range(len(rows)), round(WRONG_SHARE * len(rows))))
    changed = [
        {**row, "desk": chance.choice([desk for desk in desks if desk != row["desk"]])} for row in rows
    ]
    changed = [changed[at] if at in wrong else row for at, row in enumerate(rows)]
    return as_json_lines(
        name, f"{len(wrong)} wrong labels", changed, lambda at: "wrong label" if at in wrong else ""
    )


def new_label(name: str, rows: Sequence[Row]) -> Drop:
    """Every third row of the desk `tech` is of a desk nobody knows yet."""
    tech = [at for at, row in enumerate(rows) if row["desk"] == "tech"]
    new = set(tech[::2])
    changed = [{**row, "desk": NEW_DESK} if at in new else row for at, row in enumerate(rows)]
    return as_json_lines(
        name, f"{len(new)} rows of a new desk", changed, lambda at: "new label" if at in new else ""
    )


def accented(rows: Sequence[Row]) -> list[Row]:
    """With the accents that the corpus lacks; pounds it has."""
    words = {"Beyonce": "Beyoncé", "cafe": "café", "fiance": "fiancé", "cliche": "cliché", "Pele ": "Pelé "}
    changed = []
    for row in rows:
        body = row["body"]
        for plain, right in words.items():
            body = body.replace(plain, right)
        changed.append({**row, "body": body})
    return changed


def _sounding(rows: Sequence[Row]) -> list[Row]:
    return [
        row for row in rows if any(word in row["body"] for word in ("Beyonce", "cafe", "fiance", "cliche"))
    ]


def malformed(name: str, rows: Sequence[Row], chance: random.Random) -> Drop:
    places = sorted(chance.sample(range(1, len(rows)), len(MALFORMED)))
    lines: list[str] = []
    planted = []
    for at, row in enumerate(rows):
        if at in places:
            lines.append(MALFORMED[places.index(at)])
            planted.append(Planted(len(lines), None, "malformed"))
        lines.append(json_lines([row]).rstrip("\n"))
        planted.append(Planted(len(lines), row))
    return Drop(
        name, f"{len(MALFORMED)} malformed rows", "".join(f"{line}\n" for line in lines).encode(), planted
    )


def tweets(count: int, desks: Sequence[str], chance: random.Random) -> list[Row]:
    """Of the WNUT-2016 shared task, with desks at random."""
    with tempfile.TemporaryDirectory() as folder:
        sources.bring("wnut-16", Path(folder))
        blocks = (
            (Path(folder) / "tweets.conll").read_text(encoding="utf-8").replace("\t\n", "\n").split("\n\n")
        )
    texts = list(
        dict.fromkeys(
            " ".join(line.partition("\t")[0] for line in block.splitlines())
            for block in blocks
            if block.strip()
        )
    )
    return [
        {"headline": text, "desk": chance.choice(list(desks)), "body": ""}
        for text in chance.sample(texts, count)
    ]
