"""Exports of annotation tools, as small as the tools write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.ingest.reading import raw_folder

SPAN = {"start": 0, "end": 3, "label": "person"}


def read(folder: Path, found: list[Any], name: str = "a.jsonl") -> raw_folder.Raw:
    text = json.dumps(found) if name == "a.json" else "".join(json.dumps(one) + "\n" for one in found)
    (folder / name).write_text(text, encoding="utf-8")
    return raw_folder.read(folder, header=True)


def task(*results: list[Any], **more: Any) -> dict[str, Any]:
    annotations = [{"was_cancelled": False, "result": result} for result in results]
    return {"id": 1, "data": {"text": "Ada sleeps"}, "annotations": annotations, **more}


def labelled(start: int, end: int, *labels: str) -> dict[str, Any]:
    return {
        "value": {"start": start, "end": end, "text": "", "labels": [*labels]},
        "from_name": "ner",
        "to_name": "text",
        "type": "labels",
    }


def chosen(*choices: str) -> dict[str, Any]:
    return {"value": {"choices": [*choices]}, "from_name": "mood", "to_name": "text", "type": "choices"}


@pytest.mark.parametrize(
    ("tool", "one", "column"),
    [
        (
            "doccano",
            {
                "text": "Ada sleeps",
                "entities": [{"id": 7, "label": "person", "start_offset": 0, "end_offset": 3}],
            },
            "entities",
        ),
        ("Label Studio (JSON)", task([labelled(0, 3, "person")]), "ner"),
        (
            "Label Studio (JSON-MIN)",
            {"text": "Ada sleeps", "who": [{"start": 0, "end": 3, "text": "Ada", "labels": ["person"]}]},
            "who",
        ),
        (
            "Prodigy",
            {"text": "Ada sleeps", "spans": [{**SPAN, "token_start": 0, "token_end": 0}], "answer": "accept"},
            "spans",
        ),
    ],
)
def test_spans_of_every_tool_have_one_form(
    tmp_path: Path, tool: str, one: dict[str, Any], column: str
) -> None:
    raw = read(tmp_path, [one, one])
    assert [row.values["text"] for row in raw.rows] == ["Ada sleeps"] * 2
    assert {
        json.dumps(json.loads(str(row.values[name]))) for row in raw.rows for name in (column, "spans")
    } == {json.dumps([SPAN])}
    assert raw.notes[0].remarks == {f"read as an export of {tool}": 2}


def test_spacy_pairs_and_categories_are_rows(tmp_path: Path) -> None:
    pairs = [["Ada sleeps", {"entities": [[0, 3, "person"]]}], ["Bo", {"entities": []}]]
    raw = read(tmp_path, [*pairs, {"text": "c", "cats": {"x": 0.0, "y": 1.0}}], "a.json")
    assert [row.values.get("spans", "") for row in raw.rows] == ['[[0, 3, "person"]]', "[]", ""]
    assert raw.rows[2].values["label"] == '["y"]'


def test_prodigy_rows_that_were_not_accepted_are_counted_and_no_rows(tmp_path: Path) -> None:
    rows = [{"text": "a", "label": "x", "answer": answer} for answer in ("accept", "reject", "ignore")]
    choice = {
        "text": "b",
        "options": [{"id": "y", "text": "Y"}],
        "accept": ["y"],
        "answer": "accept",
        "tokens": [{"text": "b", "id": 0}],
    }
    raw = read(tmp_path, [*rows, choice])
    assert [(row.line, row.values["label"]) for row in raw.rows] == [(1, "x"), (4, '["y"]')]
    assert raw.rows[1].values["tokens"] == '["b"]'
    assert [(one.line, one.reason.partition(":")[0]) for one in raw.rejected] == [
        (2, "answer not accepted"),
        (3, "answer not accepted"),
    ]


def test_a_column_called_answer_with_other_values_is_data(tmp_path: Path) -> None:
    raw = read(tmp_path, [{"text": "a", "answer": "reject"}, {"text": "b", "answer": "maybe"}])
    assert [row.values["answer"] for row in raw.rows] == ["reject", "maybe"]
    assert raw.notes[0].remarks == {}


def test_label_studio_tells_which_annotation_counts(tmp_path: Path) -> None:
    differ = task([chosen("good")], [chosen("bad")])
    judged = task([chosen("good")], [chosen("bad")])
    judged["annotations"][1]["ground_truth"] = True
    skipped = task([chosen("good")], [])
    skipped["annotations"][1]["was_cancelled"] = True
    never = task(predictions=[{"result": [chosen("good")]}])
    only_skipped = task([chosen("good")])
    only_skipped["annotations"][0]["was_cancelled"] = True
    alike = task([chosen("b", "a")], [chosen("a", "b")])
    raw = read(tmp_path, [differ, judged, skipped, never, only_skipped, alike, task([])], "a.json")
    assert [row.values.get("label", "") for row in raw.rows] == ['["bad"]', '["good"]', '["a", "b"]', ""]
    assert [row.values.get("mood", "") for row in raw.rows] == ['["bad"]', '["good"]', '["a", "b"]', ""]
    reasons = [one.reason.partition(":")[0] for one in raw.rejected]
    assert reasons == ["annotators disagree", "no annotation", "annotation cancelled"]
    assert raw.notes[0].remarks == {
        "annotations left out in favour of the ground truth": 1,
        "cancelled annotations left out": 1,
        "predictions left out": 1,
        "read as an export of Label Studio (JSON)": 7,
    }


def test_label_studio_pictures_keep_the_name_that_was_uploaded(tmp_path: Path) -> None:
    whole = {**task([chosen("cat")]), "data": {"image": "/data/upload/3/ab-cat.png"}}
    minimal = {"image": "/data/upload/3/ab-cat.png", "choice": "cat", "annotator": 1, "created_at": "2024"}
    for name, one in (("a.json", whole), ("b.jsonl", minimal)):
        (tmp_path / name).write_text(json.dumps(one))
    assert [row.values["image"] for row in raw_folder.read(tmp_path, header=True).rows] == ["ab-cat.png"] * 2


def test_relations_are_left_out_and_told(tmp_path: Path) -> None:
    entity = {"id": 7, "label": "person", "start_offset": 0, "end_offset": 3}
    raw = read(
        tmp_path,
        [
            {"text": "Ada", "entities": [entity], "relations": [{"from_id": 7}]},
            {"text": "Bo", "entities": []},
        ],
    )
    assert raw.notes[0].remarks == {"read as an export of doccano": 1, "relations left out": 1}
    assert len(raw.rows) == 2


def test_spans_that_no_tool_writes_stay_as_they_are(tmp_path: Path) -> None:
    spans = [{"start": 0, "end": 3, "labels": ["a", "b"]}, {"begin": 0}]
    raw = read(tmp_path, [{"text": "Ada", "spans": spans}])
    assert raw.rows[0].values["spans"] == json.dumps(spans)
