"""Puts a run into params.yaml: its lines as they are given, at the end of `runs`, all or nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks.core import documents, params, stages
from tasks.core.errors import ParamsError
from tasks.kinds.base.kind import known_kinds

FILE = "params.yaml"


def put(
    root: Path,
    name: str,
    section: str,
    run: dict[str, Any],
    meanwhile: Callable[[], str],
    search: str = "",
) -> str:
    """Adds the run `name` to params.yaml of the project `root`.

    Args:
        section: Its lines, indented by two.
        run: What they mean.
        search: The lines that say how it is searched, if it is.
        meanwhile: What must succeed before params.yaml changes, such as to bring data in; its value is
            returned.

    Raises:
        ParamsError: params.yaml with the run in it would not be in order.
    """
    file = root / FILE
    content = file.read_bytes()
    newline = "\r\n" if b"\r\n" in content else "\n"
    before = documents.text(content, FILE).replace("\r\n", "\n")
    wanted = {**params.read(file), name: run}
    with tempfile.TemporaryDirectory(dir=root, prefix=".params-") as folder:
        new = Path(folder) / FILE
        text = _added(before, "runs", section)
        text = _added(text, "search", search) if search else text
        new.write_text(text, encoding="utf-8", newline=newline)
        _check(new, wanted)
        said = meanwhile()
        new.replace(file)
    return said


def _added(before: str, key: str, section: str) -> str:
    """The section at the end of a key, before what else stands in the file, with the comment above that.

    A key that is not there yet is put at the end.
    """
    lines = before.splitlines(keepends=True)
    first = next((number for number, line in enumerate(lines) if line.startswith(f"{key}:")), None)
    if first is None:
        return f"{before.rstrip()}\n\n{key}:\n{section}"
    end = next(
        (number for number in range(first + 1, len(lines)) if lines[number][0] not in " #\n"), len(lines)
    )
    while end < len(lines) and lines[end - 1].startswith("#"):
        end -= 1
    rest = "".join(lines[end:])
    return "".join(lines[:end]).rstrip("\n") + "\n\n" + section + ("\n" + rest if rest else "")


def _check(file: Path, wanted: dict[str, Any]) -> None:
    """Checks the params file with the recipe in it.

    Raises:
        ParamsError: the file with the run in it is not in order, or the lines of the run did not become a run
            beside the others.
    """
    try:
        same = params.read(file) == wanted
    except ParamsError:
        same = False
    if not same:
        fault = (
            "is not written as `runs:` with a run on the lines below each, indented by two, so no run "
            "can be put in"
        )
        raise ParamsError("params.yaml", f"{fault}; write the run there by hand")
    models: dict[str, Any] = {stage: module.Params for stage, module in stages.load_all().items()}
    params.check(params.read(file), models, known_kinds())
