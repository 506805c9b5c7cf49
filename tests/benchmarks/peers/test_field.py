"""The field is whole and honest.

Pinned without addresses, apart from our code, in the same runtimes; faults of the call are told.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from benchmarks.peers import __main__ as command
from benchmarks.peers import (
    field,
    forms,  # noqa: F401 - makes the peers' forms known
    runtimes,
)
from tasks.benchmark.forms import variants
from tasks.core.errors import DataError, ModelError

THEIRS = [peer for peer in field.FIELD if not peer.is_ours]
RUNTIMES = ("onnxruntime", "openvino", "torch", "model2vec", "fasttext", "setfit", "sentence-transformers")
ENVIRONMENTS = sorted({peer.environment for peer in field.FIELD})


def test_every_environment_is_pinned_without_addresses() -> None:
    assert len(ENVIRONMENTS) == 8
    for name in ENVIRONMENTS:
        lines = (field.HERE / name / "requirements.lock").read_text(encoding="utf-8").splitlines()
        assert lines
        assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9][\w.]*", line)] == []


def test_every_form_is_known() -> None:
    assert {peer.form for peer in field.FIELD} <= set(variants.FORMS)
    own = {peer.form for peer in field.FIELD if peer.has_own_runtime}
    assert own == set(runtimes.RUNTIMES)


def test_what_was_asked_for_is_what_is_pinned() -> None:
    for name in {peer.environment for peer in THEIRS}:
        asked = (field.HERE / name / "requirements.txt").read_text(encoding="utf-8").splitlines()
        exact = [line for line in asked if "==" in line and not line.startswith("#")]
        assert exact
        assert set(exact) <= {f"{package}=={version}" for package, version in field.pinned(name).items()}


def test_graphs_are_made_and_measured_with_the_same_runtimes() -> None:
    measuring = field.pinned(field.MEASURING)
    for name in ENVIRONMENTS:
        pinned = field.pinned(name)
        shared = {package for package in RUNTIMES if package in pinned}
        assert shared
        assert {package: pinned[package] for package in shared} == {
            package: measuring[package] for package in shared
        }


@pytest.mark.parametrize("environment", sorted({peer.environment for peer in THEIRS}))
def test_a_script_imports_nothing_of_ours_and_knows_its_recipes(environment: str) -> None:
    tree = ast.parse((field.HERE / environment / "compress.py").read_text(encoding="utf-8"))
    modules = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    assert len(modules) > 3
    assert [name for name in modules if name.split(".")[0] in {"tasks", "flows", "benchmarks", "tests"}] == []
    said = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    recipes = {recipe for peer in THEIRS if peer.environment == environment for recipe in peer.recipes}
    assert recipes - {"default"} <= said


def test_names_of_recipes_are_theirs_alone() -> None:
    names = [entry.name for entry in field.entries([peer.name for peer in THEIRS])]
    assert len(names) == len(set(names)) > 8
    assert next(iter(field.entries(["olive"]))).name == "slipway/int8"


def test_unknown_runs_and_peers_are_told_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--run", "bcc"]) == 2
    assert capsys.readouterr().err == "params.yaml: there is no run `bcc`; did you mean `bbc`?\n"
    assert command.main(["--run", "bbc", "--peers", "oliv", "nncf"]) == 2
    assert capsys.readouterr().err == "--peers: `oliv`: there is no such peer; did you mean `olive`?\n"


def data_in(folder: Path, architecture: str = "BertForSequenceClassification") -> Path:
    for name, content in {
        "ingest/out/labels.json": ["a", "b"],
        "pretrain/out/config.json": {},
        "finetune/out/config.json": {"architectures": [architecture]},
    }.items():
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder


def test_students_must_be_there_and_know_the_same_labels(tmp_path: Path) -> None:
    data, student = data_in(tmp_path / "bbc"), tmp_path / "student"
    with pytest.raises(DataError) as raised:
        command._must_fit(data, {"student/one": tmp_path / "one", "student/two": tmp_path / "two"})
    assert [
        fault.endswith("model.onnx is missing; `dvc repro` makes it") for fault in raised.value.faults
    ] == [True, True]
    student.mkdir()
    (student / "model.onnx").touch()
    (student / "labels.json").write_text('["a", "c"]', encoding="utf-8")
    with pytest.raises(DataError, match="student/other knows other labels than the run's a, b"):
        command._must_fit(data, {"student/other": student})
    (student / "labels.json").write_text('["a", "b"]', encoding="utf-8")
    command._must_fit(data, {"student/same": student})


def test_a_teacher_of_another_sort_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match="BertForTokenClassification; the recipes of the peers are for those"
    ):
        command._must_fit(data_in(tmp_path, "BertForTokenClassification"), {})


def test_students_are_runs_or_folders(tmp_path: Path) -> None:
    found = command._students(["bbc", f"deeper={tmp_path}"])
    assert found == {
        "student/bbc": field.ROOT / "data" / "bbc" / "quantize" / "out",
        "student/deeper": tmp_path,
    }
