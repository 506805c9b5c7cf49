"""Tells the server when something new lies in an inbox, so that `retrain/retrain-nightly` need not wait for
its hour.

    python -m flows.server.watch

`make ui` does the same for its checkout. The event is `slipway.inbox.arrived`; prefect.yaml names it as a
trigger. Told are drops that are whole, each once, and nights that did not begin; what stays in an inbox
(because a night failed) is left to the schedule.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import flows.process.environment  # noqa: F401  # isort: skip  (before Prefect, which reads it when it is imported)
from prefect.events import emit_event

from flows.retraining import policy
from flows.retraining.arrivals import inbox
from flows.retraining.arrivals.inbox import Drop
from flows.server import missed, server
from tasks.launch.command import Command

ARRIVED = "slipway.inbox.arrived"
SECONDS = 30


class Watch:
    """Of the inboxes of a checkout."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._told: set[Drop] = set()

    def look(self) -> list[str]:
        """Emits an event for each run with drops that were not told before; returns the runs."""
        told = []
        for run, rule in policy.read_all(self._root).items():
            drops, _ = inbox.look(inbox.folder(self._root, run), rule.settle_seconds)
            if new := [drop.name for drop in drops if drop not in self._told]:
                resource = {"prefect.resource.id": f"slipway.run.{run}", "prefect.resource.name": run}
                emit_event(ARRIVED, resource=resource, payload={"drops": new[:100]})
                told.append(run)
            self._told = {*drops, *(drop for drop in self._told if drop.path.parent.name != run)}
        return told


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--every",
        type=float,
        default=SECONDS,
        metavar="SECONDS",
        help=f"how often to look (default: {SECONDS})",
    )


def _run(given: argparse.Namespace) -> int:
    server.ensure()
    watch = Watch(Path.cwd())
    while True:
        for run in watch.look():
            print(f"{run}: something new; told the server", flush=True)
        for line in missed.announce():
            print(line, flush=True)
        time.sleep(given.every)


COMMAND = Command("python -m flows.server.watch", __doc__, _run, _arguments, interrupted=0)
main = COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
