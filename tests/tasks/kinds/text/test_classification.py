from __future__ import annotations

from tasks.kinds.base.kind import load_kind


def test_pool_cuts_sentences_and_drops_scraps() -> None:
    pool = load_kind("text/classification").data.pool
    body = "One two three four five six seven. Too short.\nA new line ends a sentence! Why not?"
    assert pool({"pool": body}, 4) == [
        "One two three four",
        "five six seven.",
        "A new line",
        "ends a sentence!",
    ]
    assert pool({}, 4) == []
