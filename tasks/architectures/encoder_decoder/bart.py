"""BART (Lewis et al., 2020): learnt positions, the first of which stands in the third row of their table."""

from __future__ import annotations

from typing import Any

from tasks.architectures.record import Architecture, EncoderDecoder, Half


def ffn(config: Any) -> tuple[str, ...]:
    """What is in a feed-forward part: it is the layer itself."""
    return ("fc1", "fc2")


SELF = ("self_attn", "self_attn_layer_norm")
LAYOUT = EncoderDecoder(
    encoder=Half(
        layers="encoder.layers",
        attention=(SELF,),
        ffn="",
        ffn_norm="final_layer_norm",
        depth="encoder_layers",
        heads="encoder_attention_heads",
        ffn_size="encoder_ffn_dim",
    ),
    decoder=Half(
        layers="decoder.layers",
        attention=(SELF, ("encoder_attn", "encoder_attn_layer_norm")),
        ffn="",
        ffn_norm="final_layer_norm",
        depth="decoder_layers",
        heads="decoder_attention_heads",
        ffn_size="decoder_ffn_dim",
    ),
    projections=("q_proj", "k_proj", "v_proj", "out_proj"),
    ffn=ffn,
    activation="activation_function",
    first_norm="layernorm_embedding",
    positions="embed_positions",
    positions_from=2,
)
ARCHITECTURE = Architecture(
    model_type="bart",
    name="BART",
    layout=LAYOUT,
    dropouts=("dropout", "attention_dropout", "activation_dropout"),
)
