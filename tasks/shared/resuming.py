"""What a training keeps on disk, so that it can be killed at any moment and go on.

All of it is safetensors, replaced atomically: trained weights, optimizer moments, the state of the random generator, and where it was.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from transformers import PreTrainedModel


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

    def end_epoch(self, batches: int, figures: Mapping[str, float]) -> None:
        self.epoch, self.batch = self.epoch + 1, 0
        self.history.append({"epoch": self.epoch, "step": self.step, "train_loss": self.loss / batches, **figures})
        self.loss = 0.0


def best_file(scratch: Path, state: State) -> Path:
    return scratch / f"best-{state.best_epoch}.safetensors"


def weights(model: PreTrainedModel) -> dict[str, torch.Tensor]:
    """What training changes: trained weights, and buffers such as running means."""
    trained = {name: tensor for name, tensor in model.named_parameters() if tensor.requires_grad}
    kept = model.state_dict().keys()
    return {**trained, **{name: tensor for name, tensor in model.named_buffers() if name in kept}}


def _moments(model: PreTrainedModel, optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, torch.Tensor]]:
    for name, tensor in model.named_parameters():
        for key, value in optimizer.state.get(tensor, {}).items():
            yield f"{key}:{name}", value


def save(model: PreTrainedModel, optimizer: torch.optim.Optimizer, state: State, scratch: Path) -> None:
    tensors = {f"weight:{name}": tensor for name, tensor in weights(model).items()}
    tensors.update(_moments(model, optimizer))
    tensors["random:cpu"] = torch.get_rng_state()
    if model.device.type == "cuda":
        tensors["random:cuda"] = torch.cuda.get_rng_state(model.device)
    write(scratch / "state.safetensors", tensors, asdict(state))
    for old in scratch.glob("best-*.safetensors"):
        if old != best_file(scratch, state):
            old.unlink()


def write(file: Path, tensors: dict[str, torch.Tensor], state: dict[str, Any] | None = None) -> None:
    part = file.with_suffix(".part")
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, part, {"state": json.dumps(state)})
    part.replace(file)


def resume(model: PreTrainedModel, optimizer: torch.optim.Optimizer, scratch: Path) -> State:
    file = scratch / "state.safetensors"
    if not _whole(file):
        return State()
    restore(model, file, "weight:")
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


def _whole(file: Path) -> bool:
    """A power cut can leave a file that was renamed but never written."""
    try:
        with safe_open(file, "pt"):
            return True
    except FileNotFoundError:
        return False
    except SafetensorError:
        print("what was kept of the training is torn; beginning anew", flush=True)
        return False


def restore(model: PreTrainedModel, file: Path, prefix: str = "") -> None:
    with torch.no_grad(), safe_open(file, "pt") as kept:
        for name, tensor in weights(model).items():
            tensor.copy_(kept.get_tensor(prefix + name))
