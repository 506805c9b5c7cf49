"""dvc.yaml says exactly what each stage imports, reads and writes: both ways, and counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tasks.core import stages
from tasks.core.params import RunFields
from tasks.kinds.base.kind import known_kinds
from tests.imported import modules_imported_by

ROOT = Path(__file__).resolve().parents[1]
GRAPH: dict[str, Any] = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"]
STAGES = stages.load_all()
LOCK = "requirements/tasks.lock"


def folders_listed(stage: str, kind: str) -> list[Path]:
    """The folders of code among the dependencies of a stage, for a run of this kind."""
    listed = [
        dep.replace("${item.kind}", kind)
        for dep in GRAPH[stage]["do"]["deps"]
        if dep.startswith(("tasks/", "flows/"))
    ]
    return [(ROOT / dep).resolve() for dep in listed]


def code_of(stage: str, kind: str) -> set[Path]:
    """All that runs when the stage runs for such a run, what only starts it (tasks/launch) apart."""
    files = [ROOT / "tasks" / stage / "stage.py", ROOT / "tasks" / "kinds" / kind / "kind.py"]
    return set(files).union(*map(modules_imported_by, files))


def test_every_stage_stands_in_dvc_yaml_in_order() -> None:
    assert list(GRAPH) == list(STAGES)
    assert len(GRAPH) >= 7
    assert all(stanza["foreach"] == "${runs}" for stanza in GRAPH.values())


@pytest.mark.parametrize("stage", STAGES)
def test_code_lies_within_the_listed_folders(stage: str) -> None:
    for kind in known_kinds():
        folders, code = folders_listed(stage, kind), code_of(stage, kind)
        assert len(code) > 10
        assert [path for path in code if not any(path.is_relative_to(folder) for folder in folders)] == []
        assert [
            folder
            for folder in folders
            if folder.name != "common" and not any(path.is_relative_to(folder) for path in code)
        ] == []


@pytest.mark.parametrize("stage", STAGES)
def test_few_folders_are_listed(stage: str) -> None:
    assert len(folders_listed(stage, "text/classification")) <= 8
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) <= 240 / 7 * len(GRAPH)


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_no_other_stage_no_kind_and_no_flow(stage: str) -> None:
    imported = {path for file in (ROOT / "tasks" / stage).rglob("*.py") for path in modules_imported_by(file)}
    others = [ROOT / "tasks" / name for name in STAGES if name != stage]
    forbidden = [
        *others,
        ROOT / "flows",
        ROOT / "tasks" / "launch",
        *((ROOT / "tasks" / "kinds" / name) for name in ("text", "image")),
    ]
    assert imported
    assert [path for path in imported if any(path.is_relative_to(folder) for folder in forbidden)] == []


@pytest.mark.parametrize("stage", STAGES)
def test_artifact_deps_are_what_the_stage_reads(stage: str) -> None:
    listed = {dep for dep in GRAPH[stage]["do"]["deps"] if dep.startswith("data/")}
    read = {
        stages.locate(name, Path(), "${key}").as_posix() for name in stages.artifacts(STAGES[stage]).values()
    }
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
    """Sizes of a student, how many pieces its teacher has, what of it is not trained, how few labels are made
    the most of, and on how many rows graphs are checked are the exception.

    Which sizes there are is the architecture's affair, and none given means that nothing is changed.
    """
    fields = [
        (name, key, field)
        for name, stage in STAGES.items()
        for key, field in stage.Params.model_fields.items()
    ]
    assert len(fields) > 50
    assert [f"{name}.{key}" for name, key, field in fields if not field.description] == []
    may_be_left_out = [f"{name}.{key}" for name, key, field in fields if not field.is_required()]
    sizes = (
        "layers",
        "decoder_layers",
        "hidden",
        "ffn",
        "vocabulary",
        "word_rank",
        "depths",
        "widths",
        "static",
    )
    assert may_be_left_out == [
        *("pretrain.sentence", "pretrain.vocabulary", "finetune.frozen_layers", "finetune.probe"),
        *(f"prune.{size}" for size in sizes),
        "quantize.checked_rows",
    ]
