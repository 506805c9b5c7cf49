"""Encoders that are cut by tables.

The same channels everywhere, whole heads, what carries nothing first, and plain checkpoints.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoModelForTokenClassification

from tasks.architectures import catalog
from tasks.kinds.base.kind import load_kind
from tasks.prune import layer_choice, registry, slicing
from tests import tiny

pytestmark = pytest.mark.usefixtures("one_thread")

WIDTH = 16
"""Of a head."""
WORDS = torch.randint(0, 100, (8, 12), generator=torch.Generator().manual_seed(0))
BATCHES = [[{"input_ids": row.tolist(), "labels": [at % 3]} for at, row in enumerate(WORDS)]]
BIASED = dict.fromkeys(("attention_bias", "mlp_bias", "norm_bias", "classifier_bias"), True)
# Architecture and what its config says otherwise than tests/tiny.py.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "modernbert": ("modernbert", {}),
    "modernbert with biases": ("modernbert", BIASED),
    "deberta v3": ("deberta-v2", {}),
    "deberta v2, with a convolution": (
        "deberta-v2",
        {"conv_kernel_size": 3, "type_vocab_size": 2, "position_biased_input": True},
    ),
    "deberta with projected embeddings": ("deberta-v2", {"embedding_size": 24, "share_att_key": False}),
}
HEADS = {"texts": AutoModelForSequenceClassification, "words": AutoModelForTokenClassification}


class Tokenizer:
    pad_token_id = 0


def teacher(case: str, head: str = "texts") -> Any:
    torch.manual_seed(0)
    name, changed = CASES[case]
    config = tiny.config_of(
        name, vocab_size=100, pad_token_id=0, num_labels=3, initializer_range=0.1, **changed
    )
    return HEADS[head].from_config(config, attn_implementation="eager").eval()


def logits(model: Any) -> torch.Tensor:
    answer: torch.Tensor = model(input_ids=WORDS, attention_mask=torch.ones_like(WORDS)).logits
    return answer


def pruned(model: Any, sizes: dict[str, int], importance: str) -> Any:
    """`model` stays as it is; gradients and activations are those of three labels of whole texts."""
    model = copy.deepcopy(model)
    architecture = registry.pruner(model.config)
    assert architecture.faults(model.config, sizes) == []
    architecture.keep_layers(model, sizes, layer_choice.evenly)
    kind = load_kind("text/classification")
    registry.measure(
        model,
        kind,
        Tokenizer(),
        BATCHES,
        importance,
        kind.options.model_validate(tiny.OPTIONS["text/classification"]),
    )
    return architecture.narrow(model, sizes, importance)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("importance", slicing.SCORES)
def test_it_is_plain_and_keeping_everything_changes_nothing(
    tmp_path: Path, case: str, importance: str
) -> None:
    model = teacher(case)
    student = pruned(model, {"layers": 3, "hidden": 32, "ffn": 56}, importance)
    student.save_pretrained(tmp_path)
    again = HEADS["texts"].from_pretrained(tmp_path, attn_implementation="eager").eval()
    assert torch.equal(logits(again), logits(student))
    shape = (
        again.config.num_hidden_layers,
        again.config.hidden_size,
        again.config.num_attention_heads,
        again.config.intermediate_size,
    )
    assert shape == (3, 32, 2, 56)
    assert torch.equal(logits(pruned(model, {"hidden": 64, "ffn": 128}, importance)), logits(model))
    layout: Any = catalog.of(model.config).layout
    whole = slicing.cut(layout.narrowing.table, model, 64, 128, "magnitude")
    assert all(torch.equal(tensor, whole[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("case", CASES)
def test_taggers_are_cut_too(tmp_path: Path, case: str) -> None:
    student = pruned(teacher(case, "words"), {"hidden": 32, "ffn": 56}, "magnitude")
    student.save_pretrained(tmp_path)
    again = HEADS["words"].from_pretrained(tmp_path, attn_implementation="eager").eval()
    assert torch.equal(logits(again), logits(student))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("importance", slicing.SCORES)
def test_what_carries_nothing_goes_first(case: str, importance: str) -> None:
    """Feed-forward channels, at other places in each layer, and two heads of each."""
    model, chance = teacher(case), torch.Generator().manual_seed(1)
    layers: Any = next(
        module for module in model.modules() if isinstance(module, torch.nn.ModuleList) and len(module) == 4
    )
    with torch.no_grad():
        for layer in layers:
            dead = torch.randperm(128, generator=chance)[:64]
            if hasattr(layer, "mlp"):
                rows, values, out = torch.cat([dead, dead + 128]), layer.mlp.Wi, layer.mlp.Wo
            else:
                rows, values, out = dead, layer.intermediate.dense, layer.output.dense
            for tensor in values.parameters():
                tensor[rows] = 0
            out.weight[:, dead] = 0
    student = pruned(model, {"ffn": 64}, importance)
    torch.testing.assert_close(logits(student), logits(model), atol=1e-5, rtol=0)


@pytest.mark.parametrize("case", ["modernbert with biases", "deberta v2, with a convolution"])
def test_whole_heads_go_and_the_same_channels_everywhere(case: str) -> None:
    """Biases and embeddings carry the number of their channel, so that it can be read off which were kept."""
    model = teacher(case)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if name.endswith("bias") or ("embeddings" in name and not name.endswith("norm.weight")):
                tensor.copy_(torch.arange(float(tensor.shape[-1])).expand_as(tensor))
    student = pruned(model, {"hidden": 32, "ffn": 64}, "magnitude")
    named = {name: tensor.detach() for name, tensor in student.named_parameters() if name.endswith("bias")}
    stream = student.get_input_embeddings().weight[0].detach()
    assert len(stream.unique()) == 32
    queries = {
        name: tensor for name, tensor in named.items() if name.endswith(("Wqkv.bias", "query_proj.bias"))
    }
    assert len(queries) == 4
    for tensor in queries.values():
        parts = tensor.view(-1, 2, WIDTH)  # queries, keys and values of ModernBERT are one
        assert torch.equal(parts % WIDTH, torch.arange(WIDTH).expand_as(parts) + 0.0)
        assert torch.equal(parts % 64, parts[:1].expand_as(parts) % 64)
        assert len((parts[0] // WIDTH).unique()) == 2
    for name, tensor in named.items():
        gated = tensor.view(2, -1) if name.endswith("Wi.bias") else None
        assert gated is None or torch.equal(gated[1], gated[0] + 128)
        if (
            name.endswith(("Wo.bias", "norm.bias", "LayerNorm.bias", "output.dense.bias", "conv.bias"))
            and "head" not in name
        ):
            assert torch.equal(tensor, stream), name


@pytest.mark.parametrize(
    ("case", "changed", "sizes", "said"),
    [
        (
            "deberta with projected embeddings",
            {"embedding_size": 32},
            {"hidden": 32},
            "prune.hidden = 32: is the width of the embeddings",
        ),
        (
            "deberta v2, with a convolution",
            {"conv_groups": 2},
            {"hidden": 32},
            "prune.hidden: its convolution has groups",
        ),
        ("modernbert", {}, {"hidden": 24, "layers": 5}, "prune.layers = 5: the teacher has 4"),
    ],
)
def test_impossible_sizes_are_told(
    case: str, changed: dict[str, Any], sizes: dict[str, int], said: str
) -> None:
    name, usual = CASES[case]
    config = tiny.config_of(name, vocab_size=100, pad_token_id=0, **{**usual, **changed})
    assert said in " ".join(registry.pruner(config).faults(config, sizes))
    assert (
        registry.pruner(config).faults(
            config, {"layers": 2, "hidden": 48, "ffn": 64} if "groups" not in said else {"ffn": 64}
        )
        == []
    )
