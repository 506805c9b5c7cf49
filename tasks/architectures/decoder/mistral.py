"""Mistral (Jiang et al., 2023): Llama, whose attention may end at a window."""

from __future__ import annotations

from tasks.architectures.decoder.llama import LAYOUT as LLAMA
from tasks.architectures.record import Architecture

ARCHITECTURE = Architecture(
    model_type="mistral",
    name="Mistral",
    layout=LLAMA,
    dropouts=("attention_dropout",),
)
