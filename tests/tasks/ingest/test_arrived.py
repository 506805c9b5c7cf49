"""What arrives after the start.

It gets sides of its own and yields to every row of the start, whose tables it never changes.
"""

from __future__ import annotations

import io
import itertools
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tasks.core.errors import DataError
from tasks.ingest import stage as ingest
from tasks.ingest.near_duplicates.text_pairs import _pieces
from tasks.ingest.split import share
from tasks.kinds.text.classification.kind import KIND
from tests import tiny
from tests.tasks import stage

OLD = 200
THRESHOLD = 0.8
FEW_COLUMNS = {"text": "text", "label": "label"}
FEW: dict[str, Any] = {
    "columns": FEW_COLUMNS,
    "min_rows_per_class": 3,
    "min_test_rows": 5,
    "near_duplicates": THRESHOLD,
}
PICTURES: dict[str, Any] = {
    "kind": "image/classification",
    "options": tiny.OPTIONS["image/classification"],
    "near_duplicates": 0.98,
    "columns": {"image": "image", "label": "label"},
}
SHARES = {"validation": 0.12, "test": 0.30, "fresh": 0.2}
Rows = list[dict[str, Any]]


def articles(start: int, end: int) -> Rows:
    """Long enough that a word more or less makes a near duplicate."""
    return [
        {"text": f"{a['headline']} {' '.join(a['body'].split()[:40])}", "label": a["desk"]}
        for a in tiny.articles()[start:end]
    ]


def put(raw: Path, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    (raw / name).parent.mkdir(parents=True, exist_ok=True)
    (raw / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def take_in(raw: Path, home: Path, **changed: Any) -> dict[str, Any]:
    return dict(stage.run("ingest", ingest.Inputs(raw), home, **{**FEW, **SHARES, **changed}).figures)


def table(home: Path, name: str) -> Rows:
    rows: Rows = pq.read_table(home / "out" / f"{name}.parquet").to_pylist()
    return rows


def placed(home: Path, key: str = "text") -> dict[str, str]:
    """What is kept -> its side."""
    names = [
        side
        for side in ("train", "validation", "test", "fresh")
        if (home / "out" / f"{side}.parquet").exists()
    ]
    return {row[key]: side for side in names for row in table(home, side)}


def reasons(home: Path) -> dict[str, str]:
    return {at(row): row["reason"] for row in table(home, "rejected")}


def at(row: Mapping[str, Any]) -> str:
    return f"{row['file']}:{row['line']}"


def old_rows(home: Path) -> Rows:
    rows = [{"side": side, **row} for side in ("train", "validation", "test") for row in table(home, side)]
    return sorted((row for row in rows if not row["file"].startswith("arrived/")), key=lambda row: row["id"])


def side_of(row: Mapping[str, str], arrived: bool) -> str:
    place = share(0, KIND.data.fingerprint(row))
    first, name = (SHARES["fresh"], "fresh") if arrived else (SHARES["test"], "test")
    return name if place < first else "validation" if place < first + SHARES["validation"] else "train"


def content(row: Mapping[str, Any]) -> str:
    return KIND.data.content(row)


def variant(text: str, arrived: bool, side: str) -> str:
    """A near duplicate of a text that is on a side."""
    made = (f"{text} {n}" for n in range(1000))
    return next(one for one in made if side_of({"text": one}, arrived) == side)


def both_sides_of_it() -> tuple[str, str, str]:
    """A text, and two that resemble it but not each other.

    More stands before the one, and behind the other.
    """
    text = base()
    before, behind = (" ".join(f"{sign}{n}" for n in range(len(text) // 20)) for sign in "xy")
    return text, f"{before} {text}", f"{text} {behind}"


def base(number: int = 250) -> str:
    return str(articles(number, number + 1)[0]["text"])


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    put(tmp_path / "raw", "articles.jsonl", articles(0, OLD))
    return tmp_path / "raw"


# -- sides --


def test_without_the_folder_all_is_as_it_was(raw: Path, tmp_path: Path) -> None:
    figures = take_in(raw, tmp_path / "o")
    assert list(figures["rows"]) == ["train", "validation", "test"]
    assert not (tmp_path / "o/out/fresh.parquet").exists()
    assert (
        "fresh"
        not in (tmp_path / "o/out/report.json").read_text() + (tmp_path / "o/out/report.md").read_text()
    )
    (raw / "arrived").mkdir()
    take_in(raw, tmp_path / "p")
    assert stage.contents(tmp_path / "o/out") == stage.contents(tmp_path / "p/out")


@pytest.mark.parametrize("split", ["sticky", "given"])
def test_arrived_rows_are_fresh_validation_or_train_by_their_hash_and_never_test(
    raw: Path, tmp_path: Path, split: str
) -> None:
    given: dict[str, Any] = {}
    if split == "given":
        rows = [{**row, "part": "test" if n % 3 == 0 else "train"} for n, row in enumerate(articles(0, OLD))]
        put(raw, "articles.jsonl", rows)
        given = {"split": "given", "columns": {**FEW_COLUMNS, "split": "part"}}
    take_in(raw, tmp_path / "before", **given)
    put(
        raw,
        "arrived/test.jsonl",
        [{**row, **({"part": "test"} if n % 2 else {})} for n, row in enumerate(articles(OLD, 280))],
    )
    figures = take_in(raw, tmp_path / "o", **given)
    arrived = {row["text"] for row in articles(OLD, 280)}
    sides = {text: side for text, side in placed(tmp_path / "o").items() if text in arrived}
    assert len(sides) > 70
    assert sides == {text: side_of({"text": text}, arrived=True) for text in sides}
    assert set(sides.values()) == {"train", "validation", "fresh"}
    assert 8 < figures["rows"]["fresh"] < 26
    assert (tmp_path / "o/out/test.parquet").read_bytes() == (
        tmp_path / "before/out/test.parquet"
    ).read_bytes()
    assert pq.read_schema(tmp_path / "o/out/fresh.parquet") == pq.read_schema(tmp_path / "o/out/test.parquet")
    report = json.loads((tmp_path / "o/out/report.json").read_text())
    assert report["arrived"] == {
        side: list(sides.values()).count(side) for side in ("train", "validation", "fresh")
    }
    assert f"{report['arrived']['fresh']} fresh" in (tmp_path / "o/out/report.md").read_text()


def test_a_share_of_nothing_makes_an_empty_fresh_set_of_the_same_columns(raw: Path, tmp_path: Path) -> None:
    put(raw, "arrived/a.jsonl", articles(OLD, 220))
    assert take_in(raw, tmp_path / "o", fresh=0.0)["rows"]["fresh"] == 0
    assert pq.read_table(tmp_path / "o/out/fresh.parquet").num_rows == 0
    assert pq.read_schema(tmp_path / "o/out/fresh.parquet") == pq.read_schema(tmp_path / "o/out/test.parquet")


def test_a_class_that_only_arrived_is_measured_by_fresh_rows(raw: Path, tmp_path: Path) -> None:
    new = [{**row, "label": "weather"} for row in articles(OLD, 230)]
    put(raw, "arrived/a.jsonl", new)
    figures = take_in(raw, tmp_path / "o")
    assert figures["labels"] == 6
    assert json.loads((tmp_path / "o/out/report.json").read_text())["classes"]["weather"]["test"] == 0
    put(raw, "arrived/a.jsonl", [row for row in new if side_of(row, arrived=True) != "fresh"])
    with pytest.raises(DataError, match=r"class `weather` has .* none in test"):
        take_in(raw, tmp_path / "p")


# -- what the start keeps, whatever arrives --


def _strangers_and_some_copies(old: Rows) -> Rows:
    return [*articles(OLD, 260), *old[:10]]


def _copies_with_other_case(old: Rows) -> Rows:
    return [{**row, "text": row["text"].upper()} for row in old]


def _contradictions(old: Rows) -> Rows:
    return [{**row, "label": "sports" if row["label"] != "sports" else "tech"} for row in old]


def _near_duplicates(old: Rows) -> Rows:
    return [{**row, "text": f"{row['text']} {n}"} for row in old for n in range(3)]


def _near_duplicates_with_other_labels(old: Rows) -> Rows:
    return [{**row, "text": f"Now {row['text']}", "label": "tech"} for row in old]


def _bridges(old: Rows) -> Rows:
    """Each resembles two neighbours that do not resemble each other; see `test_bridges_...` for that."""
    texts = [row["text"].split() for row in old]
    return [{"text": " ".join([*one, *other]), "label": "tech"} for one, other in itertools.pairwise(texts)]


ARRIVALS: list[Callable[[Rows], Rows]] = [
    _strangers_and_some_copies,
    _copies_with_other_case,
    _contradictions,
    _near_duplicates,
    _near_duplicates_with_other_labels,
    _bridges,
]


def test_the_rows_of_the_start_keep_side_group_and_place_through_arrivals_of_every_kind(
    raw: Path, tmp_path: Path
) -> None:
    twins = [{**row, "text": f"{row['text']} once more"} for row in articles(0, 40)]
    put(raw, "articles.jsonl", [*articles(0, OLD), *twins])
    take_in(raw, tmp_path / "0")
    test, before = (tmp_path / "0/out/test.parquet").read_bytes(), old_rows(tmp_path / "0")
    aside = reasons(tmp_path / "0")
    assert Counter(reason[:4] for reason in aside.values())["near"] > 5
    for night, arrival in enumerate(ARRIVALS, 1):
        put(raw, f"arrived/{9 - night}.jsonl", arrival(articles(0, OLD)))
        take_in(raw, tmp_path / str(night))
        assert (tmp_path / str(night) / "out/test.parquet").read_bytes() == test
        assert old_rows(tmp_path / str(night)) == before
        assert {
            place: reason
            for place, reason in reasons(tmp_path / str(night)).items()
            if not place.startswith("arrived/")
        } == aside
    every = [
        row
        for side in ("train", "validation", "test", "fresh")
        for row in table(tmp_path / str(len(ARRIVALS)), side)
    ]
    assert len({row["id"] for row in every}) == len(every) > len(before) + 50
    assert _straddling(tmp_path / str(len(ARRIVALS))) == []


def _straddling(home: Path) -> list[tuple[str, str]]:
    """Pairs on different sides that overlap enough, one of which arrived: found by comparing all with all."""
    rows = [(side, _pieces(" ".join(text.casefold().split())), text) for text, side in placed(home).items()]
    names = sorted({int(piece) for _, pieces, _ in rows for piece in pieces})
    index = {piece: n for n, piece in enumerate(names)}
    holds = np.zeros((len(rows), len(names)), dtype=np.float32)
    for n, (_, pieces, _) in enumerate(rows):
        holds[n, [index[int(piece)] for piece in pieces]] = 1
    shared, sizes = holds @ holds.T, holds.sum(1)
    alike = shared >= THRESHOLD * (sizes[:, None] + sizes[None] - shared)
    assert alike.sum() > len(rows) + 50  # pairs on one side there are
    return [
        (rows[a][2], rows[b][2]) for a, b in zip(*np.nonzero(alike), strict=True) if rows[a][0] != rows[b][0]
    ]


def test_pictures_in_class_folders_stay_the_rows_of_the_start_when_a_table_arrives(tmp_path: Path) -> None:
    raw, digits = tmp_path / "raw", tiny.digits()
    for row in digits[:400]:
        (raw / row["label"]).mkdir(parents=True, exist_ok=True)
        (raw / row["label"] / f"{row['id']}.png").write_bytes(row["image"])
    take_in(raw, tmp_path / "before", **PICTURES)
    (raw / "arrived").mkdir()
    later = [*digits[400:550], *({**row, "label": "0"} for row in digits[:50])]
    pq.write_table(
        pa.table({key: [row[key] for row in later] for key in ("image", "label")}), raw / "arrived/a.parquet"
    )
    (raw / "arrived" / "stray.png").write_bytes(digits[0]["image"])
    figures = take_in(raw, tmp_path / "o", **PICTURES)
    assert (tmp_path / "o/out/test.parquet").read_bytes() == (
        tmp_path / "before/out/test.parquet"
    ).read_bytes()
    assert old_rows(tmp_path / "o") == old_rows(tmp_path / "before")
    assert figures["rows"]["fresh"] > 10
    assert figures["rejected"]["label conflict"] > 30


def test_a_text_that_lies_in_the_folder_itself_is_not_of_a_class_of_that_name(
    raw: Path, tmp_path: Path
) -> None:
    put(raw, "arrived/a.jsonl", articles(OLD, 220))
    (raw / "arrived" / "notes.txt").write_text("These are notes.", encoding="utf-8")
    take_in(raw, tmp_path / "o")
    report = json.loads((tmp_path / "o/out/report.json").read_text())
    assert (report["ignored"], "arrived" in report["classes"]) == (["arrived/notes.txt"], False)


# -- copies and contradictions --


def test_only_what_arrived_is_set_aside_for_a_copy_or_a_contradiction_of_an_old_row(
    raw: Path, tmp_path: Path
) -> None:
    one, two = articles(0, 2)
    put(raw, "arrived/a.jsonl", [one, {**two, "label": "weather"}])
    take_in(raw, tmp_path / "o")
    said = reasons(tmp_path / "o")
    assert said["arrived/a.jsonl:1"] == "duplicate of articles.jsonl:1"
    assert said["arrived/a.jsonl:2"] == f"label conflict: weather here, {two['label']} at articles.jsonl:2"
    assert {one["text"], two["text"]} <= placed(tmp_path / "o").keys()


def test_what_arrived_cannot_bring_back_what_the_start_contradicts(raw: Path, tmp_path: Path) -> None:
    text = base()
    put(raw, "more.jsonl", [{"text": text, "label": "tech"}, {"text": text, "label": "sports"}])
    put(raw, "arrived/a.jsonl", [{"text": text, "label": "tech"}, {"text": text, "label": "politics"}])
    take_in(raw, tmp_path / "o")
    assert text not in placed(tmp_path / "o")
    assert [
        reason.split(":")[0]
        for place, reason in sorted(reasons(tmp_path / "o").items())
        if place.startswith("arrived/")
    ] == [
        "duplicate of more.jsonl",
        "label conflict",
    ]


def test_rows_that_arrived_and_contradict_each_other_are_all_set_aside_unless_an_old_one_decides(
    raw: Path, tmp_path: Path
) -> None:
    """With a body, the same headline is no copy: the model sees the headline alone."""
    bodies = [{"text": base(), "pool": f"This is body number {n} of it."} for n in range(100)]
    old = next(row["pool"] for row in bodies if side_of(row, arrived=False) == "train")
    agreeing = next(
        row["pool"] for row in bodies if side_of(row, arrived=True) == "train" and row["pool"] != old
    )
    put(raw, "articles.jsonl", [{**row, "body": ""} for row in articles(0, OLD)])
    put(raw, "more.jsonl", [{"text": base(), "label": "tech", "body": old}])
    later = [
        (base(), "sports", "Another body."),
        (base(), "tech", agreeing),
        (base(260), "tech", "One."),
        (base(260), "sports", "Two."),
    ]
    put(
        raw,
        "arrived/a.jsonl",
        [dict(zip(("text", "label", "body"), values, strict=True)) for values in later],
    )
    take_in(raw, tmp_path / "o", columns={**FEW_COLUMNS, "pool": "body"})
    assert [place for place in sorted(reasons(tmp_path / "o")) if place.startswith("arrived/")] == [
        f"arrived/a.jsonl:{n}" for n in (1, 3, 4)
    ]
    groups = {row["file"]: row["group"] for row in table(tmp_path / "o", "train")}
    assert groups["arrived/a.jsonl"] == groups["more.jsonl"]


# -- near duplicates --


def test_a_near_duplicate_of_an_old_row_stays_on_its_side_alone_and_joins_its_group(
    raw: Path, tmp_path: Path
) -> None:
    old = {
        side: variant(base(250 + n), False, side) for n, side in enumerate(("train", "validation", "test"))
    }
    put(raw, "more.jsonl", [{"text": text, "label": "tech"} for text in old.values()])
    later = [(was, side) for was in old for side in ("train", "validation", "fresh")]
    put(
        raw,
        "arrived/a.jsonl",
        [{"text": variant(old[was], True, side), "label": "tech"} for was, side in later],
    )
    take_in(raw, tmp_path / "o")
    said = reasons(tmp_path / "o")
    for line, (was, side) in enumerate(later, 1):
        reason = said.get(f"arrived/a.jsonl:{line}", "")
        assert reason.startswith(f"near duplicate of a {was} row more.jsonl:") != (was == side), (
            was,
            side,
            reason,
        )
    kept = [
        row
        for side in ("train", "validation")
        for row in table(tmp_path / "o", side)
        if row["file"] != "articles.jsonl"
    ]
    assert len(kept) == 4
    assert len({row["group"] for row in kept}) == 2


@pytest.mark.parametrize("side", ["train", "validation"])
def test_a_bridge_between_old_groups_joins_one_of_them_or_is_set_aside(
    raw: Path, tmp_path: Path, side: str
) -> None:
    middle, one, other = both_sides_of_it()
    one, other = variant(one, False, "train"), variant(other, False, side)
    put(raw, "more.jsonl", [{"text": one, "label": "tech"}, {"text": other, "label": "tech"}])
    take_in(raw, tmp_path / "before")
    groups = {row["text"]: row["group"] for row in old_rows(tmp_path / "before")}
    assert groups[one] != groups[other]
    put(raw, "arrived/a.jsonl", [{"text": variant(middle, True, "train"), "label": "tech"}])
    take_in(raw, tmp_path / "o")
    assert old_rows(tmp_path / "o") == old_rows(tmp_path / "before")
    arrived = [row["group"] for row in table(tmp_path / "o", "train") if row["file"] == "arrived/a.jsonl"]
    said = reasons(tmp_path / "o").get("arrived/a.jsonl:1")
    assert (arrived, said) == (
        ([groups[one]], None) if side == "train" else ([], "near duplicate of a validation row more.jsonl:2")
    )


def test_among_near_duplicates_that_arrived_the_side_that_measures_keeps_its_row(
    raw: Path, tmp_path: Path
) -> None:
    texts = {side: variant(base(), True, side) for side in ("train", "validation", "fresh")}
    for left in (["train", "validation", "fresh"], ["train", "validation"]):
        put(raw, "arrived/a.jsonl", [{"text": texts[side], "label": "tech"} for side in left])
        take_in(raw, tmp_path / left[-1])
        kept = placed(tmp_path / left[-1])
        assert [side for side in texts if texts[side] in kept] == [left[-1]]
        assert (
            reasons(tmp_path / left[-1])["arrived/a.jsonl:1"]
            == f"near duplicate of a {left[-1]} row arrived/a.jsonl:{len(left)}"
        )


def test_a_row_that_closes_a_chain_to_an_old_one_takes_no_fresh_row_away(raw: Path, tmp_path: Path) -> None:
    middle, one, other = both_sides_of_it()
    fresh = variant(other, True, "fresh")
    put(raw, "more.jsonl", [{"text": variant(one, False, "train"), "label": "tech"}])
    put(raw, "arrived/b.jsonl", [{"text": fresh, "label": "tech"}])
    take_in(raw, tmp_path / "o")
    put(raw, "arrived/a.jsonl", [{"text": variant(middle, True, "train"), "label": "tech"}])
    take_in(raw, tmp_path / "p")
    assert placed(tmp_path / "o")[fresh] == placed(tmp_path / "p")[fresh] == "fresh"
    assert reasons(tmp_path / "p")["arrived/a.jsonl:1"] == "near duplicate of a fresh row arrived/b.jsonl:1"


def test_no_chain_runs_through_a_row_that_is_set_aside(raw: Path, tmp_path: Path) -> None:
    middle, one, other = both_sides_of_it()
    words = middle.split()
    inside = " ".join([*words[:20], *(f"z{n}" for n in range(len(middle) // 20)), *words[20:]])
    ends = {variant(one, True, "train"): "train", variant(other, True, "fresh"): "fresh"}
    put(raw, "more.jsonl", [{"text": variant(inside, False, "test"), "label": "tech"}])
    put(
        raw,
        "arrived/a.jsonl",
        [{"text": text, "label": "tech"} for text in [variant(middle, True, "train"), *ends]],
    )
    take_in(raw, tmp_path / "o")
    assert [reason for place, reason in reasons(tmp_path / "o").items() if place.startswith("arrived/")] == [
        "near duplicate of a test row more.jsonl:1"
    ]
    assert ends.items() <= placed(tmp_path / "o").items()


def test_pictures_that_arrived_and_look_the_same_do_not_straddle(tmp_path: Path) -> None:
    digits = tiny.digits()
    pairs = [
        {**row, "image": _large(row["image"], brighter)} for brighter in (0, 1) for row in digits[400:550]
    ]
    for name, rows in {"raw/a.parquet": digits[:400], "raw/arrived/b.parquet": pairs}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(
            pa.table({key: [row[key] for row in rows] for key in ("image", "label")}), tmp_path / name
        )
    figures = take_in(tmp_path / "raw", tmp_path / "o", **PICTURES)
    assert figures["rejected"]["near duplicate"] > 20
    lines: dict[int, set[str]] = {}
    for side in ("train", "validation", "fresh"):
        for row in table(tmp_path / "o", side):
            if row["file"] == "arrived/b.parquet":
                lines.setdefault((row["line"] - 1) % 150, set()).add(side)
    assert len(lines) > 100
    assert [sides for sides in lines.values() if len(sides) > 1] == []


def _large(picture: bytes, brighter: int) -> bytes:
    """With one pixel brighter by so much: small, it is the same."""
    file = io.BytesIO()
    image = Image.open(io.BytesIO(picture)).resize((64, 64))
    image.putpixel((0, 0), int(image.getpixel((0, 0))) + brighter)  # type: ignore[arg-type]
    image.save(file, "PNG")
    return file.getvalue()


# -- as more and more arrives --


def test_no_night_moves_what_arrived_in_an_earlier_one_and_only_a_contradiction_takes_a_fresh_row(
    raw: Path, tmp_path: Path
) -> None:
    stream = articles(OLD, 300) + _near_duplicates(articles(OLD, 240)) + _contradictions(articles(OLD, 225))
    before: dict[str, tuple[str, str]] = {}
    gone = Counter[str]()
    for night in range(6):
        home = tmp_path / str(night)
        put(raw, f"arrived/{9 - night}.jsonl", stream[night::6])
        take_in(raw, home)
        now = {
            row["id"]: (side, at(row))
            for side in ("train", "validation", "test", "fresh")
            for row in table(home, side)
        }
        assert [one for one, (side, _) in before.items() if one in now and now[one][0] != side] == []
        said = reasons(home)
        for side, place in (there for one, there in before.items() if one not in now):
            reason = said[place]
            reason = said.get(
                reason.removeprefix("duplicate of "), reason
            )  # of a copy in a file whose name sorts before
            gone[side] += 1
            assert reason.startswith(
                "label conflict" if side == "fresh" else ("label conflict", "near duplicate")
            )
        before = now
    assert min(gone["train"], gone["fresh"]) > 0 == gone["test"]


def test_the_pool_holds_no_text_of_a_fresh_row(raw: Path, tmp_path: Path) -> None:
    """Each row quotes the headlines of others.

    Of what training rows quote, the headlines of training rows may be in the pool.
    """
    headlines = [
        {"text": row["headline"], "label": row["desk"], "body": row["body"]} for row in tiny.articles()
    ]
    later = headlines[OLD:260]
    quoting = [
        {**row, "body": "\n".join([*(f"{other['text']}." for other in later[:30]), row["body"]])}
        for row in later
    ]
    quoting += [
        {**row, "body": "\n".join([*(other["text"] for other in later[:30]), row["body"]])}
        for row in headlines[260:]
    ]
    put(raw, "articles.jsonl", headlines[:OLD])
    put(raw, "arrived/a.jsonl", quoting)
    take_in(raw, tmp_path / "o", columns={**FEW_COLUMNS, "pool": "body"}, near_duplicates=1.0)
    contents = {
        name: {content(row) for row in table(tmp_path / "o", name)} for name in ("pool", "fresh", "train")
    }
    quoted = {content(row) for row in later[:30]}
    assert len(quoted & contents["fresh"]) > 3
    assert len(quoted & contents["pool"]) > 3
    assert contents["pool"].isdisjoint(contents["fresh"])
