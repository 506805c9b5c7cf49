"""Values of params.yaml set for one run: `runs.bbc.prune.ffn=256`.

Nothing else changes its value, whatever anchors the file has.
"""

from __future__ import annotations

import copy
import json
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import Comment, CommentedMap, CommentedSeq, merge_attrib
from ruamel.yaml.representer import RoundTripRepresenter

from tasks.core import documents, former_keys
from tasks.core.errors import ParamsError, did_you_mean

PATTERN = r"^runs\.[a-z][a-z0-9-]{0,39}(\.[A-Za-z_][A-Za-z0-9_-]*)+=\S.*$"
BOM = b"\xef\xbb\xbf"
KEY_BELOW_KEY = re.compile(r"^[^\s#].*:[^\S\n]*(?:[&#].*)?\n(?:[^\S\n]*(?:#.*)?\n)*( +)[^\s#-]", re.MULTILINE)
ITEM_BELOW_KEY = re.compile(
    r"^( *)[^\s#-].*:[^\S\n]*(?:[&#].*)?\n(?:[^\S\n]*(?:#.*)?\n)*( *)- ", re.MULTILINE
)


class _Representer(RoundTripRepresenter):
    """Writes a value that is off as `null`, where ruamel would write nothing."""

    def represent_none(self, _data: Any) -> Any:
        return self.represent_scalar("tag:yaml.org,2002:null", "null")


_Representer.add_representer(type(None), _Representer.represent_none)


def apply(file: Path, overrides: Sequence[str], reason: str = "") -> list[str]:
    """Writes the values into the file, comments and layout kept; returns what changed, as `runs.bbc.prune.ffn
    512 → 256`. `reason`: takes the place of the comment behind a value that changes, if there is one.

    What a run shares with others by an anchor, alias or merge key becomes its own first.

    Raises:
        ParamsError: the file is not readable, or with every override that names no key of it, or whose value
            is no YAML.
    """
    content = file.read_bytes()
    wanted = _unshared(documents.yaml(content, file.name))
    text = content.removeprefix(BOM).decode("utf-8").replace("\r\n", "\n")
    yaml = _as_written(text)
    document = yaml.load(text)
    said: list[str] = []
    faults: list[str] = []
    for override in overrides:
        try:
            path, value = _parsed(override)
            before = _replace(wanted, path, value)
            said.append(f"{'.'.join(path)} {_show(before)} → {_show(value)}")
            place = _set(document, path, value)
            if reason and _told(before) != _told(value):
                _explain(place, path[-1], reason)
        except ParamsError as error:
            faults += error.faults
    if faults:
        raise ParamsError("overrides", *faults)
    stream = StringIO()
    yaml.dump(document, stream)
    _check(stream.getvalue().encode(), wanted, file.name)
    written = stream.getvalue().replace("\n", "\r\n") if b"\r\n" in content else stream.getvalue()
    file.write_bytes((BOM if content.startswith(BOM) else b"") + written.encode())
    return said


def _as_written(text: str) -> YAML:
    """A writer that indents as the file does."""
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.preserve_quotes, yaml.width = True, 1000
    mapping = len(found[1]) if (found := KEY_BELOW_KEY.search(text)) else 2
    offset = max(len(found[2]) - len(found[1]), 0) if (found := ITEM_BELOW_KEY.search(text)) else 0
    yaml.indent(mapping=mapping, sequence=offset + 2, offset=offset)
    return yaml


def _parsed(override: str) -> tuple[list[str], Any]:
    if not re.match(PATTERN, override):
        raise ParamsError("overrides", f"{override!r}: must be KEY=VALUE, as in runs.bbc.prune.ffn=256")
    key, _, text = override.partition("=")
    try:
        value = documents.yaml(text.encode("utf-8", "surrogateescape"), "overrides")
        if any(getattr(event, "anchor", None) for event in YAML(typ="safe", pure=True).parse(text)):
            raise ParamsError(
                "overrides",
                f"{key}: the value {text!r} has anchors or aliases of YAML, which are not taken here",
            )
    except ParamsError as error:
        if "anchors" in error.faults[0]:
            raise
        raise ParamsError(
            "overrides", f"{key}: the value {text!r} is no YAML; texts with special signs need quotes"
        ) from None
    return key.split("."), value


def _replace(place: Any, path: Sequence[str], value: Any) -> Any:
    """Sets the value in plain data; what stood there before."""
    *parents, last = path
    for name in parents:
        place = _below(place, name, path)
    before = _below(place, last, path)
    place[last] = value
    return before


def _below(place: Any, name: str, path: Sequence[str]) -> Any:
    if place is None:
        above = ".".join(path[: path.index(name)])
        raise ParamsError(
            "overrides",
            f"{'.'.join(path)}: {above} is null in params.yaml; set all of it: {above}={{{name}: ...}}",
        )
    known = list(place) if isinstance(place, dict) else []
    if name not in known:
        at = ".".join(path[: path.index(name)])
        if now := former_keys.place_now(path[-2], name) if path[-1] == name else "":
            raise ParamsError("overrides", f"{'.'.join(path)}: is {at}.{now} now")
        raise ParamsError(
            "overrides",
            f"{'.'.join(path)}: params.yaml has no such "
            f"key{did_you_mean(name, map(str, known)) if known else ''}",
        )
    return place[name]


def _set(document: Any, path: Sequence[str], value: Any) -> Any:
    """Sets the value in the written document; the mapping in which it stands.

    On the way down each mapping that stands in several places is copied for this one.
    """
    uses, mergers = _shared(document)
    place = document
    for name in path[:-1]:
        _keep(place, name, uses, mergers)
        child = place[name]
        if uses[id(child)] > 1 or name not in _own(place):
            uses.update(id(below) for below in child.values())  # they now stand in the copy, too
            place[name] = child = _copy(child)
        place = child
    _keep(place, path[-1], uses, mergers)
    if isinstance(place[path[-1]], CommentedMap | CommentedSeq) and not place[path[-1]].fa.flow_style():
        place.ca.items.pop(path[-1], None)  # the comment that led over to the lines below, which go
    place[path[-1]] = value
    _write_out_merges(document, set())
    return place


def _explain(place: Any, name: str, reason: str) -> None:
    """Changes the comment behind a value; what stands on the lines below stays."""
    token = (place.ca.items.get(name) or [None] * 3)[2]
    if token is not None and token.value.startswith("#"):
        _, newline, below = token.value.partition("\n")
        token.value = f"# {reason}{newline}{below}"


def _shared(document: Any) -> tuple[Counter[int], dict[int, list[CommentedMap]]]:
    """In how many places each collection stands, and which mappings take each in by a merge key."""
    uses: Counter[int] = Counter()
    mergers: dict[int, list[CommentedMap]] = defaultdict(list)
    seen: dict[int, Any] = {}
    waiting = [document]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or not isinstance(one, CommentedMap | CommentedSeq):
            continue
        seen[id(one)] = one
        below = list(_own(one).values()) if isinstance(one, CommentedMap) else list(one)
        uses.update(map(id, below))
        merged = list(one.merge) if isinstance(one, CommentedMap) else []
        for source in merged:
            mergers[id(source)].append(one)
        waiting += below + merged
    return uses, mergers


def _own(mapping: CommentedMap) -> dict[Any, Any]:
    """What the mapping itself says, without what it takes in by a merge key."""
    return dict(mapping.non_merged_items()) if len(mapping.merge) else dict(mapping)


def _keep(place: Any, name: str, uses: Counter[int], mergers: dict[int, list[CommentedMap]]) -> None:
    """Those who take in `place` by a merge key get the value that is about to change as their own."""
    for one in mergers[id(place)]:
        if name not in _own(one):
            _keep(one, name, uses, mergers)
            uses[id(one[name])] += 1
            one[name] = one[name]


def _write_out_merges(place: Any, standing: set[int]) -> None:
    """A merge key can only name what stands above it.

    What it took from elsewhere the mapping says itself then.
    """
    if id(place) in standing or not isinstance(place, CommentedMap | CommentedSeq):
        return
    standing.add(id(place))
    if isinstance(place, CommentedMap) and any(id(source) not in standing for source in place.merge):
        for key in list(place):
            place[key] = place[key]
        delattr(place, merge_attrib)
    for below in list(_own(place).values()) if isinstance(place, CommentedMap) else place:
        _write_out_merges(below, standing)


def _copy(mapping: CommentedMap) -> CommentedMap:
    """The same keys, comments and layout, without anchor or merge key."""
    made = CommentedMap(mapping.items())
    setattr(made, Comment.attrib, copy.deepcopy(mapping.ca))
    if mapping.fa.flow_style():
        made.fa.set_flow_style()
    return made


def _check(written: bytes, wanted: Any, name: str) -> None:
    """Checks params with the overrides in place.

    Raises:
        ParamsError: read again the file would say something else than these values alone.
    """
    try:
        same = _told(documents.yaml(written, name)) == _told(wanted)
    except ParamsError:
        same = False
    if not same:
        fault = (
            "the values cannot be set without changing others that they share by anchors, aliases or "
            "merge keys"
        )
        raise ParamsError(
            name, f"{fault}; nothing was written; write the shared values out, or set them by hand"
        )


def _unshared(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unshared(below) for key, below in value.items()}
    return [_unshared(below) for below in value] if isinstance(value, list) else value


def _told(value: Any) -> Any:
    """By what two values can be held against each other: 1 is not 1.0, and no number is itself."""
    if isinstance(value, dict):
        return {(type(key).__name__, repr(key)): _told(below) for key, below in value.items()}
    return (
        [_told(below) for below in value] if isinstance(value, list) else (type(value).__name__, repr(value))
    )


def _show(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
