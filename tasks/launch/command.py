"""A command of Slipway: its arguments, what it does, and how its faults reach the user.

`slipway search`, `python -m tasks` and `python -m benchmarks.seeds` are each a `Command`; several
below one name, as `slipway retrain night`, are a `Group`. The program `slipway` is one more group, of
`Deferred` commands: each is imported when it is asked for.

Exit status of every command: 0 done, 1 a bug or a gate not passed, 2 a user's fault, 75 a passing one, 130
interrupted, and what the command itself adds. A fault is one message on the standard error, without
traceback.
"""

from __future__ import annotations

import argparse
import importlib
import shlex
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
class Deferred:
    """A command, or a group, of a module that is imported when the command is asked for."""

    about: str
    """The help of one line."""
    module: str
    name: str = "COMMAND"

    def load(self) -> Command | Group:
        """The command itself."""
        entry: Command | Group = getattr(importlib.import_module(self.module), self.name)
        return entry


@dataclass(frozen=True)
class Group:
    """Commands below one name."""

    program: str
    about: str | None
    commands: Mapping[str, Command | Group | Deferred]

    def fill(self, parser: argparse.ArgumentParser) -> None:
        """Makes a parser this group's."""
        below = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=_Parser)
        for name, one in self.commands.items():
            below.add_parser(name, help=(one.about or "").partition("\n")[0], entry=one)

    def main(self, arguments: Sequence[str] | None = None) -> int:
        """As that of a command."""
        return _main(self, arguments)


class _Parser(argparse.ArgumentParser):
    """Gets its arguments when it first parses, so that of a program one command alone is imported."""

    def __init__(self, *, entry: Command | Group | Deferred, **options: Any) -> None:
        super().__init__(**options, formatter_class=argparse.RawDescriptionHelpFormatter)
        self.entry: Command | Group | Deferred | None = entry
        self._is_mixing = False

    def complete(self) -> None:
        """Adds the arguments, and those of all commands below, as far as they are not there yet."""
        self._fill()
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                for below in action.choices.values():
                    below.complete()

    def _fill(self) -> None:
        if self.entry is None:
            return
        entry = self.entry.load() if isinstance(self.entry, Deferred) else self.entry
        self.entry, self.description = None, entry.about
        entry.fill(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As that of argparse, but that options may stand between the arguments of a command."""
        self._fill()
        if self._is_mixing or self._subparsers is not None:
            return super().parse_known_args(args, namespace)
        self._is_mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_mixing = False


def parser_of(entry: Command | Group, whole: bool = False) -> argparse.ArgumentParser:
    """The parser of a program. `whole`: with the arguments of all its commands, each of which is imported."""
    parser = _Parser(prog=entry.program, entry=entry)
    if whole:
        parser.complete()
    return parser


def _main(entry: Command | Group, arguments: Sequence[str] | None) -> int:
    words = sys.argv[1:] if arguments is None else list(arguments)
    given = parser_of(entry).parse_args(words)
    given.call = shlex.join([*entry.program.split(), *words])
    chosen: Command = given.chosen
    return chosen.execute(given)


def end_on_termination() -> None:
    """SIGTERM ends the process as an error would: what is open is closed and what runs below is stopped."""
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
