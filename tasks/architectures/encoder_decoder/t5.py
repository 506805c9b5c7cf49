"""T5 (Raffel et al., 2020), and what is built as it is: T5 v1.1, which gates, and Flan-T5."""

from __future__ import annotations

from typing import Any

from tasks.architectures.record import Architecture, EncoderDecoder, Half


def ffn(config: Any) -> tuple[str, ...]:
    """What is in a feed-forward part."""
    return ("wi_0", "wi_1", "wo") if config.is_gated_act else ("wi", "wo")


def answer_factor(config: Any) -> float:
    """The first T5 has weights for narrower states than its decoder gives."""
    return float(config.d_model**-0.5) if getattr(config, "scale_decoder_outputs", False) else 1.0


SELF = ("layer.0.SelfAttention", "layer.0.layer_norm")
LAYOUT = EncoderDecoder(
    encoder=Half(
        layers="encoder.block",
        attention=(SELF,),
        ffn="layer.1.DenseReluDense",
        ffn_norm="layer.1.layer_norm",
        depth="num_layers",
        heads="num_heads",
        ffn_size="d_ff",
    ),
    decoder=Half(
        layers="decoder.block",
        attention=(SELF, ("layer.1.EncDecAttention", "layer.1.layer_norm")),
        ffn="layer.2.DenseReluDense",
        ffn_norm="layer.2.layer_norm",
        depth="num_decoder_layers",
        heads="num_heads",
        ffn_size="d_ff",
    ),
    projections=("q", "k", "v", "o"),
    ffn=ffn,
    activation="dense_act_fn",
    normed_first=True,
    centred=False,
    last_norm="final_layer_norm",
    relative="relative_attention_bias",
    answer_factor=answer_factor,
)
ARCHITECTURE = Architecture(
    model_type="t5", name="T5 (and Flan-T5)", layout=LAYOUT, dropouts=("dropout_rate",)
)
