"""What is caught inside an encoder is what transformers says of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tasks.architectures import catalog
from tasks.architectures.record import Encoder
from tests import tiny

ENCODERS = [each.model_type for each in catalog.records() if isinstance(each.layout, Encoder)]
OWN_SIZES: dict[str, dict[str, Any]] = {
    "electra": {"embedding_size": 32},
    "distilbert": {"dim": 64, "n_heads": 4, "n_layers": 4, "hidden_dim": 128},
    "modernbert": {"cls_token_id": 2, "sep_token_id": 3},
    "vit": tiny.IMAGE_SIZES["vit"],
}


def model(architecture: str) -> Any:
    """Tiny and random, with a head."""
    import torch
    from transformers import AutoConfig, AutoModelForImageClassification, AutoModelForSequenceClassification

    auto: Any = (
        AutoModelForImageClassification if architecture == "vit" else AutoModelForSequenceClassification
    )
    common = {} if architecture in {"vit", "distilbert"} else tiny.SIZES
    pieces = {"vocab_size": 100, "pad_token_id": 0, "bos_token_id": None, "eos_token_id": None}
    config = AutoConfig.for_model(
        architecture, **common, **OWN_SIZES.get(architecture, {}), **({} if architecture == "vit" else pieces)
    )
    torch.manual_seed(0)
    return auto.from_config(config, attn_implementation="eager").eval()


def batch(architecture: str) -> dict[str, Any]:
    import torch

    if architecture == "vit":
        return {"pixel_values": torch.rand(2, 3, 32, 32)}
    return {
        "input_ids": torch.randint(4, 100, (2, 9)),
        "attention_mask": torch.tensor([[1] * 9, [1] * 6 + [0] * 3]),
    }


@pytest.mark.parametrize("architecture", ENCODERS)
def test_states_are_those_that_transformers_tells(architecture: str) -> None:
    import torch

    from tasks.distill import hidden_states

    encoder, inputs = model(architecture), batch(architecture)
    assert hidden_states.faults(encoder) == []
    with torch.no_grad(), hidden_states.caught(encoder, 1) as caught:
        told = encoder(**inputs, output_hidden_states=True).hidden_states
    assert [*caught.hidden] == list(range(hidden_states.depth(encoder) + 1)) == list(range(len(told)))
    last = len(told) - 1
    for depth, one in enumerate(told):
        # ModernBERT tells its last ones after the final normalization, which a layer in the middle has no
        # counterpart of.
        seen = (
            encoder.base_model.final_norm(caught.hidden[depth])
            if (architecture, depth) == ("modernbert", last)
            else caught.hidden[depth]
        )
        torch.testing.assert_close(seen, one)


@pytest.mark.parametrize("architecture", ENCODERS)
def test_queries_and_keys_are_those_that_attend(architecture: str) -> None:
    """From them and nothing else come the attention weights that transformers tells, unless positions have a
    hand in them.
    """
    import torch

    from tasks.distill import hidden_states

    encoder, inputs = model(architecture), batch(architecture)
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"]) if "input_ids" in inputs else None
    with torch.no_grad(), hidden_states.caught(encoder, 1) as caught:
        told = encoder(
            **{name: value for name, value in inputs.items() if value is not None}, output_attentions=True
        ).attentions[1]
    queries, keys, values = (one.reshape(*one.shape[:2], 4, 16).transpose(1, 2) for one in caught.attention)
    assert queries.shape == keys.shape == values.shape == (2, 4, told.shape[-1], 16)
    assert not any(
        torch.equal(one, other) for one, other in ((queries, keys), (keys, values), (queries, values))
    )
    attention = (queries @ keys.transpose(-1, -2) / 16**0.5).softmax(-1)
    if architecture not in {"modernbert", "deberta-v2"}:
        torch.testing.assert_close(attention, told)


def test_relative_positions_are_not_taken_for_pieces() -> None:
    """DeBERTa-v3 projects them by the modules that give queries and keys."""
    import torch
    from transformers import AutoModelForSequenceClassification

    from tasks.distill import hidden_states

    torch.manual_seed(0)
    config = tiny.config_of("deberta-v2", vocab_size=100, pad_token_id=0)
    encoder: Any = AutoModelForSequenceClassification.from_config(config, attn_implementation="eager").eval()
    assert config.share_att_key
    layer = encoder.base_model.encoder.layer[1].attention.self
    with torch.no_grad(), hidden_states.caught(encoder, 1) as caught:
        encoder(**batch("bert"))
        wanted = [getattr(layer, name)(caught.hidden[1]) for name in ("query_proj", "key_proj", "value_proj")]
    for one, other in zip(caught.attention, wanted, strict=True):
        torch.testing.assert_close(one, other)


def test_nothing_is_caught_any_more_outside() -> None:
    import torch

    from tasks.distill import hidden_states

    encoder = model("bert")
    with torch.no_grad(), hidden_states.caught(encoder, None) as caught:
        encoder(**batch("bert"))
    before = dict(caught.hidden)
    with torch.no_grad():
        encoder(**batch("bert"))
    assert all(caught.hidden[depth] is one for depth, one in before.items())
    assert (len(before), caught.projected) == (5, {})


def test_net_without_such_states_is_told_of(tmp_path: Path) -> None:
    from transformers import AutoModel

    from tasks.distill import hidden_states

    net = AutoModel.from_pretrained(tiny.image_checkpoint_in(tmp_path, "resnet"))
    (fault,) = hidden_states.faults(net)
    assert "'resnet'" in fault
    assert "BERT" in fault
    assert "ViT" in fault
