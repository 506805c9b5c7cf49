"""mT5 (Xue et al., 2021): T5 v1.1 of many languages."""

from __future__ import annotations

from dataclasses import replace

from tasks.architectures.encoder_decoder import t5

ARCHITECTURE = replace(t5.ARCHITECTURE, model_type="mt5", name="mT5")
