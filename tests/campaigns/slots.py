"""How long the slot of a killed run stays taken:  python -m tests.campaigns.slots

Twice: the flow alone gets `kill -9`, then the flow and the server together, which `make ui` starts again. A
toy stage holds the one slot of the limit `gpu`; printed is how many seconds after the kill the slot is free.
About four minutes.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests import smoke
from tests.flows.station import ToyStation, processes_in
from tests.flows.toy import Toy, new
from tests.waiting import until

PATIENCE_SECONDS = 200


def make(root: Path) -> Toy:
    """The toy project, whose stage prune@a holds the slot for long."""
    toy = new(root)
    smoke.commit(root, "a scratch project")
    toy.order(prune={"sleep": 600})
    return toy


def taken(station: ToyStation) -> int:
    return int(station.get("/v2/concurrency_limits/gpu")["active_slots"])


def freed_after(station: ToyStation, server_too: bool) -> float:
    station.start("compress/compress-on-gpu", runs=["a"])
    until(lambda: processes_in(station.root, "step.py") and taken(station) == 1, PATIENCE_SECONDS)
    victims = [json.loads((station.root / ".dvc/tmp/workspace.lock").read_text(encoding="utf-8"))["pid"]]
    victims += [process.pid for process in processes_in(station.root, "create_app")] if server_too else []
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    until(lambda: station.is_up() and taken(station) == 0, PATIENCE_SECONDS)
    return time.monotonic() - began


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="slipway-slots-") as folder:
        root = Path(folder).resolve() / "toy"
        os.environ.update(smoke.environment(root))
        station = ToyStation(make(root))
        with station.open():
            for server_too in (False, True):
                seconds = freed_after(station, server_too)
                print(
                    f"{'flow and server' if server_too else 'flow'} killed: the slot was free after "
                    f"{seconds:.0f} s",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())
