"""What DVC leaves out of a folder: bytecode and pages of the code, and nothing that a stage writes."""

from __future__ import annotations

from pathlib import Path

import pytest

import flows.process.environment  # noqa: F401  # isort: skip  (before DVC, which reads the environment)
from dvc.ignore import DvcIgnoreFilter
from dvc.repo import Repo

from tasks.core import stages
from tasks.kinds.base.kind import known_kinds
from tests.test_graph_is_honest import code_of

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def ignored() -> DvcIgnoreFilter:
    return Repo(str(ROOT)).dvcignore


@pytest.mark.parametrize(
    "path",
    [
        "tasks/README.md",
        "tasks/core/README.md",
        "tasks/core/__pycache__/params.pyc",
        "tasks/kinds/base/proposal.py",
        "tasks/kinds/text/common/proposal_values.py",
    ],
)
def test_pages_and_bytecode_of_the_code_are_left_out(ignored: DvcIgnoreFilter, path: str) -> None:
    assert ignored.is_ignored_file(str(ROOT / path))


@pytest.mark.parametrize(
    "path",
    ["data/bbc/ingest/out/report.md", "data/bbc/benchmark/report/report.md", "data/raw/notes/sport/1.md"],
)
def test_reports_are_part_of_the_artifacts(ignored: DvcIgnoreFilter, path: str) -> None:
    assert not ignored.is_ignored_file(str(ROOT / path))


def test_no_code_that_a_stage_runs_is_left_out(ignored: DvcIgnoreFilter) -> None:
    code = set().union(*(code_of(stage, kind) for stage in stages.load_all() for kind in known_kinds()))
    assert len(code) > 60
    assert [path.name for path in code if ignored.is_ignored_file(str(path))] == []
