"""How fast this machine trains, measured in half a second.

The fastest of many short products counts: it says what the machine can, whatever else it does meanwhile. The
values of a run follow from it, and must not follow from the load of the moment.
"""

from __future__ import annotations

import time

REFERENCE_GIGAFLOPS = 190.0
"""Of the product below, on the machine where the predictions were fitted (docs/results/anyones-data.md)."""
REFERENCE_SECONDS = 1 / 100.0
"""For a gigaflop of training there, batches, optimizer and evaluation included."""
ROUNDS = 120


def seconds_per_gigaflop(threads: int) -> float:
    """Of training, predicted from a product of matrices of the usual shape."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        rows, weights = torch.ones(512, 384), torch.ones(384, 1536)
        took = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            rows @ weights
            took.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(before)
    gigaflops = 2 * 512 * 384 * 1536 / 1e9 / min(took)
    return REFERENCE_SECONDS * REFERENCE_GIGAFLOPS / gigaflops
