"""Documents that would hang their reader hang none of those that read the project's files by themselves: the
forms, the card.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from flows.pipeline import form
from flows.retraining.record import card
from flows.server import deploying
from tasks.core.errors import ParamsError

MERGED = "a0: &a0 {x: 1}\n" + "".join(
    f"a{level + 1}: &a{level + 1} {{<<: [{', '.join([f'*a{level}'] * 9)}]}}\n" for level in range(8)
)
TOO_MANY = "holds more than 100,000 values"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.timeout(600)
def test_forms_offer_nothing_of_params_that_cannot_be_read(project: Path) -> None:
    (project / "dvc.yaml").write_text("stages: {prune: {}}\n", encoding="utf-8")
    (project / "params.yaml").write_text("runs: {bbc: {}}\n", encoding="utf-8")
    assert form.choices() == (("bbc",), (), (), ("prune", "prune@bbc"))
    (project / "params.yaml").write_text(f"{MERGED}runs: {{bbc: {{}}}}\n", encoding="utf-8")
    assert form.choices() == ((), (), (), ("prune",))


@pytest.mark.timeout(600)
def test_deployments_that_cannot_be_read_are_told(project: Path) -> None:
    (project / "prefect.yaml").write_text(f"{MERGED}deployments: []\n", encoding="utf-8")
    with pytest.raises(ParamsError, match=TOO_MANY):
        deploying.deployments(["cpu"])


@pytest.mark.timeout(600)
def test_card_of_what_cannot_be_read_is_told(project: Path) -> None:
    (project / "params.yaml").write_text("runs: {bbc: {kind: text/classification}}\n", encoding="utf-8")
    (project / "data" / "raw").mkdir(parents=True)
    (project / "data" / "raw" / "bbc.dvc").write_text(MERGED, encoding="utf-8")
    with pytest.raises(ParamsError, match=TOO_MANY):
        card.markdown(project, "bbc")
