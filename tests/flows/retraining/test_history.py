"""The page of a night says what came in drops, and lets none of it be Markdown."""

from __future__ import annotations

from flows.retraining import history

HOSTILE = "![x](http://example.org/p.png) [y](z) @team <b> a|b"


def test_names_and_labels_of_a_drop_are_no_markdown() -> None:
    file = {
        "name": f"**{HOSTILE}",
        "rows": 3,
        "taken": 0,
        "fault": f"most of its labels are unknown ({HOSTILE})",
        "set_aside": {},
        "shifts": [],
    }
    entry = {
        "run": "a",
        "at": "2026-11-25T02:00:00+00:00",
        "decision": "collected",
        "why": f"so {HOSTILE}",
        "version": 1,
        "files": [file],
        "rows": {"arrived": 3, "taken": 0, "set_aside": 3},
        "collected": 0,
        "waiting": 0,
        "seconds": 1.0,
        "judgement": None,
    }
    text = history.page(entry, [entry])
    assert "| night | arrived |" in text
    for sign in ("![x]", "[y](", " @team", " <b>", "http://", "a|b", "| **!"):
        assert sign not in text
    assert text.count("example.org") == 3
