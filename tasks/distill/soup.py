"""Several trainings of one model, alike but for the order of their rows, whose mean weights it keeps: as
small and fast as one of them.

Wortsman et al., Model soups: averaging weights of multiple fine-tuned models improves accuracy without
increasing inference time (2022). The trainings begin at the same weights; from different ones their mean
would be no model at all. Whether it is better than each is measured: the stage's metrics tell both.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from transformers import PreTrainedModel

from tasks.core.errors import ParamsError
from tasks.training import batch_norm, loop


def faults(model: PreTrainedModel, count: int) -> list[str]:
    """Why the weights of several trainings cannot be averaged."""
    if count == 1 or not batch_norm.layers_of(model):
        return []
    return [f"distill.soup = {count}: weights with batch normalization cannot be averaged; set it to 1"]


def check(model: PreTrainedModel, count: int) -> None:
    """Refuses a soup of models whose weights cannot be averaged.

    Raises:
        ParamsError: several trainings of a model with batch normalization, whose running means belong to the
            weights they were taken with.
    """
    if unable := faults(model, count):
        raise ParamsError("params.yaml", *unable)


def fit(
    model: PreTrainedModel, plan: loop.Plan, objective: loop.Objective, scratch: Path, label: str, count: int
) -> list[list[dict[str, float]]]:
    """Trains `model` `count` times, as `training.fit` does once, and leaves it with the mean of the weights
    that each would have left.

    Returns:
        The epochs of each training.
    Raises:
        ModelError: a loss is no longer finite.
        ParamsError: several processes cannot train this model together.
    """
    if count == 1:
        return [loop.fit(model, plan, objective, scratch, label)]
    begun, histories = _copied(model), []
    total = {name: torch.zeros_like(tensor) for name, tensor in begun.items()}
    for number in range(1, count + 1):
        model.load_state_dict(begun)
        seeded, told = replace(plan, seed=loop.seed_of(plan.seed, number)), f"{label} {number} of {count}"
        histories.append(
            loop.fit(model, seeded, objective, scratch / f"training-{number}", told, stay=number < count)
        )
        total = {name: total[name] + tensor.detach() for name, tensor in model.state_dict().items()}
    model.load_state_dict(
        {
            name: tensor / count if tensor.is_floating_point() else begun[name]
            for name, tensor in total.items()
        }
    )
    return histories


def _copied(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
