"""Several processes that train together, each on a GPU of its own; on a CPU they share its cores. workers.py
starts them.

Each runs the same stage, and up to the end of its training all do the same steps, each with its share of
every batch. Then the first goes on alone and the others end.

A step is that of one process but for the rounding of floats: the model's answers are brought together before
the loss is taken, so that it is the loss of the whole batch, whatever a kind's loss is a mean of; and
gradients are summed before they are clipped.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from tasks.core.errors import ParamsError, SlipwayError

if TYPE_CHECKING:
    import torch

MEETING = "SLIPWAY_MEETING"
"""Names the file in which the processes find each other; set in those alone."""
LONGEST_WAIT = timedelta(days=7)
"""Of all for the first, which evaluates alone. That another is dead the process that started them sees at
once."""

Forward = Callable[[list[int]], "tuple[torch.Tensor, ...]"]
Loss = Callable[..., "torch.Tensor"]


@contextmanager
def leader_first(processes: int) -> Iterator[None]:
    """What is done inside, the leading process does first, and then the others, who find what it left on
    disk.
    """
    if processes == 1:
        yield
        return
    from accelerate import PartialState

    with PartialState().main_process_first():
        yield


def leads() -> bool:
    """Whether this process is the one that keeps what all of them made, or the only one."""
    if not is_worker():
        return True
    from accelerate import PartialState

    return bool(PartialState().is_main_process)


def is_worker() -> bool:
    """Whether this process is one of several that were started to train together."""
    return MEETING in os.environ


def prepare(seed: int, threads: int, device: str, processes: int) -> torch.device:
    """As compute.prepare; of several processes each gets a device of its own.

    Raises:
        ParamsError: this machine has no such device, or too few of it.
    """
    from tasks.models import compute

    own = compute.prepare(seed, threads, device)
    return own if processes == 1 else join(own.type, processes)


def join(device: str, processes: int) -> torch.device:
    """Waits until all processes are there. Returns the device of this one.

    Raises:
        ParamsError: there is no such device for each of them.
    """
    import torch
    from accelerate import PartialState
    from accelerate.utils import check_cuda_p2p_ib_support

    if device == "mps":
        raise ParamsError(
            "params.yaml",
            f"processes = {processes}: device mps is a single one; set processes = 1, or device = 'cpu'",
        )
    if device == "cuda" and torch.cuda.device_count() < processes:
        raise ParamsError(
            "params.yaml",
            f"processes = {processes}: each needs a GPU of its own; there are {torch.cuda.device_count()}",
        )
    if not is_worker():
        raise SlipwayError(
            "processes", f"{processes} have to be started together, by `python -m tasks STAGE RUN`"
        )
    # Else accelerate chooses a number of threads, and warns of it.
    os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo" if sys.platform == "linux" else "lo0")
    if device == "cuda" and not check_cuda_p2p_ib_support():
        os.environ.update(NCCL_P2P_DISABLE="1", NCCL_IB_DISABLE="1")
    place = {
        "init_method": f"file://{os.environ[MEETING]}",
        "rank": int(os.environ["RANK"]),
        "world_size": processes,
    }
    state = PartialState(cpu=device == "cpu", timeout=LONGEST_WAIT, **place)
    return torch.device("cpu") if device == "cpu" else state.device


@dataclass(frozen=True)
class Group:
    """The processes that train together, as one of them sees them.

    Of one alone every method does nothing more than what is asked.
    """

    size: int
    rank: int

    @classmethod
    def of(cls, processes: int, model: torch.nn.Module) -> Group:
        """The group of processes that train this model.

        Raises:
            ParamsError: the model cannot be trained in parts of a batch.
        """
        if processes == 1:
            return cls(1, 0)
        from accelerate import PartialState

        from tasks.training import batch_norm

        if batch_norm.layers_of(model):
            advice = "set processes = 1, or take a model without batch normalization, such as ViT or ConvNeXt"
            raise ParamsError(
                "params.yaml", f"processes = {processes}: the model normalizes over the whole batch; {advice}"
            )
        return cls(processes, PartialState().process_index)

    @property
    def leads(self) -> bool:
        """Whether this is the one that evaluates, tells, keeps, and goes on after the training."""
        return self.rank == 0

    def meet(self) -> None:
        """Waits for all."""
        if self.size > 1:
            from accelerate import PartialState

            PartialState().wait_for_everyone()

    def begin_step(self, seed: int, step: int) -> None:
        """Gives the chance of those that do not lead, such as dropout's, a beginning of its own.

        So nothing of it has to be kept.
        """
        if not self.leads:
            import torch

            torch.manual_seed((seed * 10_007 + step) * self.size + self.rank)

    def loss(self, forward: Forward, loss: Loss, rows: list[int]) -> torch.Tensor:
        """Of all rows.

        Its gradient is that of this process's share of them; a process without rows has one of zeros.
        """
        if self.size == 1:
            return loss(*forward(rows), rows)
        mine = rows[self.rank * len(rows) // self.size : (self.rank + 1) * len(rows) // self.size]
        parts = forward(mine or rows[:1])
        if not mine:
            parts = tuple(part[:0] for part in parts)
        return loss(
            *(self._together(part.float() if part.is_floating_point() else part) for part in parts), rows
        )

    def _together(self, mine: torch.Tensor) -> torch.Tensor:
        """The parts of all processes, in their order; of them only one's own has a gradient."""
        import torch
        from accelerate.utils import gather

        counts = gather(torch.tensor([len(mine)], device=mine.device)).tolist()
        padded = mine.new_zeros(max(counts), *mine.shape[1:])
        padded[: len(mine)] = mine.detach()
        parts = [part[:count] for part, count in zip(gather(padded).split(max(counts)), counts, strict=True)]
        parts[self.rank] = mine
        return torch.cat(parts)

    def add_up_gradients(self, model: torch.nn.Module) -> None:
        """Leaves the sum over all processes in each of them."""
        if self.size == 1:
            return
        import torch
        from accelerate.utils import reduce

        gradients = [tensor.grad for tensor in model.parameters() if tensor.grad is not None]
        total = reduce(torch.cat([one.flatten() for one in gradients]), "sum")
        for one, part in zip(gradients, total.split([one.numel() for one in gradients]), strict=True):
            one.copy_(part.view_as(one))

    def told(self, value: Callable[[], float]) -> float:
        """The value that the leading process finds, in all."""
        if self.size == 1:
            return value()
        import torch
        from accelerate import PartialState
        from accelerate.utils import broadcast

        found = torch.tensor(
            value() if self.leads else 0.0, dtype=torch.float64, device=PartialState().device
        )
        return float(broadcast(found))

    def part(self) -> None:
        """The training is over: those that do not lead end here."""
        if self.size > 1:
            from accelerate import PartialState

            PartialState().destroy_process_group()
            if not self.leads:
                sys.exit()
