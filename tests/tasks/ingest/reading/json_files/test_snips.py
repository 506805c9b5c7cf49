"""Snips NLU: utterances in pieces, below the name of their intent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.ingest.reading import raw_folder

PIECES = [{"text": "play "}, {"text": "jazz \U0001d11e", "entity": "genre"}, {"text": " now\n"}]
ROW = {
    "text": "play jazz \U0001d11e now\n",
    "label": "PlayMusic",
    "spans": '[{"start": 5, "end": 11, "label": "genre"}]',
}
OTHER = {"text": "rain?", "label": "GetWeather", "spans": "[]"}
NAMED = [{"text": "in "}, {"text": "Rome", "entity": "place", "slot_name": "city"}]


def read(folder: Path, value: Any, name: str = "a.json") -> raw_folder.Raw:
    (folder / name).write_bytes(
        value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
    )
    return raw_folder.read(folder, header=True)


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        ({"PlayMusic": [{"data": PIECES}]}, [ROW]),
        ({"PlayMusic": [{"data": PIECES}], "GetWeather": [{"data": [{"text": "rain?"}]}]}, [ROW, OTHER]),
        (
            {"language": "en", "entities": {}, "intents": {"PlayMusic": {"utterances": [{"data": PIECES}]}}},
            [ROW],
        ),
        (
            {"intents": {"Go": {"utterances": [{"data": NAMED}]}}},
            [{"text": "in Rome", "label": "Go", "spans": '[{"start": 3, "end": 7, "label": "city"}]'}],
        ),
    ],
)
def test_utterances_are_rows_with_intent_and_spans(
    tmp_path: Path, value: Any, rows: list[dict[str, str]]
) -> None:
    raw = read(tmp_path, value)
    assert [row.values for row in raw.rows] == rows
    assert raw.notes[0].remarks == {"read as an export of Snips NLU": len(rows)}


def test_what_is_no_utterance_is_set_aside(tmp_path: Path) -> None:
    raw = read(tmp_path, {"A": [{"data": [{"text": "x"}]}] * 4 + [{"data": "no"}]})
    assert (len(raw.rows), [(one.line, one.reason) for one in raw.rejected]) == (
        4,
        [(5, "is no JSON object")],
    )


def test_bytes_that_are_no_characters_cost_their_utterance_only(tmp_path: Path) -> None:
    good = [{"data": [{"text": f"Zürich {n}"}]} for n in range(30)]
    content = json.dumps(
        {"A": [*good, {"data": [{"text": "Z?rich"}]}]}, ensure_ascii=False, indent=1
    ).encode()
    raw = read(tmp_path, content.replace(b"Z?rich", b"Z\xfcrich"))
    assert (len(raw.rows), [(one.line, one.reason) for one in raw.rejected]) == (
        30,
        [(31, "has bytes that are no characters")],
    )


def test_other_objects_of_lists_stay_what_they_were(tmp_path: Path) -> None:
    raw = read(tmp_path, {"version": 1, "data": [{"text": "a"}, {"text": "b"}]})
    assert [row.values for row in raw.rows] == [{"text": "a"}, {"text": "b"}]
