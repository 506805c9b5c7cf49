"""What the commands that run a flow have in common: an argument, checks, and what they say of its end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flows.process.environment  # noqa: F401  # isort: skip  (before Prefect, which reads it when it is imported)
from prefect import State

from flows.checkout import params_file, workspace
from flows.pipeline.reproduce import BUG
from flows.server import server
from tasks.core import escape
from tasks.launch import command


def add_wait(parser: argparse.ArgumentParser) -> None:
    """Adds --wait: seconds to wait for a workspace that another flow holds."""
    wait = "how long to wait for a workspace that another flow holds (default: 0)"
    parser.add_argument("--wait", type=float, default=0, metavar="SECONDS", help=wait)


Check = Callable[[Path], object]
"""Raises what is not in order in a checkout."""


def run_flow(
    wait: float,
    flow: Callable[[], State[Any]],
    before: Check = lambda _root: None,
    held: Check = lambda _root: None,
) -> State[Any]:
    """Runs a flow in the current checkout and returns the state it ended in.

    Args:
        wait: Seconds to wait for the workspace.
        flow: The flow, given its parameters.
        before: What must be in order beside params.yaml, whoever holds the workspace.
        held: What can be checked only with the workspace held.

    Raises:
        SlipwayError: of the checks, or the workspace is taken, or no server answers.
    """
    root = Path.cwd()
    command.end_on_termination()
    params_file.check(root)
    before(root)
    with workspace.hold(root, wait):
        held(root)
        server.ensure()
        return flow()


def exit_status(state: State[Any]) -> int:
    """Prints what a flow ended with; the exit status is its data."""
    code: Any = state.result(raise_on_failure=False)
    print(escape.visible(state.message, keep="\n"), file=sys.stdout if state.is_completed() else sys.stderr)
    return code if isinstance(code, int) else BUG
