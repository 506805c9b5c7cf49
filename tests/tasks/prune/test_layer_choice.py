"""Which layers stay: evenly spread, or by what the answers lose without them."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForImageClassification, AutoModelForSequenceClassification

from tasks.kinds.base.kind import load_kind
from tasks.prune import layer_choice, registry
from tests import tiny

pytestmark = pytest.mark.usefixtures("one_thread")

KIND = load_kind("text/classification")


class Tokenizer:
    pad_token_id = 0


def text_model(architecture: str) -> Any:
    torch.manual_seed(0)
    config = tiny.config_of(architecture, vocab_size=100, pad_token_id=0, num_labels=3, initializer_range=0.2)
    return AutoModelForSequenceClassification.from_config(config, attn_implementation="eager").eval()


def batches() -> list[list[dict[str, Any]]]:
    chance = torch.Generator().manual_seed(0)
    rows = [
        {"input_ids": torch.randint(1, 100, (8,), generator=chance).tolist(), "labels": [0]}
        for _ in range(16)
    ]
    return [rows[:8], rows[8:]]


def silence(layer: Any, architecture: str) -> None:
    """Makes a layer of the residual stream pass on what it gets, or, where norms stand behind the sums,
    nearly so.
    """
    attention, ffn = {
        "bert": lambda: (layer.attention.output.dense, layer.output.dense),
        "distilbert": lambda: (layer.attention.out_lin, layer.ffn.lin2),
        "deberta-v2": lambda: (layer.attention.output.dense, layer.output.dense),
        "modernbert": lambda: (layer.attn.Wo, layer.mlp.Wo),
    }[architecture]()
    with torch.no_grad():
        for module in (attention, ffn):
            for tensor in module.parameters():
                tensor.zero_()


@pytest.mark.parametrize("architecture", ["bert", "distilbert", "deberta-v2", "modernbert"])
@pytest.mark.parametrize("dead", [{1, 2}, {2, 3}, {1, 3}])
@pytest.mark.parametrize("by", ["importance", "influence"])
def test_layers_that_do_nothing_go_first(architecture: str, dead: set[int], by: str) -> None:
    model = text_model(architecture)
    cut = registry.pruner(model.config)
    layers = next(
        module for module in model.modules() if isinstance(module, torch.nn.ModuleList) and len(module) == 4
    )
    for at in dead:
        silence(layers[at], architecture)
    choose = layer_choice.chooser(by, model, KIND, Tokenizer(), batches())
    ids = torch.randint(1, 100, (8, 8), generator=torch.Generator().manual_seed(1))
    before = model(input_ids=ids).logits
    assert cut.keep_layers(model, {"layers": 2}, choose) == sorted({0, 1, 2, 3} - dead)
    torch.testing.assert_close(
        cut.narrow(model, {"layers": 2}, "magnitude")(input_ids=ids).logits, before, atol=1e-3, rtol=0
    )


def test_measuring_leaves_the_model_as_it_was_and_is_the_same_again() -> None:
    model = text_model("bert")
    before = copy.deepcopy(model.state_dict())
    layers = model.bert.encoder.layer
    chosen = [
        layer_choice.by_importance(model, KIND, Tokenizer(), batches())([layers], [2], False)
        for _ in range(2)
    ]
    assert chosen[0] == chosen[1]
    assert list(model.state_dict()) == list(before)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_one_layer_goes_at_a_time() -> None:
    """Two layers that undo each other are each missed much while the other stands.

    The first to go is the third, then the pair parts.
    """
    stages = [torch.nn.ModuleList(torch.nn.Identity() for _ in range(3))]

    def divergences() -> Callable[[], float]:
        return lambda: {"12": 1.0, "02": 1.1, "01": 0.2, "1": 0.6, "0": 0.5}["".join(stages[0]._modules)]

    assert layer_choice.most_missed(divergences, stages, [1], first_stays=False) == [[0]]
    assert layer_choice.most_missed(divergences, stages, [2], first_stays=False) == [[0, 1]]
    assert len(stages[0]) == 3


def test_the_first_block_of_a_stage_stays() -> None:
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        "resnet", embedding_size=16, hidden_sizes=[16, 24], depths=[3, 2], layer_type="basic", num_labels=3
    )
    model = AutoModelForImageClassification.from_config(config).eval()
    pictures = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))

    def divergences() -> Callable[[], float]:
        wanted = model(pictures).logits.detach()
        return lambda: (model(pictures).logits - wanted).abs().mean().item()

    def choose(stages: Any, counts: Any, first_stays: bool) -> list[list[int]]:
        return layer_choice.most_missed(divergences, stages, counts, first_stays)

    kept = registry.pruner(config).keep_layers(model, {"depths": [1, 1]}, choose)
    assert kept == [[0], [0]]
    assert model(pictures).logits.shape == (4, 3)


def test_layers_are_named_by_their_first_numbers() -> None:
    assert layer_choice.of_those(None, [0, 2, 5]) == [0, 2, 5]
    assert layer_choice.of_those([0, 2, 5], [0, 2]) == [0, 5]
    assert layer_choice.of_those([[0, 2], [1]], [[1], [0]]) == [[2], [1]]
