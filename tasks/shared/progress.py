"""Where a long loop is: a bar in a terminal, lines `PROGRESS label k/n` when piped, which the flow turns into an artifact."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 2.0


def track(iterable: Iterable[T], total: int | None = None, label: str = "", start: int = 0) -> Iterator[T]:
    """Passes the items on and shows how many of `total` are done; `start` were done before a kill."""
    if total is None:
        total = len(iterable) if isinstance(iterable, Sized) else None
    if sys.stderr.isatty():
        yield from tqdm(iterable, total=total, desc=label, initial=start, leave=False)
        return
    yield from _lines(iterable, total, label, start)


def _lines(iterable: Iterable[T], total: int | None, label: str, start: int) -> Iterator[T]:
    said = time.monotonic()
    for done, item in enumerate(iterable, start + 1):
        yield item
        if time.monotonic() - said >= SECONDS_BETWEEN_LINES or done == total:
            said = time.monotonic()
            print(f"PROGRESS {label} {done}/{total or '?'}", flush=True)
