"""dvc.yaml says exactly what each stage imports, reads and writes: both ways, and counted."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tasks.kinds import base
from tasks.shared import stages
from tasks.shared.params import RunFields

ROOT = Path(__file__).resolve().parents[1]
GRAPH: dict[str, Any] = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
STAGES = stages.load_all()
KIND = "tasks/kinds/${item.kind}.py"
LOCK = "requirements/tasks.lock"


def modules_imported_by(file: Path) -> set[Path]:
    """Our own modules that a file imports, at its top or inside its functions, directly or through others."""
    found: set[Path] = set()
    waiting = [file]
    while waiting:
        for path in _imports(waiting.pop()) - found:
            found.add(path)
            waiting.append(path)
    return found


def _imports(file: Path) -> set[Path]:
    names: set[str] = set()
    for node in ast.walk(_without_type_checking(ast.parse(file.read_text()))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            names.update([node.module, *(f"{node.module}.{alias.name}" for alias in node.names)])
    paths = (ROOT / (name.replace(".", "/") + ".py") for name in names if name.startswith(("tasks.", "flows.")))
    return {path for path in paths if path.is_file()}


def _without_type_checking(tree: ast.Module) -> ast.Module:
    """What is imported for types alone does not run."""
    tree.body = [node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")]
    return tree


def code_listed(stage: str) -> set[str]:
    return {dep for dep in GRAPH[stage]["do"]["deps"] if dep.startswith(("tasks/", "flows/"))}


def test_every_stage_stands_in_dvc_yaml_in_order() -> None:
    assert list(GRAPH) == list(STAGES)
    assert len(GRAPH) == 7
    assert all(stanza["foreach"] == "${runs}" for stanza in GRAPH.values())


@pytest.mark.parametrize("stage", STAGES)
def test_code_deps_are_what_the_stage_imports(stage: str) -> None:
    file = ROOT / "tasks" / f"{stage}.py"
    kinds = [modules_imported_by(ROOT / "tasks" / "kinds" / f"{name}.py") for name in base.kinds()]
    imported = {path.relative_to(ROOT).as_posix() for path in {file}.union(modules_imported_by(file), *kinds)}
    assert len(imported) > 3
    assert imported | {KIND} == code_listed(stage)


@pytest.mark.parametrize("stage", STAGES)
def test_stages_import_no_other_stage_and_no_flow(stage: str) -> None:
    imported = modules_imported_by(ROOT / "tasks" / f"{stage}.py")
    assert imported.isdisjoint({ROOT / "tasks" / f"{name}.py" for name in STAGES})
    assert not [path for path in imported if path.is_relative_to(ROOT / "flows")]


@pytest.mark.parametrize("stage", STAGES)
def test_artifact_deps_are_what_the_stage_reads(stage: str) -> None:
    listed = {dep for dep in GRAPH[stage]["do"]["deps"] if dep.startswith("data/")}
    read = {stages.locate(name, Path(), "${key}").as_posix() for name in stages.artifacts(STAGES[stage]).values()}
    assert read
    assert listed == read
    assert LOCK in GRAPH[stage]["do"]["deps"]


@pytest.mark.parametrize("stage", STAGES)
def test_params_listed_are_those_the_stage_takes(stage: str) -> None:
    fields = STAGES[stage].Params.model_fields
    taken = [f"runs.${{key}}.{name}" for name in RunFields.model_fields if name in fields]
    assert GRAPH[stage]["do"]["params"] == [*taken, f"runs.${{key}}.{stage}"]


@pytest.mark.parametrize("stage", STAGES)
def test_only_metrics_and_plots_are_kept_out_of_the_cache(stage: str) -> None:
    """An output with `cache: false` that is neither would turn DVC's run-cache off for the stage."""
    assert all(isinstance(out, str) for out in GRAPH[stage]["do"]["outs"])
    assert all(next(iter(out.values()))["cache"] is False for out in GRAPH[stage]["do"]["metrics"])


def test_every_field_of_every_section_is_described_and_has_no_default() -> None:
    """Sizes of a student are the exception: which there are is the architecture's affair, and none given means that all is kept."""
    fields = [(name, key, field) for name, stage in STAGES.items() for key, field in stage.Params.model_fields.items()]
    assert len(fields) > 50
    assert [f"{name}.{key}" for name, key, field in fields if not field.description] == []
    may_be_left_out = [f"{name}.{key}" for name, key, field in fields if not field.is_required()]
    assert may_be_left_out == [f"prune.{size}" for size in ("layers", "hidden", "ffn", "vocabulary", "word_rank", "depths", "widths")]
