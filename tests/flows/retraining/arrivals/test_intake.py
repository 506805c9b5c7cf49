"""An inbox taken in by a real champion.

Every row in one place, bad drops whole in quarantine, new classes kept until they are large.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from dvc.repo import Repo

from flows.judging.answers import Shipped
from flows.raw_data.pointer import files
from flows.retraining.arrivals import filter, inbox, intake
from flows.retraining.arrivals.drops import Rules
from flows.retraining.arrivals.filter import Known
from flows.retraining.arrivals.intake import Baseline
from flows.retraining.arrivals.store import REASONS, Store
from tasks.core import tables
from tests.flows.retraining import conftest
from tests.flows.retraining.conftest import policy, write_csv
from tests.tasks import stage

RUN = "a"
articles = functools.partial(conftest.articles, beyond=conftest.LEARNED)
"""A champion that has learned some of the frozen rows by heart misses more of those that arrive, and its
surprise is no news."""


@pytest.fixture(scope="module")
def ingest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tasks.ingest import stage as stage_of

    home = tmp_path_factory.mktemp("ingest")
    write_csv(home / "raw" / "rows.csv", articles(0, 500))
    given = {
        "columns": {"text": "headline", "label": "desk", "pool": "body"},
        "min_test_rows": 40,
        "min_rows_per_class": 20,
    }
    stage.run("ingest", stage_of.Inputs(home / "raw"), home / "ingest", **given)
    return home / "ingest" / "out"


@pytest.fixture
def store(project: Path) -> Store:
    return Store(project, RUN)


@pytest.fixture
def baseline(models: dict[str, Shipped], ingest: Path) -> Baseline:
    keen = models["keen"]
    return Baseline(keen, ingest, intake.missed(keen, tables.read(ingest / "test.parquet")), usual_bytes=1e6)


def take(store: Store, rules: Rules, baseline: Baseline, **changed: Any) -> dict[str, intake.Taken]:
    found, _ = inbox.look(inbox.folder(store.root, RUN), 0)
    taken = intake.take_in(found, store, rules, policy(max_content_shift=1.0, **changed), baseline)
    return {one.drop.name: one for one in taken}


def drop(store: Store, name: str, rows: list[dict[str, str]]) -> None:
    write_csv(inbox.folder(store.root, RUN) / name, rows)


def collected(store: Store) -> list[str]:
    lines = [
        (store.collected.folder / name).read_text().splitlines() for name in files(store.collected.folder)
    ]
    return [json.loads(line)["headline"] for each in lines for line in each]


def aside(store: Store) -> list[dict[str, Any]]:
    found = [path.read_text().splitlines() for path in sorted(store.quarantine.folder.glob(f"*/{REASONS}"))]
    return [json.loads(line) for each in found for line in each]


def test_every_row_ends_in_one_place(store: Store, rules: Rules, baseline: Baseline) -> None:
    new = articles(700, 40)
    drop(store, "a.csv", [*new, *articles(0, 7), {"headline": "", "desk": "tech", "body": "x"}])
    taken = take(store, rules, baseline)["a.csv"]
    assert taken.rows == 48 == taken.taken + sum(taken.aside.values())
    assert len(collected(store)) == taken.taken == len(set(collected(store)))
    assert len(aside(store)) == 48 - taken.taken
    assert [one.of for one in taken.shifts] == ["labels", "lengths", "content", "surprise"]
    kept = next(store.quarantine.folder.glob("*/drop/a.csv"))
    assert kept.read_bytes() == (inbox.folder(store.root, RUN) / "a.csv").read_bytes()


def test_doing_it_again_writes_the_same_files(store: Store, rules: Rules, baseline: Baseline) -> None:
    drop(store, "a.csv", [*articles(700, 30), *articles(0, 3)])
    take(store, rules, baseline)
    before = {path: path.read_bytes() for path in store.root.glob("data/*/a/**/*") if path.is_file()}
    for pointer in (store.collected, store.quarantine):  # as a night finds them that is begun again
        shutil.rmtree(pointer.folder)
    take(store, rules, baseline)
    assert {path: path.read_bytes() for path in store.root.glob("data/*/a/**/*") if path.is_file()} == before


def test_row_sent_again_with_another_label_is_a_conflict_and_the_page_says_so(
    store: Store, rules: Rules, baseline: Baseline
) -> None:
    drop(store, "a.csv", articles(700, 30))
    take(store, rules, baseline)
    relabelled = [{**row, "desk": "tech" if row["desk"] != "tech" else "sport"} for row in articles(700, 10)]
    drop(store, "b.csv", relabelled)
    fault = take(store, rules, baseline)["b.csv"].fault
    assert fault.startswith("no row could be taken: 10 label conflict (the first: line 2, ")
    assert (
        f"{relabelled[0]['desk']} here, {articles(700, 10)[0]['desk']} in a row that is here already)"
        in fault
    )
    assert fault.endswith("to correct it, change it where it stands (docs/retraining.md, Correct a label)")


def test_rows_collected_before_are_known(store: Store, rules: Rules, baseline: Baseline) -> None:
    drop(store, "a.csv", articles(700, 30))
    first = take(store, rules, baseline)["a.csv"]
    drop(store, "b.csv", [*articles(700, 30), *articles(740, 5)])
    second = take(store, rules, baseline)
    assert second["a.csv"].taken == 0
    assert second["b.csv"].taken == 5
    assert len(collected(store)) == first.taken + 5


def test_shifted_drop_is_set_aside_whole_or_only_told(store: Store, rules: Rules, baseline: Baseline) -> None:
    """What wrong labels do to a champion that is any good: docs/results/quarter.md."""
    drop(store, "one.csv", [row for row in articles(700, 400) if row["desk"] == "tech"])
    refused = take(store, rules, baseline)["one.csv"]
    assert refused.fault.startswith("labels: Cramér's V 0.")
    assert (refused.taken, collected(store)) == (0, [])
    assert next(store.quarantine.folder.glob("*/drop/one.csv")).exists()
    told = take(store, rules, baseline, on_shift="tell")["one.csv"]
    assert (told.fault, told.taken > 50, told.shifts[0].exceeds) == ("", True, True)


def of_classes_from(rules: Rules, rows: int) -> Rules:
    return dataclasses.replace(rules, ingest={**rules.ingest, "min_rows_per_class": rows})


@pytest.fixture
def with_science(store: Store, rules: Rules, baseline: Baseline) -> Known:
    """Rows of a new class are collected beside others."""
    known = filter.known_of(baseline.ingest, rules.kind)
    drop(store, "a.csv", [*articles(700, 40), *({**row, "desk": "science"} for row in articles(740, 40))])
    take(store, rules, baseline, unseen_labels="extend")
    return known


def test_rows_of_a_new_class_wait_until_there_are_enough_of_them(
    store: Store, rules: Rules, with_science: Known
) -> None:
    use, wait = intake.ready(store, of_classes_from(rules, 50), with_science)
    assert {row.values["desk"] for row in wait} == {"science"}
    assert len(wait) > 30
    assert "science" not in {row.values["desk"] for row in use}
    use, wait = intake.ready(store, of_classes_from(rules, len(wait)), with_science)
    assert (len(use), wait) == (len(collected(store)), [])


def test_learned_rows_leave_and_those_that_wait_stay(store: Store, rules: Rules, with_science: Known) -> None:
    everything = collected(store)
    use, wait = intake.ready(store, of_classes_from(rules, 50), with_science)
    store.learn(use, rules)
    store.keep_collected(wait, rules)
    (learned,) = files(store.raw.folder / "arrived")
    lines = (store.raw.folder / "arrived" / learned).read_text().splitlines()
    assert sorted([*(json.loads(line)["headline"] for line in lines), *collected(store)]) == sorted(
        everything
    )
    assert len(collected(store)) == len(wait) > 30


def test_unreadable_drop_is_kept_as_it_is_and_a_link_as_what_it_says(
    store: Store, rules: Rules, baseline: Baseline
) -> None:
    folder = inbox.folder(store.root, RUN)
    folder.mkdir(parents=True)
    (folder / "x.csv").symlink_to("/etc/passwd")
    (folder / "y.csv").write_bytes(bytes(range(256)) * 4)
    taken = take(store, rules, baseline)
    assert {name: (one.rows, one.taken) for name, one in taken.items()} == {
        "x.csv": (None, 0),
        "y.csv": (None, 0),
    }
    assert next(store.quarantine.folder.glob("*/drop/x.csv.link.txt")).read_text() == "/etc/passwd"
    assert next(store.quarantine.folder.glob("*/drop/y.csv")).read_bytes() == bytes(range(256)) * 4
    assert all(one["whole"] for one in aside(store))


def test_drop_whose_name_means_something_to_dvc_or_is_too_long_stops_no_night(
    store: Store, rules: Rules, baseline: Baseline
) -> None:
    folder = inbox.folder(store.root, RUN)
    (folder / "d").mkdir(parents=True)
    (store.root / ".dvcignore").write_text("data/inbox\n")  # as ours
    (folder / "dvc.yaml").write_text("stages: {evil: {cmd: 'touch evil', outs: [evil]}}\n")
    (folder / "x.dvc").write_text("not: [valid")
    (folder / "d" / "dvc.yaml").write_text(":::")
    (folder / "d" / "x.csv").write_text("other,columns\n1,2\n")
    (folder / ("l" * 250 + ".csv")).symlink_to("/etc/passwd")
    assert all(one.taken == 0 for one in take(store, rules, baseline).values())
    store.version()
    assert sorted(
        path.name[:20] for path in store.quarantine.folder.rglob("drop/**/*") if path.is_file()
    ) == [
        "dvc.yaml.kept",
        "dvc.yaml.kept",
        "l" * 20,
        "x.csv",
        "x.dvc.kept",
    ]
    with Repo(str(store.root)) as repo:
        assert [stage.addressing for stage in repo.index.stages] == [f"data/quarantine/{RUN}.dvc"]


def test_bytes_far_beyond_the_usual_are_not_read(store: Store, rules: Rules, baseline: Baseline) -> None:
    drop(store, "a.csv", articles(700, 60))
    small = dataclasses.replace(baseline, usual_bytes=1000.0)
    assert "far more than usual" in take(store, rules, small)["a.csv"].fault
