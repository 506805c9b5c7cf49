"""Drops are read by the run's own rules.

Of their rows the new and usable ones are taken, the others have a reason each.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from flows.retraining.arrivals import arrived, drops, filter, inbox, intake
from flows.retraining.arrivals.drops import Rules
from flows.retraining.arrivals.filter import Known
from flows.retraining.arrivals.store import Store
from tasks.ingest.split import assign_arrived
from tests import tiny
from tests.flows.retraining.conftest import articles, reading_of, write_csv
from tests.tasks import stage


@pytest.fixture(scope="module")
def ingest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ingest made of 300 articles."""
    from tasks.ingest import stage as stage_of

    home = tmp_path_factory.mktemp("ingest")
    write_csv(home / "raw" / "rows.csv", articles(0, 300))
    given = {
        "columns": {"text": "headline", "label": "desk", "pool": "body"},
        "min_test_rows": 40,
        "min_rows_per_class": 20,
    }
    stage.run("ingest", stage_of.Inputs(home / "raw"), home / "ingest", **given)
    return home / "ingest" / "out"


@pytest.fixture
def known(ingest: Path, rules: Rules) -> Known:
    return filter.known_of(ingest, rules.kind)


def sift(
    rows: list[dict[str, str]], known: Known, rules: Rules, tmp_path: Path, unseen: str = "refuse"
) -> filter.Filtered:
    reading = reading_of(write_csv(tmp_path / "inbox" / "drop.csv", rows), rules, tmp_path)
    assert not reading.fault
    found = filter.filter_reading(reading, known, rules.kind, unseen)
    assert len(found.rows) + len(found.aside) in (reading.count, 0)
    return found


def test_new_rows_are_taken_and_rows_that_are_here_are_not(
    known: Known, rules: Rules, tmp_path: Path
) -> None:
    new = articles(300, 30)
    found = sift([*new, *articles(0, 10), new[0]], known, rules, tmp_path)
    assert {row.values["headline"] for row in found.rows} <= {row["headline"] for row in new}
    assert len(found.rows) >= 28
    assert found.reasons()["known row"] >= 10


def test_row_that_was_taken_is_not_taken_again_though_ingest_set_it_aside(
    rules: Rules, ingest: Path, tmp_path: Path
) -> None:
    """As the near duplicate of a test row, which is in none of ingest's tables."""
    store = Store(tmp_path, "smoke")
    twins = articles(340, 3)
    write_csv(store.raw.folder / "arrived" / "x.csv", twins)
    write_csv(store.collected.folder / "y.csv", articles(343, 3))
    found = sift(articles(340, 8), intake.known_rows(store, rules, ingest), rules, tmp_path)
    assert {row.values["headline"] for row in found.rows} == {row["headline"] for row in articles(346, 2)}
    assert found.reasons() == {"known row": 6}


def test_texts_of_rows_that_measure_are_never_taken_whatever_their_label(
    known: Known, rules: Rules, ingest: Path, tmp_path: Path
) -> None:
    import pyarrow.parquet as pq

    measured = pq.read_table(ingest / "test.parquet").to_pylist()[:6]
    rows = [{"headline": row["text"], "desk": row["label"], "body": "another body"} for row in measured[:3]]
    rows += [
        {
            "headline": row["text"],
            "desk": next(name for name in tiny.LABELS if name != row["label"]),
            "body": "",
        }
        for row in measured[3:]
    ]
    found = sift(rows, known, rules, tmp_path)
    assert found.rows == []
    assert found.reasons() == {"row that measures": 3, "label conflict": 3}


def test_unseen_labels_are_refused_mapped_or_let_in(known: Known, rules: Rules, tmp_path: Path) -> None:
    rows = [*articles(400, 20), *({**row, "desk": "science"} for row in articles(430, 5))]
    refused = sift(
        rows,
        dataclasses.replace(known, ids=set(known.ids), learned=dict(known.learned)),
        rules,
        tmp_path / "a",
    )
    assert refused.reasons()["unseen label"] == 5
    let_in = sift(
        rows,
        dataclasses.replace(known, ids=set(known.ids), learned=dict(known.learned)),
        rules,
        tmp_path / "b",
        "extend",
    )
    assert len(let_in.rows) == len(refused.rows) + 5
    mapped = sift(rows, known, dataclasses.replace(rules, map_labels={"science": "tech"}), tmp_path / "c")
    assert len(mapped.rows) == len(let_in.rows)
    assert {row.values["desk"] for row in mapped.rows} == set(tiny.LABELS)


def test_rows_of_a_new_class_wait_until_ingest_can_make_a_class_of_them(
    known: Known, rules: Rules, tmp_path: Path
) -> None:
    store = Store(tmp_path, "smoke")
    new = [{**row, "desk": "science"} for row in articles(430, 60)]

    def waiting(rows: list[dict[str, str]]) -> int:
        write_csv(store.collected.folder / "x.csv", [*articles(500, 5), *rows])
        use, wait = intake.ready(store, rules, known)
        assert len(use) + len(wait) == 5 + len(rows)
        return len(wait)

    assert waiting(new[:5]) == 5
    assert waiting(new) == 0
    reading = drops.read_folder(store.collected.folder, rules)
    records = [record for each in reading.records for record in each]
    assign_arrived(records, rules.ingest["split_seed"], rules.ingest["validation"], rules.ingest["fresh"])
    to_learn = {record.values["text"] for record in records if record.side == "train"}
    only = [row for row in new if row["headline"] in to_learn]
    assert len(only) >= rules.ingest["min_rows_per_class"]
    assert waiting(only) == len(only)


@pytest.mark.parametrize("unseen", ["refuse", "extend"])
def test_labels_of_another_language_set_the_drop_aside_whole(
    known: Known, rules: Rules, tmp_path: Path, unseen: str
) -> None:
    german = {
        "business": "Wirtschaft",
        "tech": "Technik",
        "sports": "Sport",
        "politics": "Politik",
        "entertainment": "Kultur",
    }
    found = sift(
        [{**row, "desk": german[row["desk"]]} for row in articles(500, 25)], known, rules, tmp_path, unseen
    )
    assert found.rows == []
    assert "most of its labels are unknown (" in found.fault
    assert (
        "known: business, entertainment, politics, sports, tech; `map_labels` can translate them"
        in found.fault
    )


def test_rows_that_contradict_each_other_or_what_is_here_are_not_taken(
    known: Known, rules: Rules, tmp_path: Path
) -> None:
    (row,) = articles(600, 1)
    other = next(name for name in tiny.LABELS if name != row["desk"])
    found = sift([row, {**row, "desk": other}, *articles(610, 5)], known, rules, tmp_path)
    assert found.reasons()["label conflict"] == 1


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (
            b"a,b\n1,2\n",
            "no column `headline` (role text) and `desk` (role label) and `body` (role pool); found: a, b",
        ),
        (bytes(range(256)) * 4, "is no text: it looks like a binary file"),
    ],
)
def test_drop_that_cannot_be_read_has_a_fault_and_no_rows(
    rules: Rules, tmp_path: Path, content: bytes, fault: str
) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "x.csv").write_bytes(content)
    found = reading_of(tmp_path / "inbox" / "x.csv", rules, tmp_path)
    assert fault in found.fault
    assert found.rows == []


def test_rows_of_one_line_of_json_are_told_apart(known: Known, rules: Rules, tmp_path: Path) -> None:
    rows = [*articles(750, 20), {"headline": "", "desk": "tech", "body": "x"}]
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "x.json").write_text(json.dumps(rows), encoding="utf-8")
    reading = reading_of(tmp_path / "inbox" / "x.json", rules, tmp_path)
    found = filter.filter_reading(reading, known, rules.kind, "refuse")
    assert [row.values["headline"] for row in reading.rows] == [row["headline"] for row in rows[:20]]
    assert len(found.rows) >= 18
    assert len(found.rows) + len(found.aside) == 21
    assert {(one.line, one.reason) for one in reading.rejected} == {(1, "empty text")}


def test_drop_that_became_a_link_after_it_was_looked_at_is_not_followed(rules: Rules, tmp_path: Path) -> None:
    outside = write_csv(tmp_path / "outside.csv", articles(0, 5))
    file = write_csv(tmp_path / "inbox" / "x.csv", articles(0, 5))
    (drop,), _ = inbox.look(tmp_path / "inbox", 0)
    file.unlink()
    file.symlink_to(outside)
    (tmp_path / "staging").mkdir()
    found = drops.read(drop, rules, 1e9, tmp_path / "staging")
    assert found.fault == "x.csv is a link that leads out of the folder; put the file itself there"
    assert found.rows == []


def test_a_text_in_several_columns_is_read_as_ingest_reads_it(rules: Rules, tmp_path: Path) -> None:
    columns = {**rules.ingest["columns"], "text": ["desk", "headline"]}
    joined = dataclasses.replace(rules, ingest={**rules.ingest, "columns": columns})
    reading = reading_of(write_csv(tmp_path / "inbox" / "x.csv", articles(700, 5)), joined, tmp_path)
    assert reading.fault == ""
    assert [one.values["text"] for each in reading.records for one in each] == [
        f"{row['desk']} {row['headline']}" for row in articles(700, 5)
    ]
    assert joined.needed == ["desk", "headline", "desk", "body"]
    arrived.write(reading.rows, tmp_path / "arrived", tmp_path, joined.file_columns, joined.needed)
    again = drops.read_folder(tmp_path / "arrived", joined)
    found = {one.values["text"] for each in again.records for one in each}
    assert found == {one.values["text"] for each in reading.records for one in each}


def test_drop_far_larger_than_usual_is_not_even_opened(rules: Rules, tmp_path: Path) -> None:
    write_csv(tmp_path / "inbox" / "x.csv", articles(0, 50))
    found = reading_of(tmp_path / "inbox" / "x.csv", rules, tmp_path, largest=1000)
    assert "far more than usual; at most 1,000 are taken at once" in found.fault
    assert not list((tmp_path / "staging").iterdir())


def test_malformed_rows_and_another_encoding_cost_only_the_rows_concerned(
    known: Known, rules: Rules, tmp_path: Path
) -> None:
    rows = articles(700, 20)
    file = write_csv(
        tmp_path / "inbox" / "x.csv",
        [
            *rows,
            {"headline": "", "desk": "tech", "body": "x"},
            {"headline": "Café £5", "desk": "", "body": ""},
        ],
    )
    file.write_bytes(file.read_text(encoding="utf-8").encode("iso-8859-1", "replace") + b"only one cell\n")
    reading = reading_of(file, rules, tmp_path)
    found: Any = filter.filter_reading(reading, known, rules.kind, "refuse")
    assert reading.count == 23
    assert len(found.rows) + len(found.aside) == 23
    assert found.reasons()["empty text"] == 1
    assert found.reasons()["no label"] == 1
