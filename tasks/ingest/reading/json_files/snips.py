"""Snips NLU's JSON as rows: the text, its intent as `label`, its slots as `spans`.

An utterance is written in pieces, `{"data": [{"text": "play "}, {"text": "jazz", "entity": "genre"}]}`, below
the name of its intent: `{"PlayMusic": [...]}` (Coucke et al., Snips Voice Platform, 2018), or
`{"intents": {"PlayMusic": {"utterances": [...]}}}` in what the library itself takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

TOOL = "Snips NLU"


def utterances(value: Any) -> Iterator[dict[str, Any]] | None:
    """The rows of an object in this form; None for any other."""
    intents = _intents(value)
    return _rows(intents) if intents else None


def _intents(value: Any) -> dict[str, Sequence[Any]]:
    """Name of an intent -> its utterances; none if the object has another form."""
    if not isinstance(value, dict):
        return {}
    if isinstance(within := value.get("intents"), dict):
        found: dict[str, Any] = {
            name: one.get("utterances") for name, one in within.items() if isinstance(one, dict)
        }
    else:
        found = dict(value)
    lists: dict[str, Sequence[Any]] = {
        name: one for name, one in found.items() if isinstance(one, list) and one
    }
    is_whole = len(lists) == len(found) and all(
        _is_utterance(one) for each in lists.values() for one in each[:3]
    )
    return lists if is_whole else {}


def _is_utterance(value: Any) -> bool:
    pieces = value.get("data") if isinstance(value, dict) else None
    return isinstance(pieces, list) and bool(pieces) and all(_is_piece(one) for one in pieces)


def _is_piece(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("text"), str)


def _rows(intents: Mapping[str, Sequence[Any]]) -> Iterator[Any]:
    """What is no utterance comes as it is, and is no row."""
    for name, found in intents.items():
        for one in found:
            yield _row(name, one["data"]) if _is_utterance(one) else [one]


def _row(intent: str, pieces: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    spans, at = [], 0
    for piece in pieces:
        end = at + len(piece["text"])
        if label := piece.get("slot_name") or piece.get("entity"):
            spans.append({"start": at, "end": end, "label": label})
        at = end
    return {"text": "".join(piece["text"] for piece in pieces), "label": intent, "spans": spans}
