"""Values of params.yaml set for one run."""

from __future__ import annotations

from pathlib import Path

import pytest

from flows import overrides
from tasks.shared.errors import ParamsError
from tests.smoke import PARAMS


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS.replace("    prune:", "    # what remains\n    prune:"), encoding="utf-8")
    return path


def test_value_is_set_and_every_other_line_stays(file: Path) -> None:
    before = file.read_text().splitlines()
    said = overrides.apply(file, ["runs.smoke.prune.ffn=48", "runs.smoke.distill.best_by=headline"])
    changed = [(old.strip(), new.strip()) for old, new in zip(before, file.read_text().splitlines(), strict=True) if old != new]
    assert changed == [("ffn: 64", "ffn: 48"), ("best_by: divergence", "best_by: headline")]
    assert said == ["runs.smoke.prune.ffn 64 → 48", 'runs.smoke.distill.best_by "divergence" → "headline"']


@pytest.mark.parametrize(
    ("text", "value"), [("0.5", "0.5"), ("[1, 2]", "[1, 2]"), ("'on'", '"on"'), ("{a: 1}", '{"a": 1}'), ("1e-4", "0.0001")]
)
def test_value_is_yaml(file: Path, text: str, value: str) -> None:
    assert overrides.apply(file, [f"runs.smoke.prune.ffn={text}"]) == [f"runs.smoke.prune.ffn 64 → {value}"]


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("runs.smoke.prune.fnn=1", "runs.smoke.prune.fnn: params.yaml has no such key; did you mean `ffn`?"),
        ("runs.smok.prune.ffn=1", "runs.smok.prune.ffn: params.yaml has no such key; did you mean `smoke`?"),
        ("runs.smoke.prune.ffn.x=1", "runs.smoke.prune.ffn.x: params.yaml has no such key"),
        ("prune.ffn=1", "must be KEY=VALUE"),
        ("runs.smoke.prune.ffn", "must be KEY=VALUE"),
        ("runs.smoke.prune.ffn=[&a [1, 2], *a]", "has anchors or aliases"),
        ("runs.smoke.prune.ffn=[", "the value '[' is no YAML"),
        ("runs.smoke.prune.ffn=!!python/object/apply:os.system [ls]", "is no YAML"),
    ],
)
def test_what_cannot_be_set_is_told_and_nothing_is_written(file: Path, override: str, fault: str) -> None:
    before = file.read_bytes()
    with pytest.raises(ParamsError, match=r"overrides") as error:
        overrides.apply(file, ["runs.smoke.prune.ffn=8", override])
    assert fault in str(error.value)
    assert file.read_bytes() == before


def test_all_faults_are_told_at_once(file: Path) -> None:
    with pytest.raises(ParamsError) as error:
        overrides.apply(file, ["runs.smoke.prune.fnn=1", "runs.x.y=1"])
    assert len(error.value.faults) == 2
