"""Cutting layers, hidden width with heads, and feed-forward channels out of an encoder with torch-pruning.

Covers encoders built like BERT: `encoder.layer[i]` with `attention.self.query|key|value` and `intermediate.dense`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
import torch_pruning as tp
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from tasks.kinds.base import Features, Kind
from tasks.shared import inference
from tasks.shared.progress import track

IMPORTANCE = {"taylor": tp.importance.GroupTaylorImportance, "magnitude": tp.importance.GroupMagnitudeImportance}
# torch-pruning keeps int(width * (1 - ratio)) channels: a little more than the target survives its rounding.
ROUNDING = 0.01


def keep_layers(model: PreTrainedModel, count: int) -> list[int]:
    """Keeps `count` layers in place, evenly spread; returns which."""
    layers = model.base_model.encoder.layer
    chosen = [round(at) for at in torch.linspace(0, len(layers) - 1, count).tolist()] if count > 1 else [0]
    model.base_model.encoder.layer = torch.nn.ModuleList(layers[at] for at in chosen)
    model.config.num_hidden_layers = count
    return chosen


def measure(
    model: PreTrainedModel, kind: Kind, tokenizer: PreTrainedTokenizerBase, batches: Sequence[Sequence[Features]], options: Any
) -> None:
    """Leaves in the model the gradient of the loss, summed over the batches."""
    model.eval()
    model.zero_grad()
    for batch in track(batches, label="importance"):
        answer, truth = inference.forward(model, kind, tokenizer, batch)
        kind.loss(answer, truth, 0.0, options).backward()


def narrow(model: PreTrainedModel, hidden: int, ffn: int, importance: str) -> PreTrainedModel:
    """A plain model of these sizes made of the most important channels and heads of `model`, which is used up."""
    config: Any = copy.deepcopy(model.config)
    width = config.hidden_size // config.num_attention_heads
    if (hidden, ffn) != (config.hidden_size, config.intermediate_size):
        _prune(model, hidden, ffn, importance)
    config.hidden_size, config.num_attention_heads, config.intermediate_size = hidden, hidden // width, ffn
    with torch.random.fork_rng():
        plain: PreTrainedModel = type(model)(config)
    # Strict: a single wrong shape or name must end here, not as re-initialised weights after a reload.
    plain.load_state_dict(model.state_dict(), strict=True)
    return plain.to(model.device).eval()


def _prune(model: PreTrainedModel, hidden: int, ffn: int, importance: str) -> None:
    config: Any = model.config
    layers = model.base_model.encoder.layer
    heads = {}
    for layer in layers:
        attention = layer.attention.self
        heads.update(dict.fromkeys((attention.query, attention.key, attention.value), config.num_attention_heads))
    ids = torch.arange(8, device=model.device).repeat(2, 1)
    pruner = tp.pruner.BasePruner(
        model,
        {"input_ids": ids, "attention_mask": torch.ones_like(ids)},
        importance=IMPORTANCE[importance](),
        pruning_ratio=_ratio(hidden, config.hidden_size),
        pruning_ratio_dict={layer.intermediate.dense: _ratio(ffn, config.intermediate_size) for layer in layers},
        num_heads=heads,
        prune_num_heads=True,
        prune_head_dims=False,
        head_pruning_ratio=_ratio(hidden, config.hidden_size),
        output_transform=lambda output: output.logits,
        ignored_layers=[_head(model)],
        root_module_types=[torch.nn.Linear, torch.nn.LayerNorm, torch.nn.Embedding],
    )
    pruner.step()


def _ratio(kept: int, of: int) -> float:
    return max(0.0, 1 - (kept + ROUNDING) / of)


def _head(model: PreTrainedModel) -> torch.nn.Module:
    """The last linear layer behind the encoder, whose outputs are the labels."""
    encoder = set(model.base_model.modules())
    return [module for module in model.modules() if isinstance(module, torch.nn.Linear) and module not in encoder][-1]
