"""The training loop: one for further pretraining, fine-tuning and distillation.

It can be killed at any moment: run again with the same scratch folder it goes on where it was (resume.py) and
ends with the same bytes as an unbroken run. Several processes may do it together (distributed.py).
"""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from tasks.core.errors import ModelError
from tasks.core.progress import track
from tasks.models.compute import autocast
from tasks.training import batch_norm
from tasks.training.distributed import Forward, Group, Loss
from tasks.training.resume import Keeper, State

STEPS_BETWEEN_SAVES = 100
BATCHES_SORTED_TOGETHER = 32
FEWEST_TO_TELL = 4
LITTLE = 0.01
"""Rise of the headline figure up to which a training has settled."""
FAR = 1_000_003
"""Between the seeds of a run's trainings of one sort, so that runs with neighbouring seeds do not share
theirs."""

Figures = Mapping[str, float]


@dataclass(frozen=True)
class Plan:
    """How to train.

    Learning rate warms up linearly over a share of the steps, then falls linearly to zero.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    warmup: float
    weight_decay: float
    clip: float
    patience: int
    precision: str
    seed: int
    processes: int

    @classmethod
    def of(cls, params: Any) -> Plan:
        """The plan in a stage's params."""
        return cls(**{one.name: getattr(params, one.name) for one in fields(cls)})

    @classmethod
    def once(cls, batch_size: int, learning_rate: float, seed: int) -> Plan:
        """One epoch in one process, with the warm-up, decay and clipping of Devlin et al., BERT (2018)."""
        return cls(1, batch_size, learning_rate, 0.1, 0.01, 1.0, 1, "fp32", seed, 1)


@dataclass(frozen=True)
class Objective:
    """What is to be learnt."""

    sizes: Sequence[int]
    """Of each training row; rows of like size share a batch."""
    forward: Forward
    """Rows -> what the model answers to them (m, c), what it should have answered (m,), and what else the
    loss is taken of: tensors whose first dimension goes row after row."""
    loss: Loss
    """(all that `forward` gave, rows) -> mean loss."""
    evaluate: Callable[[], Figures]
    """-> figures on the validation rows."""
    score: Callable[[Figures], float]
    """Of these figures; the greatest is the best."""


def fit(
    model: PreTrainedModel,
    plan: Plan,
    objective: Objective,
    scratch: Path,
    label: str,
    begin_epoch: Callable[[int], None] = lambda _: None,
    stay: bool = False,
) -> list[dict[str, float]]:
    """Trains `model` in place and leaves the leading process's with the weights of its best epoch. What is in
    `scratch` is gone on with.

    Args:
        begin_epoch: called in training mode with the number of done epochs when one begins or is gone on
            with.
        stay: several processes go on together when it is over, to a further training; else those that do not
            lead end.

    Returns:
        A row per epoch: epoch, step, train_loss, the validation figures, and `kept`, 1 for the epoch whose
            weights remain.
    Raises:
        ModelError: the loss is no longer finite.
        ParamsError: several processes cannot train this model together.
    """
    group = Group.of(plan.processes, model)
    keeper = Keeper(model, optimizer := _optimizer(model, plan), scratch, group.leads)
    state = keeper.resume()
    group.meet()  # what one has still to read, another must not write anew
    while state.epoch < plan.epochs and state.epoch - state.best_epoch < plan.patience:
        model.train()
        begin_epoch(state.epoch)
        batches = _batches(objective.sizes, plan, state.epoch, _fewest(model))
        _train_epoch(model, optimizer, plan, state, batches, objective, keeper, label, group)
        state.end_epoch(figures := dict(objective.evaluate()) if group.leads else {})
        _print_progress(label, plan, state)
        _keep(keeper, state, _finite(group.told(partial(objective.score, figures)), plan, state))
    group.meet() if stay else group.part()
    if group.leads:
        keeper.restore_best(state)
    return [{**row, "kept": int(row["epoch"] == state.best_epoch)} for row in state.history]


def seed_of(seed: int, number: int) -> int:
    """Of a run's training `number` of several, counted from 1; the first has the run's own."""
    return (seed + (number - 1) * FAR) % 2**31


def _train_epoch(
    model: PreTrainedModel,
    optimizer: torch.optim.Optimizer,
    plan: Plan,
    state: State,
    batches: list[list[int]],
    objective: Objective,
    keeper: Keeper,
    label: str,
    group: Group,
) -> None:
    todo, steps = batches[state.batch :], plan.epochs * len(batches)
    shown = track(todo, steps, label, state.step, lambda: f"loss {state.loss / state.batch:.3f}")
    for batch in shown if group.leads else todo:
        group.begin_step(plan.seed, state.step)
        for some in optimizer.param_groups:
            some["lr"] = _learning_rate(plan, state.step, steps)
        with autocast(model.device, plan.precision):
            value = group.loss(objective.forward, objective.loss, batch)
        value.backward()
        group.add_up_gradients(model)
        torch.nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        state.loss += _finite(value.item(), plan, state)
        state.step, state.batch = state.step + 1, state.batch + 1
        if state.step % STEPS_BETWEEN_SAVES == 0:
            keeper.save(state)


def _keep(keeper: Keeper, state: State, quality: float) -> None:
    if quality > state.best:
        state.best, state.best_epoch = quality, state.epoch
        keeper.keep_best(state)
    keeper.save(state)


def _print_progress(label: str, plan: Plan, state: State) -> None:
    shown = {name: value for name, value in state.history[-1].items() if name not in {"epoch", "step"}}
    print(
        f"{label}: epoch {state.epoch}/{plan.epochs}, "
        + ", ".join(f"{name} {value:.4f}" for name, value in shown.items()),
        flush=True,
    )


def _finite(value: float, plan: Plan, state: State) -> float:
    if not math.isfinite(value):
        advice = f"try a lower learning rate than {plan.learning_rate}, or precision fp32"
        raise ModelError(
            f"step {state.step}", f"the training went astray, a loss or score is {value}; {advice}"
        )
    return value


def _learning_rate(plan: Plan, step: int, steps: int) -> float:
    rising = max(1, round(plan.warmup * steps))
    return plan.learning_rate * min((step + 1) / rising, (steps - step) / max(1, steps - rising))


def _optimizer(model: PreTrainedModel, plan: Plan) -> torch.optim.Optimizer:
    """AdamW; biases and normalization weights do not decay."""
    trained = [tensor for tensor in model.parameters() if tensor.requires_grad]
    groups = [
        {"params": [tensor for tensor in trained if tensor.ndim > 1], "weight_decay": plan.weight_decay},
        {"params": [tensor for tensor in trained if tensor.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=plan.learning_rate, fused=True)


def _fewest(model: PreTrainedModel) -> int:
    """Batch normalization has no use for a row alone."""
    return 2 if batch_norm.layers_of(model) else 1


def _batches(sizes: Sequence[int], plan: Plan, epoch: int, fewest: int) -> list[list[int]]:
    """The rows in random order, like sizes together; the last batch is filled up to `fewest` rows.

    The same for the same seed and epoch.
    """
    shuffled = list(range(len(sizes)))
    chance = random.Random(plan.seed * 10_007 + epoch)
    chance.shuffle(shuffled)
    span = plan.batch_size * BATCHES_SORTED_TOGETHER
    order = [
        row
        for at in range(0, len(shuffled), span)
        for row in sorted(shuffled[at : at + span], key=lambda row: sizes[row])
    ]
    batches = [order[at : at + plan.batch_size] for at in range(0, len(order), plan.batch_size)]
    batches[-1] += order[: max(0, fewest - len(batches[-1]))]
    chance.shuffle(batches)
    return batches


def write_history(history: Sequence[Mapping[str, float]], headline: str, file: Path) -> None:
    """The learning curve as a table, one row per epoch.

    `quality` is the headline figure, so that every kind's curve has one name.
    """
    file.parent.mkdir(parents=True)
    rows = [{"quality": row[headline], **row} for row in history]
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows({name: round(value, 6) for name, value in row.items()} for row in rows)


def still_rising(history: Sequence[Mapping[str, float]], headline: str) -> float:
    """By how much the headline figure rose in the last quarter of the epochs, where that is more than little.

    0 where the training had settled, or has too few epochs to tell.
    """
    quality = [row[headline] for row in history]
    if len(quality) < FEWEST_TO_TELL:
        return 0.0
    before = max(quality[: -max(1, len(quality) // 4)])
    rise = max(quality) - before
    return rise if rise > LITTLE else 0.0


def print_if_rising(history: Sequence[Mapping[str, float]], headline: str, label: str) -> None:
    """Tells the user of a training that had not settled."""
    if rise := still_rising(history, headline):
        print(
            f"{label}: look at this: {headline} still rose by {100 * rise:.1f} points in the last quarter of "
            f"the {len(history)} epochs; more of them would be better",
            flush=True,
        )


def kept_epoch(history: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The figures of the epoch whose weights were kept."""
    row = next(row for row in history if row["kept"])
    return {name: round(value, 6) for name, value in row.items() if name not in {"step", "kept"}}
