"""What all architectures have in common when layers, channels and heads are cut out of them.

Torch-pruning finds what belongs together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch_pruning as tp
from transformers import PreTrainedModel

IMPORTANCE = {
    "taylor": tp.importance.GroupTaylorImportance,
    "magnitude": tp.importance.GroupMagnitudeImportance,
    "activation": tp.importance.ActivationImportance,  # reads what activations.py leaves
}
Sizes = Mapping[str, Any]
"""A shape by the names that params use; a size that is not said stays what it is."""
Blocks = torch.nn.ModuleList | torch.nn.Sequential
"""The layers of an encoder, or of a stage."""
Choose = Callable[[Sequence[Blocks], Sequence[int], bool], list[list[int]]]
"""(stages, how many blocks to keep of each, whether the first of each must stay) -> which to keep, ascending.
"""
FINEST = 8
"""Widths are multiples of it."""


@dataclass(frozen=True)
class Pruner:
    """How the models of one architecture are cut."""

    sizes: Callable[[Any], dict[str, Any]]
    """Config -> the whole shape: a number or, for stages, a list of numbers for each name."""
    faults: Callable[[Any, Sizes], list[str]]
    """(config, sizes wanted) -> why they cannot be had, a sentence for each fault."""
    grain: Callable[[Any, str], int]
    """(config, name of a size) -> what it must be a multiple of."""
    keep_layers: Callable[[PreTrainedModel, Sizes, Choose], list[Any]]
    """(model, sizes, choose) -> which layers were kept; the others are gone from the model, and from its
    config."""
    narrow: Callable[[PreTrainedModel, Sizes, str], PreTrainedModel]
    """(model, sizes, importance) -> a plain model of these sizes made of the most important channels of the
    model, which is used up."""


def keep_layers(
    path: str,
    per_layer: Sequence[str],
    model: PreTrainedModel,
    wanted: Sizes,
    choose: Choose,
    first_stays: bool = False,
) -> list[int]:
    """Which of the layers below the base model, in the list at this path, were kept; see `Pruner`."""
    parent, _, name = path.rpartition(".")  # e.g. "encoder.layer" -> "encoder", "layer"
    layers: Any = model.base_model.get_submodule(path)
    (chosen,) = choose([layers], [wanted.get("layers", len(layers))], first_stays)
    setattr(model.base_model.get_submodule(parent), name, torch.nn.ModuleList(layers[at] for at in chosen))
    for each in per_layer:
        values = getattr(model.config, each)
        setattr(model.config, each, [values[at] for at in chosen])
    model.config.num_hidden_layers = len(chosen)
    return chosen


def unknown(found: Any, wanted: Sizes) -> list[str]:
    return [
        f"prune.{name}: the teacher has no such size; it has {', '.join(found)}"
        for name in wanted
        if name not in found
    ]


def too_great(name: str, wanted: int, limit: int) -> list[str]:
    return [f"{name} = {wanted}: the teacher has {limit}; keep at most so many"] if wanted > limit else []


def plain(
    model: PreTrainedModel, config: Any, weights: Mapping[str, torch.Tensor] | None = None
) -> PreTrainedModel:
    """A new model of the config with the weights of `model`, or with these.

    Raises:
        RuntimeError: names and shapes are not exactly those of the config.
    """
    with torch.random.fork_rng():
        copy: PreTrainedModel = type(model)(config)
    if _answers_apart(model) and not _answers_apart(copy):
        # T5 ties them whatever its config says, unless it finds two in a checkpoint.
        head: Any = copy.get_output_embeddings()
        head.weight = torch.nn.Parameter(head.weight.detach().clone())
    # Strict: a single wrong shape or name must end here, not as re-initialised weights after a reload.
    copy.load_state_dict(model.state_dict() if weights is None else weights, strict=True)
    return copy.to(model.device).eval()


def _answers_apart(model: PreTrainedModel) -> bool:
    """Whether what tells pieces is another matrix than the table that they are looked up in."""
    head: Any = model.get_output_embeddings()
    return head is not None and head.weight is not model.get_input_embeddings().weight


def cut(
    model: PreTrainedModel,
    inputs: dict[str, torch.Tensor],
    widths: Iterable[tuple[torch.nn.Module, int]],
    importance: str,
) -> None:
    """Leaves each of the modules exactly so many outputs, the most important.

    What is tied to a channel by a sum or a norm goes with it.
    """
    graph = tp.DependencyGraph().build_dependency(
        model, inputs, output_transform=lambda output: output.logits, verbose=False
    )
    for module, width in widths:
        prune = graph.get_pruner_of_module(module).prune_out_channels
        have = graph.get_out_channels(module)
        if width < have:
            scores = IMPORTANCE[importance]()(graph.get_pruning_group(module, prune, list(range(have))))
            least = torch.argsort(scores, stable=True)[: have - width]
            graph.get_pruning_group(module, prune, sorted(least.tolist())).prune()
