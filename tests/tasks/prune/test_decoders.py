"""Decoders become smaller, and stay plain checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from tasks.architectures import catalog
from tasks.prune import activations, layer_choice, registry
from tests.decoders import CONFIGS, made

IDS = torch.arange(5, 29).reshape(2, 12)


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        found: torch.Tensor = model(input_ids=IDS).logits
    return found


def measured(model: Any, importance: str) -> None:
    if importance == "taylor":
        model(input_ids=IDS, labels=IDS).loss.backward()
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
    pruner, half = registry.pruner(model.config), model.config.hidden_size // 2
    sizes = {"layers": 2, "hidden": half, "ffn": 48}
    heads = model.config.num_attention_heads
    smaller = cut(model, importance, **sizes)
    assert pruner.sizes(smaller.config) == {**sizes, "vocabulary": 320}
    assert smaller.config.num_attention_heads == heads // 2
    smaller.save_pretrained(tmp_path / "student")
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "student").eval()
    assert torch.allclose(logits(again), logits(smaller), atol=1e-5)


@pytest.mark.parametrize("importance", ["taylor", "magnitude", "activation"])
@pytest.mark.parametrize("name", CONFIGS)
def test_what_does_nothing_goes_first(name: str, importance: str) -> None:
    """Without the feed-forward channels that are dead nothing changes."""
    model = made(name)
    layout: Any = catalog.of(model.config).layout
    for at, layer in enumerate(model.base_model.get_submodule(layout.layers)):
        dead = torch.arange(48) * 2 + at % 2
        for number, path in enumerate(layout.ffn):
            module = layer.get_submodule(path)
            narrows = number == len(layout.ffn) - 1
            along = int(narrows) if not layout.transposed else int(not narrows)
            with torch.no_grad():
                module.weight.index_fill_(along, dead, 0.0)
                if module.bias is not None and not narrows:
                    module.bias.index_fill_(0, dead, 0.0)
    wanted, whole = logits(model), registry.pruner(model.config).sizes(model.config)["ffn"]
    smaller = cut(model, importance, ffn=whole - 48)
    assert torch.allclose(logits(smaller), wanted, atol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_dead_groups_of_heads_go_first(name: str) -> None:
    model = made(name)
    layout: Any = catalog.of(model.config).layout
    heads = model.config.num_attention_heads
    groups = getattr(model.config, "num_key_value_heads", None) or heads
    for at, layer in enumerate(model.base_model.get_submodule(layout.layers)):
        joined = layer.get_submodule(layout.joined)
        width = joined.weight.shape[int(not layout.transposed)] // groups
        gone = torch.arange(width) + (at % groups) * width
        with torch.no_grad():
            joined.weight.index_fill_(int(not layout.transposed), gone, 0.0)
            if not layout.fused:  # the values of this group, whatever it looks at
                values = layer.get_submodule(layout.attention[2])
                size = values.weight.shape[0] // groups
                values.weight[(at % groups) * size : (at % groups + 1) * size] = 0
    shapes = {name: tensor.shape for name, tensor in model.named_parameters()}
    smaller = cut(model, hidden=model.config.hidden_size - model.config.hidden_size // groups)
    assert smaller.config.num_attention_heads == heads - heads // groups
    for own, tensor in smaller.named_parameters():
        if own.endswith(f"{layout.joined}.weight"):
            assert tensor.abs().sum(int(layout.transposed)).min() > 0
            assert tensor.numel() < shapes[own].numel()


def test_a_width_that_groups_do_not_divide_is_refused() -> None:
    model = made("llama")
    (fault,) = registry.pruner(model.config).faults(model.config, {"hidden": 40})
    assert fault == (
        "prune.hidden = 40: must be a multiple of 32, the share of it that each of the teacher's 2 groups of "
        "heads has"
    )
