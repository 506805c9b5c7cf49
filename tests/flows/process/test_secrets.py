"""Secrets reach the children's environment, and no log, message or artifact."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client

from flows.compress import compress
from flows.process import secrets
from tasks.core.errors import ParamsError
from tests.flows.toy import Toy

pytestmark = pytest.mark.usefixtures("prefect_server")

KEY = "f9a1-very-secret"


def _save(value: Any) -> None:
    Secret(value=value).save(secrets.BLOCK, overwrite=True)


@pytest.fixture
def block() -> Iterator[None]:
    _save({"STORE_KEY": KEY})
    yield
    Secret.delete(secrets.BLOCK)


def test_no_block_means_no_secrets() -> None:
    assert secrets.load() == {}


@pytest.mark.usefixtures("block")
def test_block_gives_its_variables() -> None:
    assert secrets.load() == {"STORE_KEY": KEY}


@pytest.mark.parametrize("value", ["a text", {"A B": "x"}, {"A": 1}, ["A"]])
def test_block_that_holds_something_else_is_a_users_fault(value: Any) -> None:
    _save(value)
    try:
        with pytest.raises(ParamsError, match="must hold a JSON object of environment variables"):
            secrets.load()
    finally:
        Secret.delete(secrets.BLOCK)


def test_secrets_of_block_and_environment_and_dvc_are_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefgh")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "short")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config.local").write_text(
        "['remote \"s\"']\n    url = s3://bucket\n    secret_access_key = of-dvc-itself\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SIGNING_KEY", "-----BEGIN-----\nsecond line")
    mask = secrets.masked({"STORE_KEY": KEY, "LONGER": f"{KEY}-and-more"})
    assert mask("of-dvc-itself s3://bucket second line") == "*** s3://bucket ***"
    assert mask(f"x {KEY}-and-more y {KEY} z hf_abcdefgh short") == "x *** y *** z *** short"


@pytest.mark.usefixtures("block")
def test_variables_are_in_the_environment_for_the_length_of_a_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    with secrets.given() as mask:
        assert (os.environ["STORE_KEY"], mask(KEY)) == (KEY, "***")
    assert "STORE_KEY" not in os.environ
    monkeypatch.setenv("STORE_KEY", "of the agent")
    with secrets.given():
        assert os.environ["STORE_KEY"] == KEY
    assert os.environ["STORE_KEY"] == "of the agent"


@pytest.mark.usefixtures("block")
@pytest.mark.parametrize(
    "order",
    [{"print": "STORE_KEY"}, {"print": "STORE_KEY", "exit": 2, "message": f"cannot log in with {KEY}"}],
)
def test_stage_gets_the_secret_and_no_one_else(
    toy: Toy, order: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    toy.order(prune=order)
    state = compress(("a",), force=("prune",), return_state=True)
    flow_run = state.state_details.flow_run_id
    assert flow_run is not None
    assert "the variable is ***" in caplog.text
    with get_client(sync_client=True) as client:
        stored = [
            str(client.read_flow_run(flow_run)),
            *map(str, client.read_task_runs()),
            *map(str, client.read_artifacts()),
        ]
        stored += [str(log) for log in client.read_logs()] if hasattr(client, "read_logs") else []
    assert len(stored) > 3
    assert KEY not in caplog.text + "".join(stored) + str(state)
    assert ("cannot log in with ***" in str(state.message)) == ("message" in order)
