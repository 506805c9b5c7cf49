"""Low-rank changes in place of the weights of a model's layers.

Hu et al., LoRA: Low-Rank Adaptation of Large Language Models (2021).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from tasks.architectures import catalog
from tasks.core.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel


def faults(model: PreTrainedModel) -> list[str]:
    """Why the architecture does not bear such changes."""
    record = catalog.of(model.config)
    if record.takes_lora:
        return []
    why = "cannot be trained with LoRA, its layers ask each other for what LoRA hides"
    return [f"finetune.lora: {record.model_type} {why}; write lora: null"]


def into(model: PreTrainedModel, rank: int, alpha: float) -> Callable[[], None]:
    """Puts changes of this rank into every linear layer and ordinary convolution of the encoder; these and
    the head are then trained.

    Returns:
        A function that adds the changes to the weights, so that the model is what it was, only better.

    Raises:
        ModelError: the architecture does not bear it.
    """
    from peft import LoraConfig, get_peft_model

    if unable := faults(model):
        raise ModelError("params.yaml", *unable)
    head = _head(model)
    inside = {*model.base_model.modules()} - {model.get_submodule(name) for name in head}
    names = [name for name, module in model.named_modules() if module in inside and _can_be_changed(module)]
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", FutureWarning
        )  # peft asks transformers for an attribute by its old name
        wrapped = get_peft_model(model, LoraConfig(r=rank, lora_alpha=alpha, target_modules=names))  # type: ignore[arg-type]
    for name in head:
        model.get_submodule(name).requires_grad_(True)

    def merge() -> None:
        wrapped.merge_and_unload()

    return merge


def _head(model: PreTrainedModel) -> list[str]:
    """The names of what stands beside the encoder; of models that are no more than their own base what tells
    pieces.
    """
    if model.base_model is model:
        answers = model.get_output_embeddings()
        return [name for name, module in model.named_children() if module is answers]
    return [name for name, _ in model.named_children() if name != model.base_model_prefix]


def _can_be_changed(module: torch.nn.Module) -> bool:
    """Depthwise convolutions have one weight matrix per channel: a low rank saves nothing there."""
    return isinstance(module, torch.nn.Linear) or (isinstance(module, torch.nn.Conv2d) and module.groups == 1)
