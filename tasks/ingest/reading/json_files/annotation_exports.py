"""What tools for annotation export as JSON, as plain columns: Label Studio (JSON, JSON-MIN), doccano, Prodigy
and spaCy.

An export is recognised by its structure, in the first objects of a file. Spans become lists of objects with
`start`, `end` and `label`.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Columns = dict[str, Any]
ANSWERS = {"accept", "reject", "ignore"}
UPLOADED = re.compile(r"^/data/(upload/(\d+/)?|local-files/\?d=)")
"""What Label Studio puts before the names of files."""
SPANS = "spans"


class NoRowError(Exception):
    """Why an object of an export is no row."""


@dataclass(frozen=True)
class Export:
    """`columns` makes the columns of a row, and counts what it leaves out. Raises NoRowError."""

    tool: str
    fits: Callable[[Mapping[str, Any]], bool]
    make: Callable[[Any, Counter[str]], Columns]
    """Of an object that fits; others stay as they are."""

    def columns(self, value: Any, remarks: Counter[str]) -> Any:
        pair = _pair(value)
        whole = pair if pair is not None else value
        if not isinstance(whole, dict) or not (pair is not None or self.fits(whole)):
            return value
        remarks[f"read as an export of {self.tool}"] += 1
        return self.make(whole, remarks)


def recognised(sample: Sequence[Any]) -> Export | None:
    """The tool that wrote these values of a file; None if they are rows as they stand."""
    objects = [pair if (pair := _pair(one)) is not None else one for one in sample]
    found = [one for one in objects if isinstance(one, dict)]
    if _says_answers(found):
        return PRODIGY
    return next((export for export in OTHERS if any(map(export.fits, found))), None)


def _says_answers(found: Sequence[Mapping[str, Any]]) -> bool:
    answers = [one.get("answer") for one in found if one.get("answer") not in (None, "")]
    return bool(answers) and all(isinstance(one, str) and one in ANSWERS for one in answers)


def _pair(value: Any) -> Columns | None:
    """spaCy's `[text, {"entities": [...]}]` as an object."""
    is_pair = (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], dict)
    )
    return {"text": value[0], **value[1]} if is_pair and {"entities", "cats"} & value[1].keys() else None


# -- spans --


def plain_spans(value: Any) -> list[Any] | None:
    """Spans in one form; None for what holds none, or some that are written in a way not known here."""
    if not isinstance(value, list) or not value or not all(isinstance(one, dict) for one in value):
        return None
    spans = [_span(one) for one in value]
    return None if None in spans else spans


def _span(one: Mapping[str, Any]) -> Columns | None:
    start, end = (one.get(key, one.get(f"{key}_offset")) for key in ("start", "end"))
    names = one.get("labels", one.get("hypertextlabels", one.get("label")))
    if start is None or end is None or names is None:
        return None
    label = names[0] if isinstance(names, list) and len(names) == 1 else names
    return {"start": start, "end": end, "label": label}


def _with_spans(columns: Columns) -> Columns:
    """Spans of every column in one form, and, where only one column holds some, also as `spans`."""
    found = {name: spans for name, value in columns.items() if (spans := plain_spans(value)) is not None}
    more = {SPANS: next(iter(found.values()))} if len(found) == 1 and SPANS not in columns else {}
    return {**columns, **found, **more}


# -- doccano, Prodigy, spaCy, Label Studio's JSON-MIN --


def _doccano(value: Mapping[str, Any], remarks: Counter[str]) -> Columns:
    remarks["relations left out"] += _count(value, "relations")
    return _with_spans(dict(value))


def _count(value: Mapping[str, Any], key: str) -> int:
    return len(value[key]) if isinstance(value.get(key), list) else 0


def _prodigy(value: Mapping[str, Any], remarks: Counter[str]) -> Columns:
    if value.get("answer") in ("reject", "ignore"):
        raise NoRowError(f"answer not accepted: the annotator's answer is {value['answer']}")
    remarks["relations left out"] += _count(value, "relations")
    columns = _with_spans(dict(value))
    if isinstance(value.get("tokens"), list):
        columns["tokens"] = [one.get("text") if isinstance(one, dict) else one for one in value["tokens"]]
    if isinstance(value.get("accept"), list):
        columns.setdefault("label", value["accept"])
    return columns


def _spacy(value: Mapping[str, Any], remarks: Counter[str]) -> Columns:
    columns = dict(value)
    if isinstance(value.get("entities"), list):
        columns.setdefault(SPANS, value["entities"])
    if isinstance(value.get("cats"), dict):
        columns.setdefault(
            "label",
            [
                name
                for name, share in value["cats"].items()
                if isinstance(share, int | float) and share >= 0.5
            ],
        )
    return columns


def _label_studio_min(value: Mapping[str, Any], remarks: Counter[str]) -> Columns:
    chosen = {
        name: one["choices"]
        for name, one in value.items()
        if isinstance(one, dict) and isinstance(one.get("choices"), list)
    }
    files = {name: UPLOADED.sub("", one) for name, one in value.items() if isinstance(one, str)}
    return _with_spans({**value, **files, **chosen})


def _is_minimal(value: Mapping[str, Any]) -> bool:
    """Told by what stands beside the task's own columns, for a single choice is a plain text."""
    has_marks = "annotator" in value and bool(value.keys() & {"annotation_id", "created_at", "lead_time"})
    has_choices = any(isinstance(one, dict) and one.keys() == {"choices"} for one in value.values())
    return has_marks or has_choices or _has_spans_as("start", "end", "labels")(value)


def _is_spacy(value: Mapping[str, Any]) -> bool:
    entities = value.get("entities")
    has_entities = (
        isinstance(entities, list)
        and bool(entities)
        and all(isinstance(one, list) and len(one) == 3 for one in entities)
    )
    return has_entities or isinstance(value.get("cats"), dict)


def _has_spans_as(*keys: str) -> Callable[[Mapping[str, Any]], bool]:
    def fits(value: Mapping[str, Any]) -> bool:
        lists = [one for one in value.values() if isinstance(one, list) and one]
        return any(isinstance(one, dict) and one.keys() >= {*keys} for items in lists for one in items[:1])

    return fits


# -- Label Studio's JSON --


def _is_task(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("data"), dict) and any(
        isinstance(value.get(key), list) for key in ("annotations", "completions")
    )


def _label_studio(task: Mapping[str, Any], remarks: Counter[str]) -> Columns:
    given = task.get("annotations", task.get("completions")) or []
    remarks["predictions left out"] += _count(task, "predictions")
    annotations = [one for one in given if isinstance(one, dict) and isinstance(one.get("result"), list)]
    if not annotations:
        raise NoRowError("no annotation: nobody has annotated this task")
    usable = [one for one in annotations if not (one.get("was_cancelled") or one.get("skipped"))]
    if not usable:
        raise NoRowError("annotation cancelled: the annotator skipped this task")
    remarks["cancelled annotations left out"] += len(annotations) - len(usable)
    chosen = [one for one in usable if one.get("ground_truth")] or usable
    remarks["annotations left out in favour of the ground truth"] += len(usable) - len(chosen)
    made = [_results(one["result"], remarks) for one in chosen]
    if len({json.dumps(one, sort_keys=True, default=str) for one in made}) > 1:
        raise NoRowError(
            f"annotators disagree: {len(made)} annotations differ, and none is marked as the ground truth"
        )
    data = {
        name: UPLOADED.sub("", one) if isinstance(one, str) else one for name, one in task["data"].items()
    }
    return {**data, **made[0]}


def _results(results: Sequence[Any], remarks: Counter[str]) -> Columns:
    """A column for each control of the project, by its name.

    Spans also as `spans`, the only choices also as `label`.
    """
    spans: dict[str, list[Any]] = {}
    choices: dict[str, list[Any]] = {}
    for one in results:
        value, control = (
            (one.get("value"), str(one.get("from_name", "label"))) if isinstance(one, dict) else (None, "")
        )
        if isinstance(value, dict) and isinstance(value.get("choices"), list):
            choices.setdefault(control, []).extend(value["choices"])
        elif isinstance(value, dict) and (span := _span({**value, **(value.get("globalOffsets") or {})})):
            spans.setdefault(control, []).append(span)
        else:
            remarks[
                f"results of the type {one.get('type', 'unknown') if isinstance(one, dict) else 'unknown'} "
                "left out"
            ] += 1
    choices = {control: sorted({str(one) for one in found}) for control, found in choices.items()}
    spans = {
        control: sorted(found, key=lambda span: json.dumps(span, default=str))
        for control, found in spans.items()
    }
    every = {SPANS: [span for found in spans.values() for span in found]}
    only = {"label": next(iter(choices.values()))} if len(choices) == 1 and "label" not in spans else {}
    return {**every, **only, **spans, **choices}


PRODIGY = Export("Prodigy", lambda value: value.get("answer") in tuple(ANSWERS), _prodigy)
OTHERS = (
    Export("Label Studio (JSON)", _is_task, _label_studio),
    Export("Label Studio (JSON-MIN)", _is_minimal, _label_studio_min),
    Export("doccano", _has_spans_as("start_offset", "end_offset", "label"), _doccano),
    Export("spaCy", _is_spacy, _spacy),
)
