"""Checkpoints on disk: plain transformers folders, safetensors only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, PreTrainedModel

from tasks.kinds.base import Kind, Processor

ONLY_LOCAL = {"local_files_only": True, "trust_remote_code": False}
DROPOUTS = (
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "classifier_dropout",
    "classifier_dropout_prob",
    "cls_dropout",
    "seq_classif_dropout",
    "dropout",
    "attention_dropout",
    "embedding_dropout",
    "mlp_dropout",
    "dropout_rate",
    "drop_path_rate",
)
SAFELY = {**ONLY_LOCAL, "dtype": torch.float32, "use_safetensors": True}


def load_model(folder: Path, kind: Kind, device: torch.device, **config: Any) -> PreTrainedModel:
    """A model with its head, float32, in evaluation mode. `config` overrides values of the checkpoint's config."""
    return load(kind.auto_model(), folder, device, **config)


def load(auto_class: Any, folder: Path, device: torch.device, **config: Any) -> PreTrainedModel:
    model: PreTrainedModel = auto_class.from_pretrained(folder, **SAFELY, **config)
    return channels_last(model).to(device).eval()


def channels_last(model: PreTrainedModel) -> PreTrainedModel:
    """Convolutions want the colours of a pixel side by side: that is twice as fast on processors. Other weights stay as they lie."""
    for module in model.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


def save(model: PreTrainedModel, processor: Processor, folder: Path) -> None:
    """The same bytes for the same weights."""
    model.config.name_or_path = ""
    model.to(memory_format=torch.contiguous_format)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


def parameters(model: PreTrainedModel) -> int:
    return sum(tensor.numel() for tensor in model.parameters())


def label_names(folder: Path) -> list[str]:
    """The labels as ingest wrote them."""
    names: list[str] = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    return names


def label_config(names: Sequence[str]) -> dict[str, Any]:
    return {"num_labels": len(names), "id2label": dict(enumerate(names)), "label2id": {name: at for at, name in enumerate(names)}}


def dropout_config(folder: Path, rate: float) -> dict[str, Any]:
    """`rate` for every dropout that the checkpoint's architecture has by one of these names."""
    config = AutoConfig.from_pretrained(folder, **ONLY_LOCAL)
    return {name: rate for name in DROPOUTS if hasattr(config, name)}
