"""What the log says of a run that is suspended in the UI: the page shows *Suspended* at once, though a stage
is at work and ends first.

A training cannot stand still. Prefect ends the run before its next stage; *Resume* starts it again, and what
was done is Cached.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.exceptions import Pause, PrefectException
from prefect.runtime import flow_run

ASK_SECONDS = 5.0


@contextmanager
def announce() -> Iterator[None]:
    """Around stages: says so when the run is suspended, and when it ends for that."""
    done, logger = threading.Event(), get_run_logger()
    listener = threading.Thread(target=_listen, args=(str(flow_run.id or ""), done, logger), daemon=True)
    listener.start()
    try:
        yield
    except Pause:
        logger.warning(
            "suspended: stops here, between two stages, and leaves the checkout free; *Resume* in the UI "
            "goes on"
        )
        raise
    finally:
        done.set()
        listener.join()


def _listen(run: str, done: threading.Event, logger: logging.Logger | logging.LoggerAdapter[Any]) -> None:
    while run and not done.wait(ASK_SECONDS):
        if _is_suspended(run):
            logger.warning(
                "suspended: the stage at work ends first, the run stops after it; *Cancel* stops it at once"
            )
            return


def _is_suspended(run: str) -> bool:
    try:
        with get_client(sync_client=True) as client:
            state = client.read_flow_run(UUID(run)).state
    except (PrefectException, httpx.HTTPError):  # the server is away: there will be another time
        return False
    return state is not None and state.is_paused()
