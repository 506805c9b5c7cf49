"""Several trainings of one model, alike but for the order of their rows, whose mean weights it keeps: as small and fast as one of them.

Wortsman et al., Model soups: averaging weights of multiple fine-tuned models improves accuracy without increasing inference time (2022).
The trainings begin at the same weights, so what they learn lies in one valley and its middle is no worse.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from transformers import PreTrainedModel

from tasks.shared import training
from tasks.shared.errors import ParamsError

FAR = 1_000_003
"""Between the seeds of a run's trainings, so that runs with neighbouring seeds do not share theirs."""


def check(model: PreTrainedModel, count: int) -> None:
    """Raises:
    ParamsError: several trainings of a model with batch normalization, whose running means belong to the weights they were taken with.
    """
    from torch.nn.modules.batchnorm import _BatchNorm

    if count > 1 and any(isinstance(module, _BatchNorm) for module in model.modules()):
        raise ParamsError("params.yaml", f"distill.soup = {count}: weights with batch normalization cannot be averaged; set it to 1")


def fit(
    model: PreTrainedModel, plan: training.Plan, lesson: training.Lesson, scratch: Path, label: str, count: int
) -> list[list[dict[str, float]]]:
    """Trains `model` `count` times, as `training.fit` does once, and leaves it with the mean of the weights that each would have left.

    Returns:
        The epochs of each training.
    Raises:
        ModelError: a loss is no longer finite.
    """
    if count == 1:
        return [training.fit(model, plan, lesson, scratch, label)]
    begun, histories = _copied(model), []
    total = {name: torch.zeros_like(tensor) for name, tensor in begun.items()}
    for number in range(count):
        model.load_state_dict(begun)
        seeded = replace(plan, seed=(plan.seed + number * FAR) % 2**31)
        told, last = f"{label} {number + 1} of {count}", number == count - 1
        histories.append(training.fit(model, seeded, lesson, scratch / f"training-{number + 1}", told, stay=not last))
        total = {name: total[name] + tensor.detach() for name, tensor in model.state_dict().items()}
    model.load_state_dict({name: tensor / count if tensor.is_floating_point() else begun[name] for name, tensor in total.items()})
    return histories


def _copied(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
