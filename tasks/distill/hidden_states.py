"""What goes on inside an encoder, caught while it answers: its hidden states, and one layer's queries, keys
and values.

Architectures name these modules differently; their records (tasks/architectures) tell where they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from transformers import PreTrainedModel

from tasks.architectures import catalog
from tasks.architectures.record import Encoder
from tasks.core.errors import ModelError


@dataclass
class States:
    """Of the last batch that was answered: n rows of l pieces (of a text, or of a picture), vectors of h."""

    hidden: dict[int, torch.Tensor] = field(default_factory=dict)
    """(n, l, h) by depth: 0 goes into the first layer, i comes out of the i-th."""
    projected: dict[str, torch.Tensor] = field(default_factory=dict)
    """By the path of the module that gives it, in their order."""

    @property
    def pieces(self) -> tuple[int, int]:
        """(n, l) of what was caught."""
        first = next(iter([*self.hidden.values(), *self.projected.values()]))
        return first.shape[0], first.shape[1]

    @property
    def attention(self) -> tuple[torch.Tensor, ...]:
        """Queries, keys and values (n, l, h) of the layer that was asked for, all heads side by side."""
        # e.g. three of (16, 32, 384), or one of (16, 32, 1152) -> three of (16, 32, 384)
        return torch.cat([*self.projected.values()], dim=-1).chunk(3, dim=-1)


def check_pieces(students: int, teachers: int) -> None:
    """Raises ModelError unless both divide an input into as many pieces."""
    if students != teachers:
        raise ModelError(
            "distill", f"the student divides an input into {students} pieces, the teacher into {teachers}"
        )


def faults(model: PreTrainedModel) -> list[str]:
    """Why the states of a model cannot be caught; empty if they can."""
    record = catalog.of(model.config)
    if isinstance(record.layout, Encoder):
        return []
    known = catalog.sentence(each for each in catalog.records() if isinstance(each.layout, Encoder))
    return [f"the architecture {record.model_type!r} has no such states; those that have: {known}"]


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
        states.projected.clear()

    def comes_out(at: int, _: Any, __: Any, given: Any) -> None:
        states.hidden[at] = given[0] if isinstance(given, tuple) else given

    def is_projected(path: str, _: Any, __: Any, given: torch.Tensor) -> None:
        # DeBERTa with shared keys projects its relative positions by the same modules, after the pieces.
        states.projected.setdefault(path, given)

    hooks = [layers[0].register_forward_pre_hook(comes_in)]
    hooks += [one.register_forward_hook(partial(comes_out, at)) for at, one in enumerate(layers, 1)]
    if layer is not None:
        parts = {path: layers[layer].get_submodule(path) for path in _encoder(model).attention}
        hooks += [part.register_forward_hook(partial(is_projected, path)) for path, part in parts.items()]
    try:
        yield states
    finally:
        for hook in hooks:
            hook.remove()


def _layers(model: PreTrainedModel) -> list[torch.nn.Module]:
    holder: Any = model.base_model.get_submodule(_encoder(model).layers)
    return list(holder)


def _encoder(model: PreTrainedModel) -> Encoder:
    layout = catalog.of(model.config).layout
    if not isinstance(layout, Encoder):
        raise ModelError("distill", *faults(model))
    return layout
