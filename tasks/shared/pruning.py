"""Which architectures can be cut, and what decides which of their channels and heads go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedModel

from tasks.kinds.base import Features, Kind, Processor
from tasks.shared import inference, pruning_cnns, pruning_encoders
from tasks.shared.cutting import Architecture
from tasks.shared.errors import ModelError
from tasks.shared.progress import track

ARCHITECTURES = {**pruning_encoders.ARCHITECTURES, **pruning_cnns.ARCHITECTURES}
NAMES = "BERT, RoBERTa, XLM-RoBERTa, ViT, ConvNeXt, ResNet and EfficientNet-Lite"
UNSAYABLE = {
    "mobilenet_v2": "says all its widths by one multiplier",
    "efficientnet": "says all its widths by one multiplier and a rule of rounding",
}


def architecture(config: Any) -> Architecture:
    """How models of this config are cut.

    Raises:
        ModelError: they cannot be.
    """
    name = config.model_type
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    why = f" {UNSAYABLE[name]}, so no plain config could say what is left;" if name in UNSAYABLE else ""
    able = "it can be fine-tuned, distilled and quantized, but not pruned"
    raise ModelError("params.yaml", f"prune: the teacher is of the architecture {name!r}:{why} {able}; what can be: {NAMES}")


def measure(model: PreTrainedModel, kind: Kind, processor: Processor, batches: Sequence[Sequence[Features]], options: Any) -> None:
    """Leaves in the model the gradient of the loss, summed over the batches."""
    model.eval()
    model.zero_grad()
    for batch in track(batches, label="importance"):
        answer, truth = inference.forward(model, kind, processor, batch)
        kind.loss(answer, truth, 0.0, options).backward()
