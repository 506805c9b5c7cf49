"""Why a stage must run, in words: of DVC's status, of params and of the folders of code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dvc.dependency import ParamsDependency

from flows.checkout import folder_changes

SAID_OF = {
    "changed deps": {"modified": "{} changed", "deleted": "{} is missing", "new": "{} is new"},
    "changed outs": {
        "modified": "{} is not what was made",
        "deleted": "{} is missing",
        "new": "{} is new",
        "not in cache": "{} is not in the cache",
    },
}
GONE = object()
SHOWN = 5
"""Files of a folder that a reason names."""


def say(entry: str | dict[str, dict[str, Any]], files: Mapping[str, list[str]]) -> Iterator[str]:
    """One entry of DVC's status in words. A params file is left out: `changed_params` knows more of it.

    Args:
        files: Folder as the status names it -> the files in it that changed, where that is known.
    """
    if isinstance(entry, str):
        yield {"changed command": "its command changed", "always changed": "it always runs"}.get(entry, entry)
        return
    for kind, paths in entry.items():
        for path, change in paths.items():
            if isinstance(change, str):
                named = _listed(files.get(path, [])) or path
                yield SAID_OF[kind].get(change, f"{{}} is {change}").format(named)


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def changed_files(root: Path, stage: Any) -> dict[str, list[str]]:
    """Folder that the stage depends on -> its files that changed since the stage was run, by git.

    Args:
        stage: DVC's, with the hashes of dvc.lock.
    """
    return {
        str(dep): folder_changes.since_run(
            root, str(stage.name), folder_changes.normal(dep.def_path), dep.hash_info.value, None
        )
        for dep in stage.deps
        if not isinstance(dep, ParamsDependency) and dep.hash_info.isdir and dep.workspace_status()
    }


def changed_params(dependency: ParamsDependency) -> Iterator[str]:
    """`runs.bbc.prune.ffn 512 → 256`.

    DVC tells only that a section changed; its values of last time stand in dvc.lock.
    """
    old = dict(_leaves("", dependency.hash_info.value or {}))
    new = dict(_leaves("", dependency.read_params()))
    for key in [*new, *(key for key in old if key not in new)]:
        before, after = old.get(key, GONE), new.get(key, GONE)
        if before is GONE:
            yield f"{key} is new: {_show(after)}"
        elif after is GONE:
            yield f"{key} is gone, was {_show(before)}"
        elif before != after:
            yield f"{key} {_show(before)} → {_show(after)}"


def _leaves(at: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from _leaves(f"{at}.{key}" if at else str(key), child)
    else:
        yield at, value


def _show(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
