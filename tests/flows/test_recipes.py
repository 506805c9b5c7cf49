"""Recipes: each is in order, goes into params.yaml without touching what stands there, and is refused with one message."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from flows import data, recipes
from tasks.shared import params, stages
from tasks.shared.errors import ParamsError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params.yaml and the recipes; bringing the data in is another test's business."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    monkeypatch.setattr(data, "add", lambda _root, name, source: f"data/raw/{name} from {source}")
    return tmp_path


@pytest.mark.parametrize("name", recipes.names(ROOT))
def test_recipe_is_added_below_what_was_there_and_is_in_order(root: Path, name: str) -> None:
    before = (root / "params.yaml").read_text()
    said = recipes.add(root, name)
    after = (root / "params.yaml").read_text()
    assert after.startswith(before.rstrip("\n"))
    assert f"\n  {name}:\n" in after
    assert "\n  # " in after.removeprefix(before.rstrip("\n"))
    checked = params.check(params.read(root / "params.yaml"), {n: s.Params for n, s in stages.load_all().items()}, stages.kinds())
    assert name in checked
    assert said[1].endswith(f"dvc repro benchmark@{name}")
    assert len(recipes.add(root, name)) == 1
    assert (root / "params.yaml").read_text() == after


def test_params_that_are_not_in_order_stop_it_before_any_data_come_in(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    brought: list[str] = []
    monkeypatch.setattr(data, "add", lambda _root, name, _source: brought.append(name))
    monkeypatch.chdir(root)
    faulty = (root / "params.yaml").read_text().replace("ffn: 512", "ffn: 12")
    (root / "params.yaml").write_text(faulty)
    assert recipes.main(["add", "tweets"]) == 2
    assert "runs.bbc.prune.ffn = 12" in capsys.readouterr().err
    assert brought == []
    assert (root / "params.yaml").read_text() == faulty
    assert sorted(path.name for path in root.iterdir()) == ["params.yaml", "recipes"]


def test_unknown_recipe_is_refused(root: Path) -> None:
    with pytest.raises(ParamsError, match=r"recipe tweet: there is none of that name; did you mean `tweets`\?"):
        recipes.add(root, "tweet")


def test_run_with_other_values_is_left_alone(root: Path) -> None:
    recipes.add(root, "tweets")
    changed = (root / "params.yaml").read_text().replace("outside_weight: 0.3", "outside_weight: 0.7")
    (root / "params.yaml").write_text(changed)
    with pytest.raises(ParamsError, match="has a run `tweets` already, with other values"):
        recipes.add(root, "tweets")
    assert (root / "params.yaml").read_text() == changed
