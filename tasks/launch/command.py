"""A command of Slipway: its arguments, what it does, and how its faults reach the user.

`python -m flows.search`, `python -m tasks` and `python -m benchmarks.seeds` are each a `Command`; several
below one name, as `python -m flows.retrain night`, are a `Group`. A group may hold groups, so a program of
all commands is one more group.

Exit status of every command: 0 done, 1 a bug or a gate not passed, 2 a user's fault, 75 a passing one, 130
interrupted, and what the command itself adds. A fault is one message on the standard error, without
traceback.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tasks.core.errors import SlipwayError

INTERRUPTED = 128 + signal.SIGINT


def no_arguments(_parser: argparse.ArgumentParser) -> None:
    """The arguments of a command that takes none."""


def print_fault(fault: SlipwayError) -> None:
    """Prints the message on the standard error."""
    print(fault, file=sys.stderr, flush=True)


def not_a_fault(_error: Exception) -> SlipwayError | None:
    """None: what is no SlipwayError is a bug, and keeps its traceback."""
    return None


@dataclass(frozen=True)
class Command:
    """One thing to do; the value of `run` is the exit status."""

    program: str
    """As a user types it, without arguments."""
    about: str | None
    """The docstring of its module; its first line is the help of one line."""
    run: Callable[[argparse.Namespace], int]
    """Gets the arguments, and as `call` all that was typed."""
    arguments: Callable[[argparse.ArgumentParser], None] = no_arguments
    """Adds the arguments to a parser."""
    translate: Callable[[Exception], SlipwayError | None] = not_a_fault
    """What an error of a library means to the user; None: it is a bug."""
    tell: Callable[[SlipwayError], None] = print_fault
    interrupted: int = INTERRUPTED
    """Exit status after Ctrl-C; 0 where that is how the command ends."""

    def fill(self, parser: argparse.ArgumentParser) -> None:
        """Makes a parser this command's."""
        self.arguments(parser)
        parser.set_defaults(chosen=self)

    def execute(self, given: argparse.Namespace) -> int:
        """Runs the command and returns its exit status. This is where a fault becomes a message."""
        try:
            return self.run(given)
        except SlipwayError as error:
            fault = error
        except KeyboardInterrupt:
            return self.interrupted
        except Exception as error:
            translated = self.translate(error)
            if translated is None:
                raise
            fault = translated
        self.tell(fault)
        return fault.exit_code

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """Does what the arguments (by default those of the process) ask, and returns the exit status."""
        return _main(self, arguments)


@dataclass(frozen=True)
class Group:
    """Commands below one name."""

    program: str
    about: str | None
    commands: Mapping[str, Command | Group]

    def fill(self, parser: argparse.ArgumentParser) -> None:
        """Makes a parser this group's."""
        below = parser.add_subparsers(required=True, metavar="COMMAND")
        for name, one in self.commands.items():
            one.fill(
                below.add_parser(
                    name,
                    help=(one.about or "").partition("\n")[0],
                    description=one.about,
                    formatter_class=argparse.RawDescriptionHelpFormatter,
                )
            )

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """As that of a command."""
        return _main(self, arguments)


def _main(entry: Command | Group, arguments: Sequence[str] | None) -> int:
    words = sys.argv[1:] if arguments is None else list(arguments)
    parser = argparse.ArgumentParser(
        prog=entry.program, description=entry.about, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    entry.fill(parser)
    given = parser.parse_args(words)
    given.call = shlex.join([*entry.program.split(), *words])
    chosen: Command = given.chosen
    return chosen.execute(given)


def end_on_termination() -> None:
    """SIGTERM ends the process as an error would: what is open is closed and what runs below is stopped."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
