"""Layers that normalize over the batch.

Whatever cuts a batch in parts, freezes a model or averages models must know of them.
"""

from __future__ import annotations

import torch
from torch.nn.modules.batchnorm import _BatchNorm


def layers_of(model: torch.nn.Module) -> list[_BatchNorm]:
    return [module for module in model.modules() if isinstance(module, _BatchNorm)]
