"""The one place where the device, its threads, its precision and its randomness are chosen."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

from tasks.core.errors import ParamsError


def prepare(seed: int, threads: int, device: str) -> torch.device:
    """Sets thread count and seeds, and resolves `auto`.

    Raises:
        ParamsError: this machine has no such device.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        device = next(name for name in ("cuda", "mps", "cpu") if present[name])
    if not present[device]:
        usable = ", ".join(name for name, there in present.items() if there)
        raise ParamsError(
            "params.yaml", f"device = {device!r}: this machine has none; usable here: auto, {usable}"
        )
    if device == "cuda":
        torch.use_deterministic_algorithms(True)
    return torch.device(device)


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Runs a model's matrix products in bf16 where `precision` says so."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=precision == "bf16")
