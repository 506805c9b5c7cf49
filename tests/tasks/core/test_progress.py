"""What a long loop shows.

Lines that the flow can read, a bar in a terminal, and behind both what the loop has to tell.
"""

from __future__ import annotations

import sys
import time
from collections import Counter

import pytest

from flows.pipeline.progress import LINE
from tasks.core import progress


@pytest.fixture(autouse=True)
def _nothing_said_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_said", {})


def test_the_note_follows_what_the_flow_reads(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    done: Counter[str] = Counter()
    for item in progress.track(
        "ab", 9, "teacher on 5/5 rows", start=3, note=lambda: f"loss {done.total()}/1"
    ):
        done[item] += 1
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["PROGRESS teacher on 5/5 rows 4/9 loss 1/1", "PROGRESS teacher on 5/5 rows 5/9 loss 2/1"]


def test_without_a_note_the_line_is_as_ever(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress.track("ab", label="rows")) == ["a", "b"]
    assert capsys.readouterr().out == "PROGRESS rows 2/2\n"


@pytest.mark.parametrize("label", ["finetune", "teacher on pool", ""])
def test_the_flow_reads_label_and_count_whatever_the_note(
    capsys: pytest.CaptureFixture[str], label: str
) -> None:
    list(progress.track("ab", 2, label, note=lambda: "loss 0.312, rows 7/8"))
    found = LINE.match(capsys.readouterr().out)
    assert found is not None
    assert found.groupdict() == {"label": label, "done": "2", "total": "2", "note": "loss 0.312, rows 7/8"}


def test_short_epochs_of_one_training_are_told_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.3)
    for epoch in range(5):
        for _ in progress.track(range(2), 10, "short epochs", start=2 * epoch):
            time.sleep(0.05)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 2
    assert lines[-1] == "PROGRESS short epochs 10/10"


def test_a_terminal_shows_the_note_behind_the_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for _ in progress.track(range(3), label="finetune", note=lambda: "loss 0.312"):
        time.sleep(0.12)  # tqdm draws ten times a second
    said = capsys.readouterr()
    assert (said.out, "finetune" in said.err, "loss 0.312" in said.err) == ("", True, True)
