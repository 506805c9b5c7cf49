"""What becomes of the lines in which a stage tells how far it is."""

from __future__ import annotations

import logging
import re
import time

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import Artifact

from flows.pipeline.progress import Progress

pytestmark = pytest.mark.usefixtures("prefect_server")


@flow(persist_result=False)
def posted(stage: str, *lines: str) -> list[bool]:
    """Which lines were taken for progress."""
    with Progress(stage, logging.getLogger()) as progress:
        return [progress.take(line) for line in lines]


def artifacts(key: str) -> list[Artifact]:
    with get_client(sync_client=True) as client:
        return client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))


def test_artifact_has_percent_the_note_and_the_time_left() -> None:
    taken = posted(
        "finetune@x", "PROGRESS finetune 10/40", "epoch 1 ended", "PROGRESS finetune 20/40 loss 0.5000"
    )
    assert taken == [True, False, True]
    (found,) = artifacts("finetune-x")
    assert found.data == 50
    assert re.fullmatch(r"finetune: 50 %, loss 0\.5000, \d+ s left", found.description or "")


def test_artifact_gets_its_last_word_although_the_stage_went_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.pipeline.progress.TICK_SECONDS", 1)

    @flow(persist_result=False)
    def told() -> None:
        with Progress("finetune@y", logging.getLogger()) as progress:
            progress.take("PROGRESS finetune 20/40")
            time.sleep(2.5)
            for line in ("PROGRESS finetune 40/40", "PROGRESS passing 1/1", "PROGRESS teacher on pool 1/2"):
                progress.take(line)

    told()
    assert [found.description for found in artifacts("finetune-y")] == ["finetune: 100 %"]
    assert [found.description for found in artifacts("finetune-y-teacher-on-pool")] == [
        "teacher on pool: 50 %"
    ]
    assert artifacts("finetune-y-passing") == []


@pytest.mark.parametrize(
    ("stage", "label", "key"),
    [
        ("ingest@x", "near duplicates", "ingest-x-near-duplicates"),
        ("prune@x", "prune@x epoch", "prune-x-epoch"),
        ("finetune@x", "finetuned on test", "finetune-x-finetuned-on-test"),
    ],
)
def test_key_has_the_stage_once(stage: str, label: str, key: str) -> None:
    posted(stage, f"PROGRESS {label} 4/4")
    assert [found.description for found in artifacts(key)] == [f"{label}: 100 %"]
