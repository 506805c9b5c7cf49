"""Tiny decoders of every architecture, with weights by chance."""

from __future__ import annotations

from typing import Any

import torch
import transformers

SIZES = {
    "vocab_size": 320,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}
GROUPED = {**SIZES, "num_key_value_heads": 2}
WIDE = {**SIZES, "hidden_size": 128}
LOCAL = ["sliding_attention", "full_attention", "sliding_attention"]
CONFIGS: dict[str, Any] = {
    "llama": transformers.LlamaConfig(**GROUPED, tie_word_embeddings=True),
    "llama, heads of another width": transformers.LlamaConfig(**SIZES, head_dim=32),
    "mistral": transformers.MistralConfig(**GROUPED, head_dim=16, sliding_window=5),
    "qwen2": transformers.Qwen2Config(**GROUPED),
    "qwen3": transformers.Qwen3Config(**GROUPED, head_dim=16),
    "gemma3": transformers.Gemma3TextConfig(
        **GROUPED, head_dim=32, query_pre_attn_scalar=24, sliding_window=4, layer_types=LOCAL
    ),
    "gpt2": transformers.GPT2Config(vocab_size=320, n_embd=64, n_layer=3, n_head=4, n_positions=64),
    "gpt_neox": transformers.GPTNeoXConfig(**WIDE, rotary_pct=0.5),
    "gpt_neox, one after the other": transformers.GPTNeoXConfig(
        **WIDE, rotary_pct=1.0, use_parallel_residual=False
    ),
}


def made(name: str) -> Any:
    """A model in evaluation mode, the same each time."""
    torch.manual_seed(0)
    config = type(CONFIGS[name]).from_dict(CONFIGS[name].to_dict())
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    for tensor in model.parameters():
        torch.nn.init.normal_(tensor, 0.5 if tensor.ndim == 1 else 0.0, 0.3 if tensor.ndim == 1 else 0.12)
    return model
