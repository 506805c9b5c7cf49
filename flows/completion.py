"""Prints the script that completes `slipway` in a shell: commands, options, and the runs of params.yaml.

source <(slipway completion bash)                 in ~/.bashrc
slipway completion zsh > ~/.zfunc/_slipway
"""

from __future__ import annotations

import argparse
import sys

import shtab

from flows import __main__ as program
from tasks.launch import command
from tasks.launch.command import Command

SHELLS = ("bash", "zsh", "tcsh")
RUNS = "sed -n '/^runs:/,/^[a-z]/s/^  \\([a-z][a-z0-9-]*\\):.*/\\1/p' params.yaml 2>/dev/null"
"""Prints the runs of the params.yaml in the current folder."""
PREAMBLE = {
    "bash": f'_slipway_runs() {{ compgen -W "$({RUNS})" -- "$1"; }}\n',
    "zsh": f"_slipway_runs() {{ compadd $({RUNS}) }}\n",
    "tcsh": "",
}
COMPLETE = {"bash": "_slipway_runs", "zsh": "_slipway_runs", "tcsh": f"`{RUNS}`"}
NAMES_A_RUN = ("run", "runs")


def script(shell: str) -> str:
    """The script of a shell."""
    parser = command.parser_of(program.PROGRAM, whole=True)
    _complete_runs(parser)
    text: str = shtab.complete(parser, shell, preamble=PREAMBLE[shell])
    return text


def _complete_runs(parser: argparse.ArgumentParser) -> None:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                _complete_runs(below)
        elif action.dest in NAMES_A_RUN:
            action.complete = COMPLETE  # type: ignore[attr-defined]


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))


def _run(given: argparse.Namespace) -> int:
    print(script(given.shell))
    return 0


COMMAND = Command("slipway completion", __doc__, _run, _arguments)


if __name__ == "__main__":
    sys.exit(COMMAND.main())
