"""What the registry keeps of a champion, and that it reads what it wrote before it knew who and why."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from flows.retraining.night import rollback
from flows.retraining.record import registry
from tasks.core.errors import DataError

CHAMPION = registry.Champion(
    "a",
    2,
    "2026-11-25T00:00:00+00:00",
    1,
    "data/a/quantize/out",
    "0" * 32,
    None,
    "Ann <a@x>",
    "rolled back: wrong labels",
)


def test_who_and_why_are_kept(tmp_path: Path) -> None:
    registry.write(tmp_path, CHAMPION)
    assert registry.read(tmp_path, "a") == CHAMPION


def test_file_from_before_is_read(tmp_path: Path) -> None:
    registry.write(tmp_path, CHAMPION)
    told = json.loads((tmp_path / registry.file("a")).read_text())
    del told["by"], told["why"]
    assert registry.parsed(json.dumps(told), "champion.json") == dataclasses.replace(CHAMPION, by="", why="")
    del told["since"]
    with pytest.raises(DataError, match="is not what Slipway writes there"):
        registry.parsed(json.dumps(told), "champion.json")


def test_what_a_rollback_leaves_is_told() -> None:
    said = rollback._remains(3, False, ["arrived/1.jsonl"], "a")
    assert (
        "3 rows that the champions since had learned from went to quarantine: they are still in "
        "data/quarantine/a" in said
    )
    assert "(arrived/1.jsonl) and so in DVC's cache and remote" in said
    assert "are collected again: they are still in data/collected/a" in rollback._remains(1, True, ["x"], "a")
