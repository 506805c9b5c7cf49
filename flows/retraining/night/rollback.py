"""A former champion comes back.

Its artifacts, figures and data pointers, as they stood in the commit that brought it.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ruamel.yaml import YAML

from flows.checkout import overrides
from flows.checkout.git import git, names, text, who
from flows.raw_data.pointer import files
from flows.retraining.arrivals import drops
from flows.retraining.arrivals.inbox import Drop
from flows.retraining.night.night import Night
from flows.retraining.night.steps import written
from flows.retraining.publishing import publish
from flows.retraining.record import history, registry
from flows.retraining.record.history import Entry
from tasks.core import documents
from tasks.core.errors import ParamsError
from tasks.ingest.reading.class_folders import ARRIVED
from tasks.kinds.base.kind import load_kind

NO_REASON = "no reason was given"


def back_to(night: Night, version: int, keep_rows: bool, reason: str) -> Entry:
    """`reason`: why, in the operator's words.

    Raises:
        ParamsError: there is no such champion.
        DataError: its artifacts can be had nowhere.
    """
    champion, commit = _former(night, version)
    now = registry.read(night.root, night.run)
    night.store.restore()
    learned = _learned(night)
    _bring(night, commit)
    publish.check_out(night.root, night.run)
    unlearned = sorted(set(learned) - set(_learned(night)))
    rows = _keep(night, commit_rows=learned, names=unlearned, collect=keep_rows, of=now.version if now else 0)
    operator, why = who(night.root), " ".join(reason.split()) or NO_REASON
    told = _remains(rows, keep_rows, unlearned, night.run) if rows else ""
    entry = night.entry(
        "rolled back", f"from v{now.version if now else 0} by {operator}: {why}{told}", champion.version
    )
    registry.write(night.root, replace(champion, since=entry["at"], by=operator, why=f"rolled back: {why}"))
    if keep_rows:
        entry["collected"] += rows
        entry["waiting"] += rows
    return written(night, entry)


def _remains(rows: int, collected: bool, names: Sequence[str], run: str) -> str:
    """What is left of rows that no champion has learned from any more; who has to erase them must know."""
    where = f"data/{'collected' if collected else 'quarantine'}/{run}"
    went = "are collected again" if collected else "went to quarantine"
    return (
        f"; {rows} rows that the champions since had learned from {went}: they are still in {where}, in "
        "earlier commits' data "
        f"({', '.join(names)}) and so in DVC's cache and remote; docs/retraining.md says how to erase rows"
    )


def _former(night: Night, version: int) -> tuple[registry.Champion, str]:
    now = registry.read(night.root, night.run)
    wanted = version or (now.former if now else None)
    commit = registry.find(night.root, night.run, wanted, night.base) if wanted else None
    if wanted is None or commit is None:
        known = (
            ", ".join(sorted({f"v{entry['version']}" for entry in history.read(night.root, night.run)}))
            or "none"
        )
        what = f"v{wanted}" if wanted else "a champion before this one"
        raise ParamsError(f"run {night.run}", f"there is no {what}; champions so far: {known}")
    return registry.parsed(text(night.root, commit, registry.file(night.run).as_posix()), commit), commit


def _bring(night: Night, commit: str) -> None:
    """The run's own part of dvc.lock, its figures, its raw data's pointer and what its teacher began from.

    Other runs keep theirs.
    """
    yaml = YAML()
    lock = yaml.load((night.root / "dvc.lock").read_text(encoding="utf-8"))
    former = yaml.load(text(night.root, commit, "dvc.lock"))
    ours = {name: stage for name, stage in former["stages"].items() if name.endswith(f"@{night.run}")}
    others = {name: stage for name, stage in lock["stages"].items() if not name.endswith(f"@{night.run}")}
    order = dict.fromkeys([*lock["stages"], *ours])
    lock["stages"] = {name: (ours | others)[name] for name in order if name in ours or name in others}
    with (night.root / "dvc.lock").open("w", encoding="utf-8") as file:
        yaml.dump(lock, file)
    source = documents.yaml(os.fsencode(text(night.root, commit, "params.yaml")), "params.yaml")["runs"][
        night.run
    ]["pretrain"]["source"]
    if source != night.params["pretrain"]["source"]:
        overrides.apply(
            night.root / "params.yaml", [f"runs.{night.run}.pretrain.source={json.dumps(source)}"]
        )
    night.take_pointer(commit)
    kept = f"{history.folder(night.run).as_posix()}/"
    named = names(
        night.root,
        "ls-tree",
        "-r",
        "--name-only",
        commit,
        "--",
        f"data/{night.run}",
        f"data/raw/{night.run}.dvc",
    )
    git(
        night.root,
        "checkout",
        "--quiet",
        commit,
        "--",
        *(name for name in named if not name.startswith(kept)),
    )


def _learned(night: Night) -> dict[str, bytes]:
    """The files of rows that arrived, by name."""
    folder = night.store.raw.folder / ARRIVED
    return {name.as_posix(): (folder / name).read_bytes() for name in files(folder)}


def _keep(night: Night, commit_rows: dict[str, bytes], names: list[str], collect: bool, of: int) -> int:
    """Rows that are in no raw data any more are collected, or set aside; how many."""
    rules = drops.rules_of(load_kind(night.params["kind"]), night.params, night.policy)
    count = 0
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(commit_rows[name])
            count += len(drops.read_folder(Path(folder), rules).rows)
            if collect:
                kept = night.store.collected.folder / name
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, kept)
            else:
                drop = Drop(file, name.partition(".")[0], file.stat().st_size, "")
                night.store.set_aside(drop, f"learned by v{of}, which was rolled back", ())
    return count
