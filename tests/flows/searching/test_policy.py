"""What params.yaml may say of a search."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from flows.searching import policy
from flows.starting.searched import Searched
from tasks.core.errors import ParamsError

ROOT = Path(__file__).resolve().parents[3]


def write(folder: Path, **changed: Any) -> Path:
    """The committed params.yaml with these values of the search of `bbc`.

    Those that are None are taken out.
    """
    document = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    section = {**document["search"]["bbc"], **changed}
    document["search"]["bbc"] = {key: value for key, value in section.items() if value is not None}
    with (folder / "params.yaml").open("w", encoding="utf-8") as stream:
        YAML().dump(document, stream)
    return folder


def faults(folder: Path) -> str:
    with pytest.raises(ParamsError) as raised:
        policy.read(folder, "bbc")
    assert raised.value.where == "params.yaml"
    return str(raised.value)


def test_the_committed_search_is_in_order_and_begins_at_the_committed_student() -> None:
    committed = policy.read(ROOT, "bbc")
    run = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))["runs"]["bbc"]
    values = policy.default(committed.space, run)
    assert values["prune.ffn"] == run["prune"]["ffn"]
    assert policy.with_values(run, values) == run


def test_values_are_set_in_a_copy_of_the_run() -> None:
    run = {"prune": {"ffn": 512, "layers": 3}, "distill": {"pool": 0}}
    assert policy.with_values(run, {"prune.ffn": 64}) == {
        "prune": {"ffn": 64, "layers": 3},
        "distill": {"pool": 0},
    }
    assert run["prune"]["ffn"] == 512


def test_values_inside_a_section_are_searched_by_their_dotted_keys(tmp_path: Path) -> None:
    run = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))["runs"]["bbc"]
    whole = {"weight": 30.0, "layer": 1, "heads": 16}
    inside = policy.read(write(tmp_path, space={"distill.relations.weight": [10.0, 30.0]}), "bbc")
    assert policy.default(inside.space, run) == {"distill.relations.weight": 30.0}
    made = policy.with_values(run, {"distill.relations.weight": 10.0})
    assert made["distill"]["relations"] == {**whole, "weight": 10.0}
    assert run["distill"]["relations"] == whole
    either = policy.read(write(tmp_path, space={"distill.relations": [None, whole]}), "bbc")
    assert policy.with_values(run, {"distill.relations": None})["distill"]["relations"] is None
    assert policy.default(either.space, run) == {"distill.relations": whole}


def test_values_under_which_others_have_no_effect_can_be_searched(tmp_path: Path) -> None:
    policy.read(write(tmp_path, space={"prune.importance": ["taylor", "magnitude"]}), "bbc")


def test_faults_of_values_inside_a_section_are_told(tmp_path: Path) -> None:
    whole = {"weight": 30.0, "layer": 1, "heads": 16}
    space = {
        "distill.relations.weight": [0.0, 30.0],
        "distill.relations": [whole, None],
        "distill.relations.wieght": [1.0],
        "distill.hidden.weight": [1.0],
        "distill.relation_weight": [10.0],
        "distill.augment": [1],
    }
    said = faults(write(tmp_path, space=space))
    assert "space.distill.relations.weight: 0.0: must be a number, above 0" in said
    assert (
        "space.distill.relations.weight: is part of distill.relations, which is searched as a whole" in said
    )
    assert "space.distill.relations.wieght: the run has no such value; did you mean `weight`?" in said
    assert "space.distill.hidden.weight: the run has distill.hidden: null; give it its values" in said
    assert "space.distill.relation_weight: write space.distill.relations.weight instead" in said
    assert "space.distill.augment: write space.distill.rewording instead" in said


def test_all_faults_of_the_space_are_told_at_once(tmp_path: Path) -> None:
    space = {
        "prune.ffn": [256, 300, 512],
        "prune.layer": [3],
        "finetune.epochs": [5],
        "prune.hidden": [128],
        "prune.layers": [2, 2, 3],
    }
    said = faults(write(tmp_path, space=space, budget="cheap", rungs=[0.5, 0.25]))
    assert (
        "search.bbc.space.prune.ffn: 300: must be a whole number, at least 8, at most 65536, a multiple of 8"
        in said
    )
    assert "search.bbc.space.prune.layer: the run has no such value; did you mean `layers`?" in said
    assert (
        "search.bbc.space.finetune.epochs: only values of prune, distill, quantize can be searched here"
        in said
    )
    assert "search.bbc.space.prune.hidden = [128]: lacks the run's own value, 256" in said
    assert "search.bbc.space.prune.layers = [2, 2, 3]: says a value twice" in said
    assert "search.bbc.budget: 'cheap'" in said
    assert "search.bbc.rungs = [0.5, 0.25]: must ascend" in said


def test_unknown_missing_and_wrong_values_are_told_with_what_they_mean(tmp_path: Path) -> None:
    said = faults(write(tmp_path, trails=3, trials=None, workers=0, runner="ray"))
    assert "search.bbc.trails: unknown key; did you mean `trials`?" in said
    assert "search.bbc.trials: is missing (students that are tried, at most" in said
    assert "search.bbc.workers = 0: " in said
    assert "search.bbc.runner = 'ray': input should be 'local' or 'dask'" in said


def test_a_run_that_is_not_there_is_told_which_is_meant() -> None:
    with pytest.raises(ParamsError, match="there is no run `bcb`; did you mean `bbc`"):
        policy.read(ROOT, "bcb")


def test_a_run_without_a_search_is_told_where_to_find_one(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(text[: text.index("\nsearch:")], encoding="utf-8")
    with pytest.raises(ParamsError, match=r"search\.bbc: is missing; docs/search\.md has a section to copy"):
        policy.read(tmp_path, "bbc")


def test_models_that_write_are_not_searched_and_slipway_new_says_so_first() -> None:
    assert policy.unsearched("text/classification") == ""
    asked = argparse.Namespace(budget=None, preset="best")
    with pytest.raises(ParamsError, match="--preset best: models of text/generation write texts, which"):
        Searched.check(asked, "text/generation")
    Searched.check(asked, "text/classification")
    Searched.check(argparse.Namespace(budget=None, preset="fast"), "text/generation")
