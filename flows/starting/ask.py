"""How a doubt is settled: by a question on a terminal, by --yes, else by a message that names the options."""

from __future__ import annotations

import sys
from collections.abc import Callable

from tasks.core import escape
from tasks.core.errors import ParamsError
from tasks.proposals.proposal import Doubt


def answers(yes: bool) -> Callable[[Doubt], str]:
    """A function that settles doubts."""
    if yes:
        return _likeliest
    return _asked if sys.stdin.isatty() and sys.stdout.isatty() else _refused


def _likeliest(doubt: Doubt) -> str:
    others = [choice for choice in doubt.choices if choice != doubt.choices[0]]
    beside = f", not {', '.join(others)}" if others else ""
    print(escape.visible(f"{doubt.question} Taken: {doubt.choices[0]}{beside} (--{doubt.role})"))
    return doubt.choices[0]


def _asked(doubt: Doubt) -> str:
    print(escape.visible(doubt.question))
    for number, choice in enumerate(doubt.choices, 1):
        print(escape.visible(f"  {number}  {choice}"))
    while True:
        said = input("number [1]: ").strip() or "1"
        if said.isdecimal() and 1 <= int(said) <= len(doubt.choices):
            return doubt.choices[int(said) - 1]
        if said in doubt.choices:
            return said
        print(f"type a number from 1 to {len(doubt.choices)}")


def _refused(doubt: Doubt) -> str:
    raise ParamsError(
        "slipway new",
        f"{doubt.question} {', '.join(doubt.choices)}: name it with --{doubt.role}, or take "
        f"{doubt.choices[0]} with --yes",
    )
