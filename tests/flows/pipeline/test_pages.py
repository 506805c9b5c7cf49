"""What the list of runs shows of what came out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from flows.pipeline import pages
from flows.pipeline.task_runs import Outcome
from flows.retraining.night import announce
from tests.flows.toy import REPOSITORY

FIGURES = REPOSITORY / "data" / "bbc" / "benchmark"


def tags(tmp_path: Path, *outcomes: Outcome, passed: bool = True) -> list[str]:
    """Of a run with the figures that are committed of `bbc`."""
    folder = tmp_path / "data" / "bbc" / "benchmark"
    folder.mkdir(parents=True)
    for name in ("metrics.json", "timings.json"):
        shutil.copyfile(FIGURES / name, folder / name)
    figures = json.loads((folder / "metrics.json").read_text())
    figures["gates"]["size"]["passed"] &= passed
    (folder / "metrics.json").write_text(json.dumps(figures))
    (tmp_path / "params.yaml").write_text("runs:\n  bbc: {kind: text/classification}\n")
    return pages.figures(outcomes)


@pytest.mark.parametrize("passed", [True, False])
def test_tags_tell_how_much_ran_the_headline_figure_and_the_gates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, passed: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = tags(
        tmp_path,
        Outcome("prune@bbc", "Completed", "", 0),
        Outcome("benchmark@bbc", "Cached", "", 0),
        passed=passed,
    )
    value = json.loads((FIGURES / "metrics.json").read_text())["final"]["macro_f1"]
    timings = json.loads((FIGURES / "timings.json").read_text())["gates"]["passed"]
    gates = "passed" if passed and timings else "NOT PASSED"
    assert shown == ["ran 1 of 2", f"bbc: macro_f1 {value:.3f}, gates {gates}"]


def test_figures_of_a_benchmark_that_did_not_end_are_no_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tags(
        tmp_path, Outcome("prune@bbc", "Failed", "no", 2), Outcome("benchmark@bbc", "Not run", "", 0)
    ) == ["ran 0 of 2"]


def test_tags_of_a_night_tell_decision_figure_and_verdict() -> None:
    judged = {
        "frozen": {"figure": "macro_f1", "challenger": 0.8413, "verdict": "better", "difference": 0.029}
    }
    entry: dict[str, Any] = {"run": "bbc", "decision": "promoted", "version": 3, "judgement": judged}
    assert announce.tags(entry) == ["bbc: promoted, champion v3", "bbc: macro_f1 0.841, better +0.029"]
    assert announce.tags({**entry, "decision": "collected", "judgement": None}) == [
        "bbc: collected, champion v3"
    ]
