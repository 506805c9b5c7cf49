"""BERT (Devlin et al., 2018), and MiniLM, which is built like it."""

from __future__ import annotations

from tasks.architectures.record import Architecture, Encoder, Traced

ARCHITECTURE = Architecture(
    model_type="bert",
    name="BERT (MiniLM is one)",
    layout=Encoder(
        layers="encoder.layer",
        attention=("attention.self.query", "attention.self.key", "attention.self.value"),
        narrowing=Traced(ffn="intermediate.dense"),
    ),
    dropouts=("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"),
)
