"""ELECTRA (Clark et al., 2020), its discriminator: BERT with embeddings that may be narrower."""

from __future__ import annotations

from dataclasses import replace

from tasks.architectures.embeddings import no_projection, projected
from tasks.architectures.record import Encoder, Traced
from tasks.architectures.text import bert

ARCHITECTURE = replace(
    bert.ARCHITECTURE,
    model_type="electra",
    name="ELECTRA",
    layout=Encoder(
        layers="encoder.layer",
        attention=("attention.self.query", "attention.self.key", "attention.self.value"),
        narrowing=Traced(ffn="intermediate.dense", other_widths=projected),
        also_hidden=("embedding_size",),
        unsayable=no_projection,
    ),
)
