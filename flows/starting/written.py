"""A run as it is to stand in params.yaml: every value, and beside it the reason for it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.proposals.proposal import Value

COMMENT_AT = 58
"""Column in which reasons begin, where the value is short enough."""


SMALL = 1e-4
"""Below it Python writes `2e-05`, which not every reader of YAML takes for a number."""
PLAIN = re.compile(r"[A-Za-z][\w/-]*")
NOT_TEXT = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"}
"""Words that a reader of YAML takes for something else."""


def section(name: str, about: Sequence[str], run: Mapping[str, Any]) -> str:
    """The lines of a run below `runs:`.

    Args:
        name: of the run.
        about: lines of a comment above it.
        run: key -> `Value`, or section -> key -> `Value`.
    """
    lines = [f"  # {line}" for line in about]
    lines.append(f"  {name}:")
    for key, one in run.items():
        if isinstance(one, Value):
            lines.append(_line(4, key, one))
            continue
        lines += ["", f"    {key}:"]
        lines += [_line(6, below, value) for below, value in one.items()]
    return "\n".join(lines) + "\n"


def _line(indent: int, key: str, value: Value) -> str:
    text = f"{' ' * indent}{key}: {flow(value.value)}"
    return f"{text.ljust(COMMENT_AT)}  # {_one_line(value.why)}" if value.why else text


def flow(value: Any) -> str:
    """A value as YAML has it, on one line: `{rank: 8, alpha: 16.0}`."""
    match value:
        case None | bool():
            return {None: "null", True: "true", False: "false"}[value]
        case str():
            is_plain = PLAIN.fullmatch(value) and value.casefold() not in NOT_TEXT
            return value if is_plain else json.dumps(value)
        case Mapping():
            return "{" + ", ".join(f"{flow(key)}: {flow(below)}" for key, below in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(map(flow, value)) + "]"
        case float() if 0 < abs(value) < SMALL:
            return f"{value:.12f}".rstrip("0")
        case _:
            return repr(value)


def _one_line(text: str) -> str:
    """Data can be named in a reason; nothing of them may end the comment."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def plain(run: Mapping[str, Any]) -> dict[str, Any]:
    """The values alone."""
    return {
        key: one.value if isinstance(one, Value) else {below: value.value for below, value in one.items()}
        for key, one in run.items()
    }


def as_json(run: Mapping[str, Any]) -> str:
    """The run with its reasons, for programs."""
    told = {
        key: _told(one) if isinstance(one, Value) else {below: _told(value) for below, value in one.items()}
        for key, one in run.items()
    }
    return json.dumps(told, ensure_ascii=False, indent=1)


def _told(value: Value) -> dict[str, Any]:
    return {"value": value.value, **({"why": value.why} if value.why else {})}
