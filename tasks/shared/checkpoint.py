"""Checkpoints on disk: plain transformers folders, safetensors only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from tasks.kinds.base import Kind

ONLY_LOCAL = {"local_files_only": True, "trust_remote_code": False}
SAFELY = {**ONLY_LOCAL, "dtype": torch.float32, "use_safetensors": True}


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(folder, **ONLY_LOCAL)
    return tokenizer


def load_model(folder: Path, kind: Kind, device: torch.device, **config: Any) -> PreTrainedModel:
    """A model with its head, float32, in evaluation mode. `config` overrides values of the checkpoint's config."""
    return load(kind.auto_model(), folder, device, **config)


def load(auto_class: Any, folder: Path, device: torch.device, **config: Any) -> PreTrainedModel:
    model: PreTrainedModel = auto_class.from_pretrained(folder, **SAFELY, **config)
    return model.to(device).eval()


def save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """The same bytes for the same weights."""
    model.config.name_or_path = ""
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def parameters(model: PreTrainedModel) -> int:
    return sum(tensor.numel() for tensor in model.parameters())


def label_names(folder: Path) -> list[str]:
    """The labels as ingest wrote them."""
    names: list[str] = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    return names


def label_config(names: Sequence[str]) -> dict[str, Any]:
    return {"num_labels": len(names), "id2label": dict(enumerate(names)), "label2id": {name: at for at, name in enumerate(names)}}


def dropout_config(rate: float) -> dict[str, Any]:
    return {"hidden_dropout_prob": rate, "attention_probs_dropout_prob": rate, "classifier_dropout": rate}
