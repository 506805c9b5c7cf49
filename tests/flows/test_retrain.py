"""Nights of several runs, and what a call with faults says."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows import retrain
from flows.compress import RunContext
from tasks.core.errors import ParamsError
from tests.flows.retraining.conftest import POLICY


@pytest.fixture
def root(project: Path) -> Path:
    """Two runs; the inbox of the first is a link."""
    section = "".join(f"    {line}\n" for line in POLICY.splitlines())
    runs = "runs:\n  a: {kind: x}\n  b: {kind: x}\n"
    (project / "params.yaml").write_text(f"{runs}retrain:\n  a:\n{section}  b:\n{section}")
    (project / "data" / "inbox").mkdir(parents=True)
    (project / "data" / "inbox" / "a").symlink_to("/etc")
    return project


def test_failure_of_one_run_keeps_no_other_from_its_night(root: Path) -> None:
    with pytest.raises(retrain.NightsError) as failed:
        retrain._nights(root, (), RunContext(-1, str))
    assert (
        str(failed.value) == "b: nothing new\na: the inbox is a link; mount or make the folder itself there"
    )
    assert failed.value.code == 2


def test_runs_that_are_not_retrained_are_told_all_at_once(root: Path) -> None:
    with pytest.raises(ParamsError) as found:
        retrain._check_runs(root, ["c", "a", "D e"])
    assert str(found.value).startswith(
        "params.yaml: 2 faults\n  retrain.c: is missing; allowed: a, b; docs/retraining.md has a section"
    )
