"""What goes on inside an encoder, caught while it answers: its hidden states, and one layer's queries, keys
and values.

Architectures name these modules differently; a table tells where they are. A new architecture is a line in
it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from transformers import PreTrainedModel


@dataclass(frozen=True)
class Encoder:
    """Names of modules."""

    layers: str
    """Below the base model: the list of its layers, each of which takes hidden states first and gives them
    first."""
    attention: tuple[str, ...]
    """Below a layer: what gives its queries, keys and values, or the one module that gives all three side by
    side."""


def _three(prefix: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{prefix}.{name}" for name in names)


BERT = Encoder("encoder.layer", _three("attention.self", "query", "key", "value"))
ENCODERS = {
    "bert": BERT,
    "roberta": BERT,
    "xlm-roberta": BERT,
    "electra": BERT,
    "deberta-v2": Encoder("encoder.layer", _three("attention.self", "query_proj", "key_proj", "value_proj")),
    "distilbert": Encoder("transformer.layer", _three("attention", "q_lin", "k_lin", "v_lin")),
    "modernbert": Encoder("layers", ("attn.Wqkv",)),  # before the rotation that tells positions
    "vit": Encoder("layers", _three("attention", "q_proj", "k_proj", "v_proj")),
}
NAMES = "BERT (and MiniLM), RoBERTa, XLM-RoBERTa, ELECTRA, DeBERTa-v2, DistilBERT, ModernBERT and ViT"


@dataclass
class States:
    """Of the last batch that was answered: n rows of l pieces (of a text, or of a picture), vectors of h."""

    hidden: dict[int, torch.Tensor] = field(default_factory=dict)
    """(n, l, h) by depth: 0 goes into the first layer, i comes out of the i-th."""
    projected: list[torch.Tensor] = field(default_factory=list)

    @property
    def attention(self) -> tuple[torch.Tensor, ...]:
        """Queries, keys and values (n, l, h) of the layer that was asked for, all heads side by side."""
        return torch.cat(self.projected, dim=-1).chunk(3, dim=-1)


def faults(model: PreTrainedModel) -> list[str]:
    """Why the states of a model cannot be caught; empty if they can."""
    name = model.config.model_type
    return (
        []
        if name in ENCODERS
        else [f"the architecture {name!r} has no such states; those that have: {NAMES}"]
    )


def depth(model: PreTrainedModel) -> int:
    """How many layers it has."""
    return len(_layers(model))


@contextmanager
def caught(model: PreTrainedModel, layer: int | None) -> Iterator[States]:
    """What a model holds while it answers a batch inside the context.

    Queries, keys and values of one layer, counted from 0, or of none.
    """
    states, layers = States(), _layers(model)

    def comes_in(_: Any, given: tuple[Any, ...]) -> None:
        states.hidden[0] = given[0]

    def comes_out(at: int, _: Any, __: Any, given: Any) -> None:
        states.hidden[at] = given[0] if isinstance(given, tuple) else given

    def is_projected(_: Any, __: Any, given: torch.Tensor) -> None:
        states.projected.append(given)

    hooks = [layers[0].register_forward_pre_hook(comes_in)]
    hooks += [one.register_forward_hook(partial(comes_out, at)) for at, one in enumerate(layers, 1)]
    if layer is not None:
        parts = [layers[layer].get_submodule(name) for name in ENCODERS[model.config.model_type].attention]
        hooks += [part.register_forward_hook(is_projected) for part in parts]
    try:
        yield states
    finally:
        for hook in hooks:
            hook.remove()


def _layers(model: PreTrainedModel) -> list[torch.nn.Module]:
    holder: Any = model.base_model.get_submodule(ENCODERS[model.config.model_type].layers)
    return list(holder)
