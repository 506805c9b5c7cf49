"""Encoders are cut along whole heads and the same hidden channels everywhere, and the result is a plain
checkpoint.
"""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForImageClassification, AutoModelForSequenceClassification

from tasks.core.errors import ModelError
from tasks.prune import activations, layer_choice, registry
from tasks.prune.pruner import IMPORTANCE
from tests import tiny

SHAPE = {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 4, "intermediate_size": 128}
PICTURES = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
WORDS = torch.randint(0, 100, (8, 12), generator=torch.Generator().manual_seed(0))
WIDTH = 16
"""Of a head."""


pytestmark = pytest.mark.usefixtures("one_thread")


def teacher(name: str) -> Any:
    torch.manual_seed(0)
    if name == "vit":
        config = AutoConfig.for_model(name, **SHAPE, image_size=32, patch_size=8, num_labels=3)
        return AutoModelForImageClassification.from_config(config, attn_implementation="eager").eval()
    architecture, _, width = name.partition(", embeddings of ")
    changed = {"embedding_size": int(width)} if width else {}
    config = tiny.config_of(architecture, **changed, vocab_size=100, pad_token_id=0, num_labels=3)
    return AutoModelForSequenceClassification.from_config(config, attn_implementation="eager").eval()


def logits(model: Any) -> torch.Tensor:
    seen = {"pixel_values": PICTURES} if model.config.model_type == "vit" else {"input_ids": WORDS}
    answer: torch.Tensor = model(**seen).logits
    return answer


def pruned(model: Any, sizes: dict[str, int], importance: str) -> Any:
    model = copy.deepcopy(model)
    architecture = registry.pruner(model.config)
    assert architecture.faults(model.config, sizes) == []
    architecture.keep_layers(model, sizes, layer_choice.evenly)
    with activations.measured(model):
        answer = logits(model)
    torch.nn.functional.cross_entropy(answer, torch.arange(8) % 3).backward()
    return architecture.narrow(model, sizes, importance)


@pytest.mark.parametrize("importance", IMPORTANCE)
def test_a_vit_has_the_sizes_asked_for_and_is_plain(tmp_path: Path, importance: str) -> None:
    student = pruned(teacher("vit"), {"layers": 2, "hidden": 32, "ffn": 56}, importance)
    student.save_pretrained(tmp_path)
    again = AutoModelForImageClassification.from_pretrained(tmp_path, attn_implementation="eager").eval()
    shape = {"hidden_size": 32, "num_attention_heads": 2, "num_hidden_layers": 2, "intermediate_size": 56}
    assert {name: getattr(again.config, name) for name in shape} == shape
    assert again.config.pooler_output_size == 32
    assert torch.equal(logits(again), logits(student))


@pytest.mark.parametrize("name", ["distilbert", "electra, embeddings of 24", "electra, embeddings of 64"])
@pytest.mark.parametrize("importance", IMPORTANCE)
def test_relatives_of_bert_have_the_sizes_asked_for_and_are_plain(
    tmp_path: Path, name: str, importance: str
) -> None:
    student = pruned(teacher(name), {"layers": 2, "hidden": 32, "ffn": 56}, importance)
    student.save_pretrained(tmp_path)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path, attn_implementation="eager").eval()
    config = again.config
    assert (config.num_hidden_layers, config.hidden_size, config.num_attention_heads) == (2, 32, 2)
    assert {24: 24, 64: 32}.get(int(name[-2:]) if name[-2:].isdigit() else 0) == getattr(
        config, "embedding_size", None
    )
    assert torch.equal(logits(again), logits(student))


@pytest.mark.parametrize("name", ["vit", "bert", "distilbert", "electra, embeddings of 24"])
def test_keeping_everything_changes_no_logit(name: str) -> None:
    model = teacher(name)
    everything = registry.pruner(model.config).sizes(model.config)
    for sizes in ({}, everything):
        assert torch.equal(logits(pruned(model, sizes, "taylor")), logits(model))


@pytest.mark.parametrize("importance", IMPORTANCE)
def test_in_a_vit_whole_heads_go_and_the_same_channels_everywhere(importance: str) -> None:
    model = teacher("vit")
    number = torch.arange(64.0)
    # Biases carry the number of their channel, so that it can be read off which were kept.
    with torch.no_grad():
        for name, tensor in model.vit.named_parameters():
            if name.endswith(("cls_token", "position_embeddings")):
                tensor.copy_(number.expand_as(tensor))
            elif name.endswith("bias") and len(tensor) == 64:
                tensor.copy_(number)
    student = pruned(model, {"hidden": 32}, importance)
    named = dict(student.vit.named_parameters())
    stream = named.pop("layernorm.bias")
    assert stream.shape == (32,)
    assert len(stream.unique()) == 32
    for at in range(4):
        old, new = model.vit.layers[at].attention, student.vit.layers[at].attention
        kept = new.q_proj.bias
        heads = kept.view(2, WIDTH)
        assert torch.equal(heads % WIDTH, number[:WIDTH].repeat(2, 1))
        assert len((heads // WIDTH).unique(dim=0)) == 2
        for part in ("k_proj", "v_proj"):
            assert torch.equal(named.pop(f"layers.{at}.attention.{part}.bias"), kept)
        assert named.pop(f"layers.{at}.attention.q_proj.bias") is kept
        assert torch.equal(new.o_proj.weight, old.o_proj.weight[stream.long()][:, kept.long()])
        assert torch.equal(new.q_proj.weight, old.q_proj.weight[kept.long()][:, stream.long()])
    for name, tensor in named.items():
        if name.endswith(("cls_token", "position_embeddings", "bias")) and tensor.shape[-1] == 32:
            assert torch.equal(tensor, stream.expand_as(tensor)), name


@pytest.mark.parametrize("name", ["vit", "bert"])
@pytest.mark.parametrize("importance", IMPORTANCE)
def test_what_carries_nothing_goes_first(name: str, importance: str) -> None:
    """Feed-forward channels set to zero, at other places in each layer."""
    model = teacher(name)
    chance = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for layer in model.vit.layers if name == "vit" else model.bert.encoder.layer:
            widen, narrow = (
                (layer.mlp.fc1, layer.mlp.fc2)
                if name == "vit"
                else (layer.intermediate.dense, layer.output.dense)
            )
            dead = torch.randperm(128, generator=chance)[:64]
            widen.weight[dead], widen.bias[dead], narrow.weight[:, dead] = 0, 0, 0
    student = pruned(model, {"ffn": 64}, importance)
    assert student.config.intermediate_size == 64
    np.testing.assert_allclose(logits(student).detach(), logits(model).detach(), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "sizes", "said"),
    [
        (
            "vit",
            {"layers": 5, "ffn": 136},
            ["prune.layers = 5: the teacher has 4", "prune.ffn = 136: the teacher has 128"],
        ),
        ("vit", {"hidden": 24}, ["multiple of 16", "the teacher's heads"]),
        (
            "vit",
            {"vocabulary": 800},
            ["prune.vocabulary: the teacher has no such size; it has layers, hidden, ffn"],
        ),
        ("bert", {"vocabulary": 112}, ["prune.vocabulary = 112: the teacher has 104"]),
        ("roberta", {"widths": [8]}, ["prune.widths: the teacher has no such size"]),
        (
            "electra, embeddings of 32",
            {"hidden": 32},
            ["prune.hidden = 32: is the width of the embeddings", "take another"],
        ),
    ],
)
def test_impossible_sizes_are_told(name: str, sizes: dict[str, Any], said: list[str]) -> None:
    config = teacher(name).config
    faults = " ".join(registry.pruner(config).faults(config, sizes))
    assert all(part in faults for part in said), faults


def test_an_unknown_architecture_is_told_which_are_known() -> None:
    with pytest.raises(ModelError, match="architecture 'albert'") as caught:
        registry.pruner(AutoConfig.for_model("albert"))
    assert all(
        name in str(caught.value)
        for name in ("BERT", "DistilBERT", "ELECTRA", "DeBERTa-v2", "ModernBERT", "MiniLM")
    )


@pytest.mark.parametrize("count", [1, 2, 3, 9])
def test_sizes_approach_those_asked_for_evenly(count: int) -> None:
    config = teacher("bert").config
    wanted = {"layers": 2, "hidden": 16, "ffn": 64}
    plan = registry.steps(registry.pruner(config), config, wanted, count)
    assert plan[-1] == wanted
    assert len(plan) <= count
    assert all(
        before != after and all(before[name] >= after[name] for name in wanted)
        for before, after in itertools.pairwise(plan)
    )
    assert all(step["hidden"] % WIDTH == 0 and step["ffn"] % 8 == 0 for step in plan)
    assert {2: plan[0] == {"layers": 3, "hidden": 48, "ffn": 96}}.get(count, True)


def test_a_step_that_no_config_can_say_is_left_out() -> None:
    config = teacher("electra, embeddings of 48").config
    plan = registry.steps(registry.pruner(config), config, {"hidden": 32}, 2)
    assert plan == [{"hidden": 32}]
