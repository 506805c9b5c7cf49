"""Values of params.yaml set for one run: `runs.bbc.prune.ffn=256`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tasks.shared.errors import ParamsError, did_you_mean

PATTERN = r"^runs\.[a-z][a-z0-9-]{0,39}(\.[A-Za-z_][A-Za-z0-9_-]*)+=\S.*$"


def apply(file: Path, overrides: Sequence[str]) -> list[str]:
    """Writes the values into the file, comments and layout kept; returns what changed, as `runs.bbc.prune.ffn 512 → 256`.

    Raises:
        ParamsError: with every override that names no key of the file, or whose value is no YAML.
    """
    yaml = YAML()
    yaml.preserve_quotes, yaml.width = True, 1000
    document = yaml.load(file.read_text(encoding="utf-8"))
    said: list[str] = []
    faults: list[str] = []
    for override in overrides:
        try:
            said.append(_set(document, override))
        except ParamsError as error:
            faults += error.faults
    if faults:
        raise ParamsError("overrides", *faults)
    text = StringIO()
    yaml.dump(document, text)
    file.write_text(text.getvalue(), encoding="utf-8")
    return said


def _set(document: Any, override: str) -> str:
    if not re.match(PATTERN, override):
        raise ParamsError("overrides", f"{override!r}: must be KEY=VALUE, as in runs.bbc.prune.ffn=256")
    key, _, text = override.partition("=")
    *parents, last = key.split(".")
    place = document
    for name in parents:
        place = _below(place, name, key)
    before = _below(place, last, key)
    try:
        if any(getattr(event, "anchor", None) for event in YAML(typ="safe", pure=True).parse(text)):
            raise ParamsError("overrides", f"{key}: the value {text!r} has anchors or aliases of YAML, which are not taken here")
        value = YAML(typ="safe", pure=True).load(text)
    except YAMLError:
        raise ParamsError("overrides", f"{key}: the value {text!r} is no YAML; texts with special signs need quotes") from None
    place[last] = value
    return f"{key} {_show(before)} → {_show(value)}"


def _below(place: Any, name: str, key: str) -> Any:
    known = list(place) if isinstance(place, dict) else []
    if name not in known:
        raise ParamsError("overrides", f"{key}: params.yaml has no such key{did_you_mean(name, known) if known else ''}")
    return place[name]


def _show(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
