"""What of an encoder-decoder model is trained, held and learnt again, by the params of the stages."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from tasks.core.errors import ParamsError
from tasks.finetune import stage as finetune
from tasks.ingest import stage as ingest
from tasks.kinds.base.kind import load_kind
from tasks.models import checkpoint
from tasks.pretrain import loading
from tasks.prune import stage as prune
from tests import encoder_decoders, writers
from tests.tasks import stage
from tests.tasks.conftest import QUICK
from tests.tasks.kinds.text.transduction.test_all_the_way import CUT, FEW, NAME, READ, VALUES


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("rows")
    stage.run("ingest", ingest.Inputs(writers.raw(home / "raw")), home / "ingest", **VALUES, **FEW, **READ)
    return home / "ingest" / "out"


def pretrained(folder: Path, name: str) -> Path:
    """A checkpoint that knows how texts are put."""
    kind = load_kind(NAME)
    encoder_decoders.checkpoint_in(folder, name)
    options = kind.options.model_validate(VALUES["options"])
    given: list[Any] = [{"text": "12 Film stars", "label": "It is tech."}]
    device, scratch = torch.device("cpu"), folder / "scratch"
    model, tokenizer, _ = loading.load(folder, kind, device, VALUES["input_size"], options, given, scratch)
    shutil.rmtree(scratch, ignore_errors=True)
    checkpoint.save(model, tokenizer, folder)
    return folder


def changed(before: Path, after: Path) -> set[str]:
    """The names of weights that are others."""
    kind, cpu = load_kind(NAME), torch.device("cpu")
    weights = [checkpoint.load_model(folder, kind, cpu).state_dict() for folder in (before, after)]
    return {name for name, tensor in weights[0].items() if not torch.equal(tensor, weights[1][name])}


@pytest.mark.parametrize(
    ("name", "params", "stays", "moves"),
    [
        ("t5", {"freeze": "encoder"}, "encoder.", "decoder.block.0.layer.2"),
        ("bart", {"freeze": "encoder"}, "model.encoder.", "model.decoder.layers.0.fc1"),
        ("t5", {"frozen_layers": 2}, "encoder.block.1", "encoder.block.2"),
        ("bart", {"lora": {"rank": 2, "alpha": 4.0}}, "layer_norm", "model.decoder.layers.1.encoder_attn"),
        ("t5", {"lora": {"rank": 2, "alpha": 4.0}}, "layer_norm", "decoder.block.1.layer.1.EncDecAttention"),
    ],
)
def test_what_is_held_stays(
    name: str, params: dict[str, Any], stays: str, moves: str, rows: Path, tmp_path: Path
) -> None:
    begun = pretrained(tmp_path / "begun", name)
    values = {**VALUES, **QUICK, "epochs": 1, "pool_outputs": 0, **params}
    stage.run("finetune", finetune.Inputs(rows, begun), tmp_path, **values)
    found = changed(begun, tmp_path / "out")
    assert not [one for one in found if stays in one]
    assert [one for one in found if moves in one]


def test_params_that_would_do_nothing_are_refused(rows: Path, tmp_path: Path) -> None:
    values = {**VALUES, **QUICK, "head_epochs": 1, "pool_outputs": 0, "teachers": 2}
    with pytest.raises(ParamsError) as caught:
        stage.run("finetune", finetune.Inputs(rows, tmp_path), tmp_path, **values)
    assert caught.value.faults == (
        "finetune.teachers = 2: of answers of this kind only the likeliest are kept, which have no mean; "
        "write 1",
        "finetune.head_epochs = 1: what answers is pretrained like the rest; write 0",
    )


@pytest.mark.parametrize("name", ["t5", "bart"])
def test_layers_that_are_missed_least_go_in_steps(name: str, rows: Path, tmp_path: Path) -> None:
    teacher = pretrained(tmp_path / "teacher", name)
    recovery = {"steps": 2, "epochs": 1, "batch_size": 16, "learning_rate": 0.001}
    values = {**VALUES, **CUT, "layers_by": "importance", "importance": "activation", "recovery": recovery}
    found = stage.run("prune", prune.Inputs(rows, teacher), tmp_path, **values)
    encoder, decoder = found.figures["layers_kept"]
    assert (len(encoder), len(decoder)) == (2, 1)
    assert name == "bart" or (encoder[0], decoder[0]) == (0, 0)


def test_tensors_that_old_checkpoints_have_beside_are_no_fault(tmp_path: Path) -> None:
    """Those of T5 hold distances of its cross-attention, which transformers does not read."""
    from safetensors.torch import load_file, save_file

    folder = encoder_decoders.checkpoint_in(tmp_path / "t5")
    tensors = load_file(folder / "model.safetensors")
    tensors["decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"] = torch.zeros(8, 4)
    tensors["encoder.embed_tokens.weight"] = tensors["shared.weight"].clone()
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    kind = load_kind(NAME)
    options = kind.options.model_validate(VALUES["options"])
    given: list[Any] = [{"text": "12 Film stars", "label": "It is tech."}]
    loading.load(folder, kind, torch.device("cpu"), 24, options, given, tmp_path / "scratch")
