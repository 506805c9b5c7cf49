"""MobileNetV2 (Sandler et al., 2018)."""

from __future__ import annotations

from tasks.architectures.record import Architecture

ARCHITECTURE = Architecture(
    model_type="mobilenet_v2",
    name="MobileNetV2",
    not_pruned="says all its widths by one multiplier",
    dropouts=("classifier_dropout_prob",),
    takes_lora=False,  # its layers ask each other for what LoRA hides
)
