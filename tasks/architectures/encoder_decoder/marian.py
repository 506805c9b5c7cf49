"""Marian (Junczys-Dowmunt et al., 2018), such as OPUS-MT: BART with positions that are sines."""

from __future__ import annotations

from dataclasses import replace

from tasks.architectures.encoder_decoder import bart
from tasks.architectures.record import Architecture

ARCHITECTURE = Architecture(
    model_type="marian",
    name="Marian (OPUS-MT)",
    layout=replace(bart.LAYOUT, first_norm="", positions_from=0),
    dropouts=bart.ARCHITECTURE.dropouts,
)
