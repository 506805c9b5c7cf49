"""How runs are retrained, as params.yaml says it: complete, or all faults at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from flows.retraining import policy as reading
from tasks.core.errors import ParamsError
from tests.flows.retraining.conftest import POLICY


def written(folder: Path, section: str, run: str = "a") -> Path:
    indented = "".join(f"    {line}\n" for line in section.splitlines())
    (folder / "params.yaml").write_text(f"runs:\n  a: {{kind: x}}\nretrain:\n  {run}:\n{indented}")
    return folder


def test_policy_is_read(tmp_path: Path) -> None:
    found = reading.read(written(tmp_path, POLICY), "a")
    assert (found.min_new_rows, found.card.limits, found.map_labels) == (20, "everything", {})


def test_committed_params_have_one_for_the_embedded_run() -> None:
    assert reading.read(Path(__file__).resolve().parents[3], "bbc").publish == "main"


def test_manual_shows_the_committed_one() -> None:
    root = Path(__file__).resolve().parents[3]
    shown = re.search(
        r"<!-- policy -->\n```yaml\n(.*?)```", (root / "docs" / "retraining.md").read_text(), re.DOTALL
    )
    assert shown is not None
    assert (
        YAML(typ="safe").load(shown[1])["retrain"]
        == YAML(typ="safe").load((root / "params.yaml").read_text())["retrain"]
    )


def test_run_without_one_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("runs:\n  a: {kind: x}\n")
    assert reading.read_all(tmp_path) == {}
    with pytest.raises(
        ParamsError, match=r"retrain\.a: is missing; docs/retraining\.md has a section to copy"
    ):
        reading.read(tmp_path, "a")


def test_all_faults_at_once(tmp_path: Path) -> None:
    section = (
        POLICY.replace("margin: 0.01\n", "margn: 0.01\n")
        .replace("seeds: 1", "seeds: 0")
        .replace("start: pretrained", "start: warm")
    )
    with pytest.raises(ParamsError) as caught:
        reading.read_all(written(tmp_path, section))
    said = str(caught.value)
    assert "retrain.a.margin: is missing (differences of the headline figure" in said
    assert "retrain.a.margn: unknown key; did you mean `margin`?" in said
    assert "retrain.a.seeds = 0: " in said
    assert "retrain.a.start = 'warm': input should be 'pretrained' or 'champion'" in said


@pytest.mark.parametrize("labels", ["{a: ''}", "{a: ' '}", "{'': a}", "{' a': b}", "{a: 'b '}"])
def test_labels_that_would_meet_no_row_or_make_one_without_label_are_refused(
    tmp_path: Path, labels: str
) -> None:
    with pytest.raises(
        ParamsError, match=r"retrain\.a\.map_labels\..*must be a label, without blanks around it"
    ):
        reading.read_all(written(tmp_path, POLICY.replace("map_labels: {}", f"map_labels: {labels}")))


def test_list_of_runs_is_no_policy(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("runs:\n  a: {kind: x}\nretrain: []\n")
    with pytest.raises(ParamsError, match=r"retrain = \[\]: must be a mapping of runs"):
        reading.read_all(tmp_path)


def test_unknown_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"retrain\.b: there is no run `b`; allowed: a"):
        reading.read_all(written(tmp_path, POLICY, run="b"))
