"""Environments are made once per lock, recipes run apart, and what fails is told."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from benchmarks.peers import compression, environments, field
from benchmarks.peers.field import Entry, Peer

SCRIPT = """\
import json, pathlib, sys
job = json.loads(pathlib.Path(sys.argv[1]).read_text())
assert not [path for path in sys.path if path.endswith("slipway")]
if job["recipe"] == "breaks":
    sys.exit("no such pass: " + job["teacher"])
if job["recipe"] == "leaves":
    sum(range(20_000_000))
    pathlib.Path(job["out"], "model.onnx").write_bytes(b"graph")
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    for name, lock in {"some": "", "odd": "this is no requirement\n"}.items():
        (home / name).mkdir()
        (home / name / "requirements.lock").write_text(lock, encoding="utf-8")
        (home / name / "compress.py").write_text(textwrap.dedent(SCRIPT), encoding="utf-8")
    return home


@pytest.fixture
def elsewhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(field, "HERE", home)
    monkeypatch.setattr(compression, "HERE", home)
    monkeypatch.setattr(compression, "ROOT", home)


def outcome(recipe: str, work: Path, environment: str = "some") -> compression.Outcome:
    peer = Peer("peer", environment, *field.ONNX, dict.fromkeys(["leaves", "breaks", "forgets"], "a recipe"))
    return compression.compress(Entry(peer, recipe), {"teacher": "the teacher"}, work)


@pytest.mark.usefixtures("elsewhere")
def test_a_recipe_leaves_a_graph_or_its_last_words(tmp_path: Path) -> None:
    made = outcome("leaves", tmp_path)
    assert made.error is None
    assert (made.folder / "model.onnx").read_bytes() == b"graph"
    assert made.seconds is not None
    assert made.cpu_seconds is not None
    assert 0.1 < made.cpu_seconds < made.seconds + 0.5 < 120
    assert outcome("breaks", tmp_path).error == "no such pass: the teacher"
    assert outcome("forgets", tmp_path).error == "ended without an error and without model.onnx"


@pytest.mark.usefixtures("elsewhere")
def test_what_an_earlier_try_left_is_not_taken_for_this_one(tmp_path: Path) -> None:
    stale = outcome("forgets", tmp_path).folder / "model.onnx"
    stale.write_bytes(b"old")
    assert outcome("forgets", tmp_path).error is not None
    assert not stale.exists()


@pytest.mark.usefixtures("elsewhere")
def test_an_environment_that_cannot_be_made_is_the_peers_error(tmp_path: Path) -> None:
    failed = outcome("leaves", tmp_path, "odd")
    assert failed.seconds is None
    assert failed.error is not None
    assert failed.error.startswith("its environment cannot be made: ERROR: Invalid requirement")


def test_an_environment_is_made_again_only_when_its_lock_changes(tmp_path: Path) -> None:
    lock, folder = tmp_path / "requirements.lock", tmp_path / "environment"
    lock.write_text("# nothing\n", encoding="utf-8")
    python = environments.ready(folder, [lock])
    mark = folder / "mark"
    mark.touch()
    assert environments.ready(folder, [lock]) == python
    assert mark.exists()
    lock.write_text("# nothing else\n", encoding="utf-8")
    assert environments.ready(folder, [lock]) == python
    assert not mark.exists()


def test_a_tail_holds_whole_lines() -> None:
    text = "\n".join(f"line {number}" for number in range(1000))
    told = environments.tail(text)
    assert len(told) <= environments.TAIL
    assert told.startswith("line ")
    assert told.endswith("line 999")
    assert environments.tail(" short \n") == "short"
