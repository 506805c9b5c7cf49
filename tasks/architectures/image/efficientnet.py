"""EfficientNet (Tan and Le, 2019) of transformers."""

from __future__ import annotations

from tasks.architectures.record import Architecture

ARCHITECTURE = Architecture(
    model_type="efficientnet",
    name="EfficientNet",
    not_pruned="says all its widths by one multiplier and a rule of rounding",
    dropouts=("dropout_rate",),
)
