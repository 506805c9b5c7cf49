"""The training loop: one for further pretraining, fine-tuning and distillation.

It can be killed at any moment: run again with the same scratch folder it goes on where it was and ends with the same bytes as an
unbroken run. What it keeps there is safetensors: weights, optimizer moments, the state of the random generator, and where it was.
"""

from __future__ import annotations

import csv
import json
import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import PreTrainedModel

from tasks.shared.compute import autocast
from tasks.shared.errors import ModelError
from tasks.shared.progress import track

STEPS_BETWEEN_SAVES = 100
BATCHES_SORTED_TOGETHER = 32

Loss = Callable[[list[int]], torch.Tensor]
Figures = Mapping[str, float]


@dataclass(frozen=True)
class Plan:
    """How to train. Learning rate warms up linearly over a share of the steps, then falls linearly to zero."""

    epochs: int
    batch_size: int
    learning_rate: float
    warmup: float
    weight_decay: float
    clip: float
    patience: int
    precision: str
    seed: int

    @classmethod
    def of(cls, params: Any) -> Plan:
        """The plan in a stage's params."""
        return cls(**{one.name: getattr(params, one.name) for one in fields(cls)})


@dataclass
class State:
    """Where the loop is: `batch` batches of `epoch` are done, `step` steps in all."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    loss: float = 0.0
    best_epoch: int = 0
    best: float = -math.inf
    history: list[dict[str, float]] = field(default_factory=list)


def fit(
    model: PreTrainedModel,
    plan: Plan,
    sizes: Sequence[int],
    loss: Loss,
    evaluate: Callable[[], Figures],
    score: Callable[[Figures], float],
    scratch: Path,
    label: str,
) -> list[dict[str, float]]:
    """Trains `model` in place and leaves it with the weights of its best epoch.

    Args:
        sizes: of each training row; rows of like size share a batch.
        loss: mean loss of the rows with these indices.
        evaluate: figures on the validation rows.
        score: of these figures; the epoch with the greatest is the best.
        scratch: where to go on from after a kill.

    Returns:
        One row per epoch: epoch, step, train_loss, the validation figures, and `kept`, 1 for the epoch whose weights the model has now.

    Raises:
        ModelError: the loss is no longer finite.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    optimizer = _optimizer(model, plan)
    state = _resume(model, optimizer, scratch)
    per_epoch = math.ceil(len(sizes) / plan.batch_size)
    while state.epoch < plan.epochs and state.epoch - state.best_epoch < plan.patience:
        _train_epoch(model, optimizer, plan, state, _batches(sizes, plan, state.epoch), loss, per_epoch, scratch, label)
        figures = {name: float(value) for name, value in evaluate().items()}
        state.epoch, state.batch = state.epoch + 1, 0
        state.history.append({"epoch": state.epoch, "step": state.step, "train_loss": state.loss / per_epoch, **figures})
        state.loss = 0.0
        print(
            f"{label}: epoch {state.epoch}/{plan.epochs}, "
            + ", ".join(f"{k} {v:.4f}" for k, v in state.history[-1].items() if k not in {"epoch", "step"}),
            flush=True,
        )
        if score(figures) > state.best:
            state.best, state.best_epoch = score(figures), state.epoch
            _write(_best(scratch, state), _weights(model))
        _save(model, optimizer, state, scratch)
    _restore(model, _best(scratch, state))
    return [{**row, "kept": int(row["epoch"] == state.best_epoch)} for row in state.history]


def _train_epoch(
    model: PreTrainedModel,
    optimizer: torch.optim.Optimizer,
    plan: Plan,
    state: State,
    batches: list[list[int]],
    loss: Loss,
    per_epoch: int,
    scratch: Path,
    label: str,
) -> None:
    model.train()
    todo = track(batches[state.batch :], plan.epochs * per_epoch, label, start=state.step)
    for batch in todo:
        for group in optimizer.param_groups:
            group["lr"] = _learning_rate(plan, state.step, plan.epochs * per_epoch)
        with autocast(model.device, plan.precision):
            value = loss(batch)
        value.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        state.loss += _finite(value.item(), plan, state)
        state.step, state.batch = state.step + 1, state.batch + 1
        if state.step % STEPS_BETWEEN_SAVES == 0:
            _save(model, optimizer, state, scratch)


def _tell(label: str, plan: Plan, state: State) -> None:
    shown = {name: value for name, value in state.history[-1].items() if name not in {"epoch", "step"}}
    print(f"{label}: epoch {state.epoch}/{plan.epochs}, " + ", ".join(f"{name} {value:.4f}" for name, value in shown.items()), flush=True)


def _finite(loss: float, plan: Plan, state: State) -> float:
    if not math.isfinite(loss):
        raise ModelError(
            f"step {state.step + 1}", f"the loss is {loss}; try a lower learning rate than {plan.learning_rate} or precision fp32"
        )
    return loss


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


def _batches(sizes: Sequence[int], plan: Plan, epoch: int) -> list[list[int]]:
    """The rows in random order, like sizes together. The same for the same seed and epoch."""
    shuffled = list(range(len(sizes)))
    chance = random.Random(plan.seed * 10_007 + epoch)
    chance.shuffle(shuffled)
    span = plan.batch_size * BATCHES_SORTED_TOGETHER
    order = [row for at in range(0, len(shuffled), span) for row in sorted(shuffled[at : at + span], key=lambda row: sizes[row])]
    batches = [order[at : at + plan.batch_size] for at in range(0, len(order), plan.batch_size)]
    chance.shuffle(batches)
    return batches


def write_history(history: Sequence[Mapping[str, float]], file: Path) -> None:
    """The learning curve as a table, one row per epoch."""
    file.parent.mkdir(parents=True)
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(history[0]))
        writer.writeheader()
        writer.writerows({name: round(value, 6) for name, value in row.items()} for row in history)


def kept_epoch(history: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The figures of the epoch whose weights were kept."""
    row = next(row for row in history if row["kept"])
    return {name: round(value, 6) for name, value in row.items() if name not in {"step", "kept"}}


# -- what survives a kill --


def _best(scratch: Path, state: State) -> Path:
    return scratch / f"best-{state.best_epoch}.safetensors"


def _weights(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """What training changes: trained weights, and buffers such as running means."""
    trained = {name: tensor for name, tensor in model.named_parameters() if tensor.requires_grad}
    kept = model.state_dict().keys()
    return {**trained, **{name: tensor for name, tensor in model.named_buffers() if name in kept}}


def _moments(model: PreTrainedModel, optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, torch.Tensor]]:
    for name, tensor in model.named_parameters():
        for key, value in optimizer.state.get(tensor, {}).items():
            yield f"{key}:{name}", value


def _save(model: PreTrainedModel, optimizer: torch.optim.Optimizer, state: State, scratch: Path) -> None:
    tensors = {f"weight:{name}": tensor for name, tensor in _weights(model).items()}
    tensors.update(_moments(model, optimizer))
    tensors["random:cpu"] = torch.get_rng_state()
    if model.device.type == "cuda":
        tensors["random:cuda"] = torch.cuda.get_rng_state(model.device)
    _write(scratch / "state.safetensors", tensors, asdict(state))
    for old in scratch.glob("best-*.safetensors"):
        if old != _best(scratch, state):
            old.unlink()


def _write(file: Path, tensors: dict[str, torch.Tensor], state: dict[str, Any] | None = None) -> None:
    part = file.with_suffix(".part")
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, part, {"state": json.dumps(state)})
    part.replace(file)


def _resume(model: PreTrainedModel, optimizer: torch.optim.Optimizer, scratch: Path) -> State:
    file = scratch / "state.safetensors"
    if not file.exists():
        return State()
    _restore(model, file, "weight:")
    with safe_open(file, "pt") as kept:
        names = set(kept.keys())
        for name, tensor in model.named_parameters():
            moments = {key: f"{key}:{name}" for key in ("step", "exp_avg", "exp_avg_sq")}
            if names.issuperset(moments.values()):
                optimizer.state[tensor] = {key: kept.get_tensor(at).to(tensor.device) for key, at in moments.items()}
        torch.set_rng_state(kept.get_tensor("random:cpu"))
        if "random:cuda" in names:
            torch.cuda.set_rng_state(kept.get_tensor("random:cuda"), model.device)
        state = State(**json.loads(kept.metadata()["state"]))
    print(f"going on after {state.step} steps", flush=True)
    return state


def _restore(model: PreTrainedModel, file: Path, prefix: str = "") -> None:
    with torch.no_grad(), safe_open(file, "pt") as kept:
        for name, tensor in _weights(model).items():
            tensor.copy_(kept.get_tensor(prefix + name))
