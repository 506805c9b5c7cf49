"""What a training keeps on disk, so that it can be killed at any moment and go on.

All of it is safetensors, replaced atomically: trained weights, optimizer moments, the state of the random
generator, and where it was.
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

    def end_epoch(self, figures: Mapping[str, float]) -> None:
        self.epoch += 1
        self.history.append(
            {"epoch": self.epoch, "step": self.step, "train_loss": self.loss / self.batch, **figures}
        )
        self.loss, self.batch = 0.0, 0


class Keeper:
    """Keeps in `scratch` what training changes.

    Weights, buffers such as running means, the optimizer's moments, chance, the state.
    """

    def __init__(
        self, model: PreTrainedModel, optimizer: torch.optim.Optimizer, scratch: Path, writes: bool
    ) -> None:
        """Which weights are trained is asked now: later some may be held for a while.

        Of several processes one `writes` and all read.
        """
        self._model, self._optimizer, self._scratch, self._writes = model, optimizer, scratch, writes
        scratch.mkdir(parents=True, exist_ok=True)
        self._trained = {name for name, tensor in model.named_parameters() if tensor.requires_grad}

    def save(self, state: State) -> None:
        if not self._writes:
            return
        tensors = {f"weight:{name}": tensor for name, tensor in self._weights().items()}
        tensors.update(self._moments())
        tensors["random:cpu"] = torch.get_rng_state()
        if self._model.device.type == "cuda":
            tensors["random:cuda"] = torch.cuda.get_rng_state(self._model.device)
        _write(self._scratch / "state.safetensors", tensors, asdict(state))
        for old in self._scratch.glob("best-*.safetensors"):
            if old != self._best_file(state):
                old.unlink()

    def resume(self) -> State:
        """Goes on with what is kept, if there is something whole."""
        file = self._scratch / "state.safetensors"
        if not whole(file):
            return State()
        self._restore(file, "weight:")
        with safe_open(file, "pt") as kept:
            there = set(kept.keys())
            for name, tensor in self._model.named_parameters():
                moments = {key: f"{key}:{name}" for key in ("step", "exp_avg", "exp_avg_sq")}
                if there.issuperset(moments.values()):
                    self._optimizer.state[tensor] = {
                        key: _like(tensor, kept.get_tensor(at)) for key, at in moments.items()
                    }
            torch.set_rng_state(kept.get_tensor("random:cpu"))
            if "random:cuda" in there:
                torch.cuda.set_rng_state(kept.get_tensor("random:cuda"), self._model.device)
            state = State(**json.loads(kept.metadata()["state"]))
        print(f"going on after {state.step} steps", flush=True)
        return state

    def keep_best(self, state: State) -> None:
        if self._writes:
            _write(self._best_file(state), self._weights())

    def restore_best(self, state: State) -> None:
        self._restore(self._best_file(state))

    def _best_file(self, state: State) -> Path:
        return self._scratch / f"best-{state.best_epoch}.safetensors"

    def _weights(self) -> dict[str, torch.Tensor]:
        kept = self._model.state_dict().keys()
        buffers = {name: tensor for name, tensor in self._model.named_buffers() if name in kept}
        return {
            **{name: tensor for name, tensor in self._model.named_parameters() if name in self._trained},
            **buffers,
        }

    def _moments(self) -> Iterator[tuple[str, torch.Tensor]]:
        for name, tensor in self._model.named_parameters():
            for key, value in self._optimizer.state.get(tensor, {}).items():
                yield f"{key}:{name}", value

    def _restore(self, file: Path, prefix: str = "") -> None:
        with torch.no_grad(), safe_open(file, "pt") as kept:
            for name, tensor in self._weights().items():
                tensor.copy_(kept.get_tensor(prefix + name))


def _like(tensor: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """On the tensor's device, and laid out as the tensor is.

    A fused optimizer walks through both side by side.
    """
    return torch.empty_like(tensor).copy_(value) if value.shape == tensor.shape else value.to(tensor.device)


def _write(file: Path, tensors: dict[str, torch.Tensor], state: dict[str, Any] | None = None) -> None:
    part = file.with_suffix(".part")
    save_file(
        {name: tensor.detach().contiguous() for name, tensor in tensors.items()},
        part,
        {"state": json.dumps(state)},
    )
    part.replace(file)


def whole(file: Path) -> bool:
    """A power cut can leave a file that was renamed but never written."""
    try:
        with safe_open(file, "pt"):
            return True
    except FileNotFoundError:
        return False
    except SafetensorError:
        print("what was kept is torn; beginning anew", flush=True)
        return False
