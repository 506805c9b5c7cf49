"""An agent: a Prefect worker that takes runs of one pool into the checkout in the current directory, one at a
time.

    slipway worker POOL [--limit N]        PREFECT_API_URL says where the server is

What killed runs of this machine left on the server is marked first.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
from pathlib import Path

import flows.process.environment  # noqa: F401  # isort: skip  (before Prefect, which reads it when it is imported)
from prefect.settings import get_current_settings

from flows.pipeline import crashed
from flows.server import server
from tasks.core.errors import ParamsError
from tasks.launch.command import Command


def command(pool: str, limit: int = 1) -> list[str]:
    """The arguments of `prefect` for a worker of the pool.

    One run at a time: the others of the pool take what waits.
    """
    name = f"{socket.gethostname()} {Path.cwd().name} {pool} {os.getpid()}"
    return ["worker", "start", "--pool", pool, "--type", "process", "--limit", str(limit), "--name", name]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("pool", metavar="POOL", help="gpu, cpu or control, as in prefect.yaml")
    parser.add_argument(
        "--limit",
        type=int,
        default=1,
        help="runs at once; more than 1 only for `control`, whose runs compute nothing",
    )


def _run(given: argparse.Namespace) -> int:
    if not get_current_settings().api.url:
        raise ParamsError(
            "PREFECT_API_URL",
            "says where the server is, and is not set; `make ui` starts a server with its workers",
        )
    if not Path("dvc.yaml").is_file():
        raise ParamsError(str(Path.cwd()), "has no dvc.yaml; run this in the top folder of a checkout")
    server.ensure()
    for line in crashed.sweep():
        print(f"mended: {line}")
    return os.execv(sys.executable, [sys.executable, "-m", "prefect", *command(given.pool, given.limit)])  # noqa: S606


COMMAND = Command("slipway worker", __doc__, _run, _arguments)
main = COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
