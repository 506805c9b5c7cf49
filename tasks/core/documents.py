"""Reads the project's YAML and JSON within bounds.

What would hang or break a reader is refused in one message, with its place.
"""

from __future__ import annotations

import json as std_json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import ConstructorError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent

from tasks.core.errors import ParamsError

MOST_BYTES = 1_000_000
LOCK_BYTES = 20_000_000
"""dvc.lock has about 40 kB for each run; JSON that stages write may be as long."""
MOST_VALUES, LOCK_VALUES = 100_000, 2_000_000
"""With every alias counted as what it stands for."""
MOST_DEPTH = 40
MOST_DIGITS = 400
MARKER = re.compile(rb"^(?:<{7}|>{7}) .*$", re.MULTILINE)
SURROGATE = re.compile("[\ud800-\udfff]")
EVERY = (
    "params.yaml",
    "dvc.yaml",
    "registry/*/dvc.yaml",
    "*.dvc",
    "data/*/*.dvc",
    "models/*.dvc",
    "prefect.yaml",
    "recipes/*.yaml",
)
LOCK = "dvc.lock"
JSON = ("data/*/*/*.json", "data/*/*/*.jsonl", "registry/*/*.json")
PLAIN = (
    ".dvc/config",
    ".dvc/config.local",
    ".dvcignore",
    ".gitignore",
    "data/*/.gitignore",
    "data/*/*/.gitignore",
    "models/.gitignore",
)


class _Constructor(SafeConstructor):
    """As the safe one, but a value that Python cannot make is told with its line."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            made = super().construct_object(node, deep)
            if isinstance(made, int) and abs(made) >= 10**MOST_DIGITS:
                raise ValueError("too long")
            return made
        except YAMLError:
            raise
        except (ValueError, OverflowError, TypeError, AttributeError, LookupError) as error:
            why = (
                f"has {len(node.value):,} digits; no value here needs more than {MOST_DIGITS}"
                if len(node.value) > MOST_DIGITS
                else str(error)
            )
            raise ConstructorError(
                problem=f"{_short(node.value)} is no value: {why}", problem_mark=node.start_mark
            ) from None


def yaml(content: bytes, where: str) -> Any:
    """What a YAML document holds, as DVC reads it.

    Raises:
        ParamsError: it is no YAML, has git's conflict markers, or holds more than any file of the project
            should.
    """
    read = text(content, where, LOCK_BYTES if where.endswith(LOCK) else MOST_BYTES)
    loader = YAML(
        typ="safe", pure=not where.endswith(LOCK)
    )  # a lock is long and plain: the faster reader will do
    if loader.Constructor is SafeConstructor:
        loader.Constructor = _Constructor
    try:
        bound(read, where)
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", ReusedAnchorWarning
            )  # an anchor may be used again: the last one above counts
            return loader.load(read)
    except YAMLError as error:
        raise ParamsError(where, f"is not readable as YAML: {_describe(error)}") from None
    except (ValueError, OverflowError, RecursionError) as error:
        raise ParamsError(where, f"is not readable as YAML: {error}") from None


def json(content: bytes, where: str) -> Any:
    """A JSON document, read within bounds.

    Raises:
        ParamsError: it is no JSON, has git's conflict markers, or is too long.
    """
    try:
        return std_json.loads(text(content, where, LOCK_BYTES))
    except (ValueError, RecursionError) as error:
        raise ParamsError(where, f"is not readable as JSON: {error}") from None


def bound(document: str, where: str) -> None:
    """Walks through a YAML document without building it.

    Raises:
        ParamsError: it nests too deep, or is too large once its aliases stand for what they name.
        YAMLError: it is no YAML.
    """
    most = LOCK_VALUES if where.endswith(LOCK) else MOST_VALUES
    sizes: dict[str, int] = {}  # anchor -> how many values it stands for
    open_: list[tuple[str | None, int]] = [
        (None, 0)
    ]  # of the collections that have begun: anchor, values so far
    for event in YAML(typ="safe").parse(document):
        anchor = getattr(event, "anchor", None)
        if isinstance(event, CollectionStartEvent):
            open_.append((anchor, 1))
            if len(open_) > MOST_DEPTH:
                raise ParamsError(
                    where, f"line {event.start_mark.line + 1}: is nested deeper than {MOST_DEPTH} levels"
                )
            continue
        if isinstance(event, CollectionEndEvent):
            anchor, size = open_.pop()
        elif isinstance(event, AliasEvent):
            if any(anchor == name for name, _ in open_):
                raise ParamsError(
                    where,
                    f"line {event.start_mark.line + 1}: `*{anchor}` stands within what it names; write the "
                    "values out",
                )
            size, anchor = sizes.get(str(anchor), 1), None
        elif isinstance(event, ScalarEvent):
            size = 1
            if SURROGATE.search(event.value):
                raise ParamsError(
                    where,
                    f"line {event.start_mark.line + 1}: {_short(event.value)} holds half of a character",
                )
        else:
            continue
        if anchor is not None:
            sizes[anchor] = size
        open_[-1] = (open_[-1][0], open_[-1][1] + size)
        if open_[-1][1] > most:
            raise ParamsError(
                where, f"holds more than {most:,} values once its aliases are followed; write less into it"
            )


def conflict(content: bytes) -> str | None:
    """Where git left its conflict markers in a file, if it did, and what to do."""
    found = MARKER.search(content)
    if found is None:
        return None
    line, shown = content.count(b"\n", 0, found.start()) + 1, found[0].decode(errors="replace").strip()[:60]
    return (
        f"line {line} is a conflict marker of git (`{shown}`): a merge is not finished; keep the right "
        "lines, take the markers out"
    )


def check_files(root: Path) -> None:
    """Looks through the files that git merges and we or DVC read, before any of them is read, moved or
    written.

    Raises:
        ParamsError: with every one that has conflict markers, or that would hang its reader.
    """
    faults = [f"{name}: {fault}" for name, fault in _faults(root)]
    if len(faults) == 1:
        name, _, fault = faults[0].partition(": ")
        raise ParamsError(name, fault)
    if faults:
        raise ParamsError("the project's files", *faults)


def _faults(root: Path) -> Iterator[tuple[str, str]]:
    for pattern in (*EVERY, LOCK, *JSON, *PLAIN):
        for path in sorted(root.glob(pattern)):
            if not path.is_file():
                continue
            content, name = path.read_bytes(), path.relative_to(root).as_posix()
            if fault := conflict(content):
                yield name, fault
            elif pattern in (*EVERY, LOCK):
                yield from ((name, fault) for fault in excess(content, name))


def excess(content: bytes, where: str) -> tuple[str, ...]:
    """Why a YAML document would hang its reader, or that it has conflict markers.

    Empty if neither, be it YAML or no.
    """
    if fault := conflict(content):
        return (fault,)
    most = LOCK_BYTES if where.endswith(LOCK) else MOST_BYTES
    if len(content) > most:
        return (f"has {len(content):,} bytes; more than {most:,} are not read",)
    try:
        bound(content.decode("utf-8-sig", errors="replace"), where)
    except ParamsError as error:
        return error.faults
    except YAMLError:
        pass
    return ()


def text(content: bytes, where: str, most: int = MOST_BYTES) -> str:
    """The text of a file of the project.

    Raises:
        ParamsError: it is too long, no UTF-8, or has git's conflict markers.
    """
    if len(content) > most:
        raise ParamsError(where, f"has {len(content):,} bytes; more than {most:,} are not read")
    if fault := conflict(content):
        raise ParamsError(where, fault)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParamsError(where, f"is no UTF-8 text (byte {error.start}); save it as UTF-8") from None


def _describe(error: YAMLError) -> str:
    """The problem and its line; what ruamel adds for programmers is left out."""
    if not isinstance(error, MarkedYAMLError) or error.problem is None:
        return _plain(str(error))
    mark = error.problem_mark or error.context_mark
    place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    return place + _plain(error.problem)


def _plain(text: str) -> str:
    """On one line, without signs that a terminal would obey."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in " ".join(text.split()))[:300]


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}…"
