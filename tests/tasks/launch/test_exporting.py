"""The student of a run that writes becomes a GGUF file, whole or not at all."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tasks.core.errors import DataError, ModelError
from tasks.launch import exporting
from tests import writers

RECIPES = Path(__file__).resolve().parents[3] / "recipes"
pytest.importorskip("gguf")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    yaml = YAML(typ="safe")
    run = yaml.load((RECIPES / "headlines.yaml").read_text(encoding="utf-8"))["run"]
    with (tmp_path / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump({"runs": {"headlines": run}}, file)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def asked(file: Path) -> argparse.Namespace:
    return argparse.Namespace(run="headlines", gguf="q8_0", to=file)


def test_the_student_is_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writers.checkpoint_in(project / "data" / "headlines" / "distill" / "out")
    assert exporting.export(asked(project / "h.gguf")) == 0
    assert (project / "h.gguf").read_bytes()[:4] == b"GGUF"
    assert "q8_0, for texts of 64 tokens" in capsys.readouterr().out
    assert not (project / "h.gguf.part").exists()


def test_without_a_student_it_says_how_to_make_one(project: Path) -> None:
    with pytest.raises(DataError, match="make it with `slipway run headlines`"):
        exporting.export(asked(project / "h.gguf"))


def test_what_cannot_be_written_leaves_no_file(project: Path) -> None:
    writers.checkpoint_in(project / "data" / "headlines" / "distill" / "out", "gpt2")
    with pytest.raises(ModelError, match="gpt2 cannot be written"):
        exporting.export(asked(project / "h.gguf"))
    assert [*project.glob("h.gguf*")] == []
