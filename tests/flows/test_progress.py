"""What becomes of the lines in which a stage tells how far it is."""

from __future__ import annotations

import logging
import re

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.objects import Artifact

from flows.progress import Progress

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
    taken = posted("finetune@x", "PROGRESS finetune 10/40", "epoch 1 ended", "PROGRESS finetune 20/40 loss 0.5000")
    assert taken == [True, False, True]
    (found,) = artifacts("finetune-x")
    assert found.data == 50
    assert re.fullmatch(r"finetune: 50 %, loss 0\.5000, \d+ s left", found.description or "")


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
