"""What git holds of a revision, compared.

Params, code and data that stages depend on, and whether stages are behind any of these.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from dvc.dependency import ParamsDependency

from flows.checkout import folder_changes
from flows.checkout.git import GitError
from flows.reviewing.inputs.sides import Side

ABSENT = "–"
DATA = "data/"


@dataclass(frozen=True)
class Change:
    """A value of params.yaml; `ABSENT` where a side does not have it."""

    key: str
    a: str
    b: str


@dataclass(frozen=True)
class Source:
    """A file that stages depend on, changed between the sides; a folder where its files are not known."""

    path: str
    stages: list[str]


def params(a: Side, b: Side, run: str) -> list[Change]:
    """Of one run, what judging it is told included."""
    changed = []
    for section in ("runs", "retrain"):
        old, new = (dict(leaves(f"{section}.{run}", _section(side, section, run))) for side in (a, b))
        changed += [
            Change(key, old.get(key, ABSENT), new.get(key, ABSENT))
            for key in old | new
            if old.get(key) != new.get(key)
        ]
    return changed


def _section(side: Side, section: str, run: str) -> Any:
    found = side.params.get(section)
    return found.get(run, {}) if isinstance(found, dict) else {}


def leaves(at: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from leaves(f"{at}.{key}" if at else str(key), child)
    else:
        yield at, str(value)


def code(a: Side, b: Side, run: str) -> list[Source]:
    """Files outside data/ that stages of the run were made with, where they are not the same bytes."""
    common = [name for name in b.lock if name.endswith(f"@{run}") and name in a.lock]
    deps = {name: (_hashes(a.lock[name], "deps"), _hashes(b.lock[name], "deps")) for name in common}
    files = _differing(a, b)
    stages: dict[str, list[str]] = {}
    for stage, (old, new) in deps.items():
        for path in old | new:
            if old.get(path) != new.get(path) and not path.startswith(DATA):
                for name in _files(path, old, new, files):
                    stages.setdefault(name, []).append(stage.partition("@")[0])
    return [Source(path, named) for path, named in sorted(stages.items())]


def _differing(a: Side, b: Side) -> list[str] | None:
    """Files that are not the same in both revisions; None where git cannot say."""
    try:
        return folder_changes.between(b.root, a.revision.commit, b.revision.commit)
    except GitError:
        return None


def _files(
    path: str, old: Mapping[str, str], new: Mapping[str, str], files: list[str] | None
) -> Iterable[str]:
    """The files that a dependency, different on the two sides, stands for.

    dvc.lock of before the folders lists files one by one. Beside one of them, a folder counts for its files
    wherever they lay; what differs is named by the folder, unless files were listed in it before.
    """
    mixed = _folders(old) != _folders(new)
    if not _is_folder(old.get(path) or new[path]) and not _is_folder(new.get(path) or old[path]):
        return [] if mixed and (path in old) != (path in new) else [path]
    if files is None:
        return [path]
    inside = folder_changes.within(path, files)
    if path in old and path in new:
        return inside or [path]
    if not mixed:
        return [path]
    other = old if path in new else new
    return inside if any(name.startswith(f"{path}/") for name in other) else [path] if inside else []


def _folders(deps: Mapping[str, str]) -> bool:
    """Whether a stage lists its code as folders."""
    return any(_is_folder(md5) for path, md5 in deps.items() if not path.startswith(DATA))


def _is_folder(md5: str) -> bool:
    return md5.endswith(".dir")


def raw_changed(a: Side, b: Side, run: str) -> bool:
    old, new = (_hashes(side.lock.get(f"ingest@{run}", {}), "deps").get(f"data/raw/{run}") for side in (a, b))
    return old != new


def behind(side: Side, run: str) -> list[str]:
    """Stages whose figures are of other params, code or data than the revision has, or that never ran.

    They speak of something else.
    """
    faults = []
    for stage, changed in stale(side, run).items():
        faults.append(
            f"{stage} was not run again since these changed: {', '.join(changed)}"
            if changed
            else f"{stage} never ran"
        )
    for stage in [name for name in side.lock if name.endswith(f"@{run}")]:
        kept = side.lock[stage].get("params", {}).get("params.yaml", {})
        locked = {key: dict(leaves(key, value)) for key, value in kept.items()}
        current = {key: dict(leaves(key, _at(side.params, key))) for key in locked}
        if other := [key for key in locked if locked[key] != current[key]]:
            faults.append(f"{stage.partition('@')[0]} was last run with other params ({', '.join(other)})")
    for path, md5 in _hashes(side.lock.get(f"benchmark@{run}", {}), "outs").items():
        if (
            path.endswith(".json")
            and (content := side.read(path))
            and hashlib.md5(content, usedforsecurity=False).hexdigest() != md5
        ):
            faults.append(f"{path} is not what the benchmark wrote, by dvc.lock")
    return faults


@cache
def stale(side: Side, run: str) -> dict[str, list[str]]:
    """Stage -> what of its command, code, raw data or what others made is not what dvc.lock says it was run
    with; nothing: it never ran.

    A run of which no stage was ever run is not behind anything.
    """
    stages = side.stages(run)
    outs = {out.fs_path: out for stage in side.every_stage() for out in stage.outs}
    if not any(out.hash_info for stage in stages for out in stage.outs):
        return {}
    found: dict[str, list[str]] = {}
    for stage in stages:
        name = str(stage.name).partition("@")[
            0
        ]  # what it is addressed by depends on the folder one stands in
        if not any(out.hash_info for out in stage.outs):
            found[name] = []
        elif changed := [*(["its command"] if stage.cmd_changed else []), *_changed_deps(side, stage, outs)]:
            found[name] = changed
    return found


def _changed_deps(side: Side, stage: Any, outs: Mapping[str, Any]) -> Iterator[str]:
    for dep in stage.deps:
        if isinstance(dep, ParamsDependency):
            continue
        made = outs.get(dep.fs_path)
        differs = made.hash_info != dep.hash_info if made is not None else dep.workspace_status()
        if (
            made is not None
            and made.stage.is_data_source
            and made.fs.protocol == "local"
            and made.exists
            and made.workspace_status()
        ):
            differs = True  # raw data that were changed, and not even added
        if differs:
            yield from _since_run(side, stage, dep) or [str(dep)]


def _since_run(side: Side, stage: Any, dep: Any) -> list[str]:
    """The files of a folder of code that are not what the stage was run with; [] where that is not known."""
    folder = folder_changes.normal(dep.def_path)
    if not dep.hash_info.isdir or folder.startswith(DATA):
        return []
    found = side.root, str(stage.name), folder, str(dep.hash_info.value), side.revision.commit
    return folder_changes.since_run(*found)


def same(a: Side, b: Side, run: str) -> bool:
    """Whether nothing git knows of differs: params, stages, figures."""
    stages = [
        {name: stage for name, stage in side.lock.items() if name.endswith(f"@{run}")} for side in (a, b)
    ]
    figures = [
        [side.read(f"data/{run}/benchmark/{name}.json") for name in ("metrics", "timings")] for side in (a, b)
    ]
    return stages[0] == stages[1] and figures[0] == figures[1] and not params(a, b, run)


def _hashes(stage: Mapping[str, Any], kind: str) -> dict[str, str]:
    return {
        folder_changes.normal(str(one["path"])): str(one.get("md5"))
        for one in stage.get(kind, [])
        if isinstance(one, dict) and "path" in one
    }


def _at(tree: Any, key: str) -> Any:
    for step in key.split("."):
        tree = tree.get(step) if isinstance(tree, dict) else None
    return tree
