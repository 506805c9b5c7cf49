"""Where a long loop is.

A bar in a terminal, lines `PROGRESS label k/n note` when piped, which the flow turns into an artifact.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 2.0
_said: dict[str, float] = {}
"""When each label had its last line: the next epoch of a training goes on where the one before was, however
short they are."""


def track(
    iterable: Iterable[T],
    total: int | None = None,
    label: str = "",
    start: int = 0,
    note: Callable[[], str] = lambda: "",
) -> Iterator[T]:
    """Passes the items on and shows how many of `total` are done; `start` were done before a kill.

    `note` is asked when it is shown.
    """
    if total is None:
        total = len(iterable) if isinstance(iterable, Sized) else None
    if sys.stderr.isatty():
        yield from _bar(tqdm(iterable, total=total, desc=label, initial=start, leave=False), note)
        return
    yield from _lines(iterable, total, label, start, note)


def _bar(bar: tqdm[T], note: Callable[[], str]) -> Iterator[T]:
    for item in bar:
        yield item
        bar.set_postfix_str(note(), refresh=False)


def _lines(
    iterable: Iterable[T], total: int | None, label: str, start: int, note: Callable[[], str]
) -> Iterator[T]:
    _said.setdefault(label, time.monotonic())
    for done, item in enumerate(iterable, start + 1):
        yield item
        if time.monotonic() - _said[label] >= SECONDS_BETWEEN_LINES or done == total:
            _said[label] = time.monotonic()
            print(f"PROGRESS {label} {done}/{total or '?'} {note()}".rstrip(), flush=True)
