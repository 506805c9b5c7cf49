"""Layers that are held keep their weights, and what cannot be held is told."""

from __future__ import annotations

import torch

from tasks.finetune import held
from tests import tiny


def test_the_first_layers_are_found() -> None:
    from transformers import AutoModelForSequenceClassification

    config = tiny.config_of("bert", vocab_size=100, pad_token_id=0)
    model = AutoModelForSequenceClassification.from_config(config)
    assert held.first_layers(model, 2) == list(model.bert.encoder.layer[:2])
    assert held.first_layers(model, None) == held.faults(model, None) == []
    assert held.faults(model, 2) == []
    assert held.faults(model, 4) == ["finetune.frozen_layers = 4: at most 3 of 4 can be held"]


def test_models_that_are_not_known_layer_by_layer_are_refused() -> None:
    model = torch.nn.Linear(2, 2)
    model.config = type("Config", (), {"model_type": "other"})()
    (fault,) = held.faults(model, 1)
    assert "other is not known layer by layer" in fault
