"""Encoder-decoder models lose layers of either half and feed-forward channels, and stay plain checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from tasks.architectures import catalog
from tasks.core.errors import ModelError
from tasks.models import low_rank
from tasks.prune import activations, layer_choice, registry
from tests.decoders import made as language_model
from tests.encoder_decoders import CONFIGS, made

READ, GIVEN = torch.arange(5, 29).reshape(2, 12), torch.arange(40, 54).reshape(2, 7)
MASK, OTHER = torch.ones_like(READ), torch.ones_like(GIVEN)


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(
            input_ids=READ, attention_mask=MASK, decoder_input_ids=GIVEN, decoder_attention_mask=OTHER
        ).logits
    return found


def measured(model: Any, importance: str) -> None:
    if importance == "taylor":
        model(input_ids=READ, decoder_input_ids=GIVEN, labels=GIVEN).loss.backward()
    if importance == "activation":
        with activations.measured(model):
            logits(model)


def cut(model: Any, importance: str = "magnitude", **sizes: int) -> Any:
    pruner = registry.pruner(model.config)
    assert pruner.faults(model.config, sizes) == []
    pruner.keep_layers(model, sizes, layer_choice.evenly)
    measured(model, importance)
    return pruner.narrow(model, sizes, importance)


@pytest.mark.parametrize("importance", ["taylor", "magnitude", "activation"])
@pytest.mark.parametrize("name", CONFIGS)
def test_sizes_are_those_asked_for_and_a_reload_answers_the_same(
    name: str, importance: str, tmp_path: Path
) -> None:
    model = made(name)
    sizes = {"layers": 2, "decoder_layers": 1, "ffn": 48}
    smaller = cut(model, importance, **sizes)
    assert registry.pruner(model.config).sizes(smaller.config) == {**sizes, "vocabulary": 320}
    smaller.save_pretrained(tmp_path / "student")
    plainly = transformers.AutoModelForSeq2SeqLM.from_pretrained
    again = plainly(tmp_path / "student", attn_implementation="eager").eval()
    assert torch.equal(logits(again), logits(smaller))


@pytest.mark.parametrize("name", CONFIGS)
def test_what_is_not_cut_stays_as_it_is(name: str) -> None:
    """So does a head that has weights of its own."""
    model = made(name)
    wanted = logits(model)
    assert torch.equal(logits(cut(model, layers=3, decoder_layers=3, ffn=96)), wanted)


@pytest.mark.parametrize("importance", ["taylor", "magnitude", "activation"])
@pytest.mark.parametrize("name", CONFIGS)
def test_what_does_nothing_goes_first(name: str, importance: str) -> None:
    """Without the feed-forward channels that are dead nothing changes."""
    model = made(name)
    layout: Any = catalog.of(model.config).layout
    for half in layout.halves:
        for at, layer in enumerate(model.base_model.get_submodule(half.layers)):
            dead = torch.arange(48) * 2 + at % 2
            part = layer.get_submodule(half.ffn) if half.ffn else layer
            *wide, narrow = (part.get_submodule(one) for one in layout.ffn(model.config))
            with torch.no_grad():
                narrow.weight[:, dead] = 0.0
                for module in wide:
                    module.weight[dead] = 0.0
                    if module.bias is not None:
                        module.bias[dead] = 0.0
    wanted = logits(model)
    assert torch.allclose(logits(cut(model, importance, ffn=48)), wanted, atol=1e-5)


def test_the_layer_with_the_distances_stays() -> None:
    model = made("t5")
    pruner = registry.pruner(model.config)
    kept = pruner.keep_layers(model, {"layers": 1, "decoder_layers": 1}, layer_choice.evenly)
    assert kept == [[0], [0]]


def test_what_cannot_be_cut_is_told() -> None:
    model = made("bart")
    found = registry.pruner(model.config).faults(model.config, {"hidden": 32, "decoder_layers": 4})
    assert found == [
        "prune.hidden = 32: the states of an encoder-decoder model keep their width; what can be cut are "
        "layers, decoder_layers and ffn, and pieces by pretrain.vocabulary",
        "prune.decoder_layers = 4: the teacher has 3; keep at most so many",
    ]
    other = language_model("llama").config
    (fault,) = registry.pruner(other).faults(other, {"decoder_layers": 1})
    assert fault == (
        "prune.decoder_layers: the teacher has no such size; it has layers, hidden, ffn, vocabulary"
    )
    with pytest.raises(ModelError, match="answers by its table of words"):
        low_rank.check(model)
