"""The graph as DVC knows it: which stages there are, in which order, what is up to date and why not.

Reads dvc.yaml, dvc.lock, params.yaml and the artifacts; writes nothing. DVC addresses stages relative to the
current directory, which must be the project's top folder.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import networkx
from dvc.dependency import ParamsDependency
from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from dvc_data.hashfile.hash_info import HashInfo
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flows.checkout import workspace
from flows.pipeline import reasons
from flows.process import child
from tasks.core.errors import ParamsError, did_you_mean

BUSY = "is busy, it is being blocked by"
BUSY_SECONDS = 2
logging.getLogger("dvc.stage.cache").setLevel(
    logging.WARNING
)  # it announces a restoration that was only asked about
GPU = "gpu"
"""A stage's tag, and the name of the limit on how many stages that have it run at once."""


class Hints(BaseModel):
    """`meta: {prefect: ...}` of a stage: how it is run, never what it makes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tags: tuple[Literal["gpu"], ...] = ()
    retries: int = Field(default=0, ge=0, le=20)
    retry_delay_seconds: float | list[float] = 0
    timeout_seconds: float | None = Field(default=None, gt=0)


@dataclass(frozen=True)
class Stage:
    """`sources` are the `.dvc` files of the raw data it reads."""

    name: str
    upstream: tuple[str, ...]
    sources: tuple[str, ...]
    hints: Hints

    @property
    def run(self) -> str:
        return self.name.partition("@")[2]


class Graph:
    """DVC's view of the project in the current directory. dvc.Repo is not thread-safe, hence the lock.

    Raises:
        ParamsError: dvc.yaml, dvc.lock or params.yaml do not make a graph.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        try:
            self._repo = Repo(str(Path.cwd()), _wait_for_lock=True)
            atexit.register(self._repo.close)
            self.stages = {stage.name: stage for stage in _stages(self._repo)}
        except DvcException as error:
            raise ParamsError("dvc.yaml", " ".join(str(error).split())) from error

    def why(self, name: str) -> str:
        """Why the stage must run, for a person to read; empty when it is up to date."""
        with self._lock:
            status = self._status(name)
            stage = self._repo.stage.get_target(name)
            if status and not any(entry.hash_info for entry in [*stage.deps, *stage.outs]):
                return "never ran before"
            entries = [entry for found in status.values() for entry in found]
            files = reasons.changed_files(Path.cwd(), stage) if status else {}
            said = [sentence for entry in entries for sentence in reasons.say(entry, files)]
            lost = [
                sentence
                for entry in entries
                if isinstance(entry, dict) and "changed outs" in entry
                for sentence in reasons.say(entry, {})
            ]
            lost = [sentence for sentence in lost if sentence.endswith(" is missing")]
            params = [
                sentence
                for entry in stage.deps
                if isinstance(entry, ParamsDependency)
                for sentence in reasons.changed_params(entry)
            ]
        causes = [
            one for one in (*said, *params) if one not in lost
        ]  # a worktree has no outputs yet, which tells nothing
        return "; ".join(dict.fromkeys(causes or lost)) or (
            "its stanza in dvc.yaml changed" if status else ""
        )

    def _status(self, name: str) -> dict[str, list[Any]]:
        """DVC's own words. Waits while another DVC process is at work on the stage."""
        while True:
            try:
                found: dict[str, list[Any]] = self._repo.status([*self.stages[name].sources, name])
            except LockError as error:
                if BUSY not in str(error) or child.stopping.wait(BUSY_SECONDS):
                    raise
                workspace.mend_locks(Path.cwd())
            else:
                return found

    def is_changed(self, source: str) -> bool:
        """Whether raw data differ from their .dvc file; data that are not there do not."""
        with self._lock:
            return any(
                out.exists and out.workspace_status()
                for stage in self._repo.stage.load_file(source)
                for out in stage.outs
            )

    @contextmanager
    def repo(self) -> Iterator[Repo]:
        """DVC itself, for one thread at a time."""
        with self._lock:
            yield self._repo

    def restorable(self, name: str, pull: bool) -> bool:
        """Whether DVC's run-cache has the stage's result, so that it need not run.

        With `pull` what only the remote has is fetched.
        """
        with self._lock, self._repo.lock if pull else nullcontext():
            try:
                stage = self._repo.stage.load_one("dvc.yaml", name)
                stage.save_deps(allow_missing=True)
                for out in stage.outs:
                    out.hash_info = HashInfo()  # else what was made last would count, from whatever inputs
                self._repo.stage_cache.restore(stage, pull=pull, dry=not pull)
            except DvcException:
                return False
        return True

    def gpus(self, name: str) -> int:
        """How many it uses.

        None, unless its hints say so and its params do not say `device: cpu`; else one for each of its
        processes.
        """
        with self._lock:
            deps = self._repo.stage.get_target(name).deps
            params = {
                key: value
                for dep in deps
                if isinstance(dep, ParamsDependency)
                for key, value in dep.read_params().items()
            }
        own = {key.rpartition(".")[2]: value for key, value in params.items()}
        return (
            0
            if GPU not in self.stages[name].hints.tags or own.get("device") == "cpu"
            else int(own.get("processes", 1))
        )

    def outs(self, name: str) -> list[Any]:
        with self._lock:
            return list(self._repo.stage.get_target(name).outs)

    def manifest(self, name: str) -> list[dict[str, Any]]:
        """Path, md5 and size in bytes of each output, as dvc.lock has them."""
        return [
            {"path": str(out), "md5": out.hash_info.value, "size": out.meta.size} for out in self.outs(name)
        ]


def select(stages: Mapping[str, Stage], runs: Sequence[str]) -> list[Stage]:
    """The stages of these runs (of all, when none is named) and what they need, upstream first.

    Raises:
        ParamsError: there is no such run.
    """
    known = {stage.run for stage in stages.values()}
    if unknown := [run for run in runs if run not in known]:
        raise ParamsError(
            "dvc.yaml", *(f"there is no run `{run}`{did_you_mean(run, known)}" for run in unknown)
        )
    wanted = [name for name, stage in stages.items() if not runs or stage.run in runs]
    for name in wanted:
        wanted += [upstream for upstream in stages[name].upstream if upstream not in wanted]
    return [stage for stage in stages.values() if stage.name in wanted]


def expand(names: Sequence[str], stages: Sequence[Stage]) -> set[str]:
    """`prune@bbc` stands for itself, `prune` for that stage of every run.

    Raises:
        ParamsError: there is no such stage.
    """
    meant = {
        name: {stage.name for stage in stages if name in (stage.name, stage.name.partition("@")[0])}
        for name in names
    }
    if unknown := [name for name, found in meant.items() if not found]:
        known = [stage.name for stage in stages]
        raise ParamsError(
            "dvc.yaml",
            *(f"there is no stage `{name}` to force{did_you_mean(name, known)}" for name in unknown),
        )
    return set().union(*meant.values())


def _stages(repo: Repo) -> Iterator[Stage]:
    graph = repo.index.graph
    place = {stage: number for number, stage in enumerate(repo.index.stages)}
    pipeline = graph.subgraph([stage for stage in graph if not stage.is_data_source])
    for stage in networkx.lexicographical_topological_sort(pipeline.reverse(), key=place.__getitem__):
        upstream = sorted(graph.successors(stage), key=place.__getitem__)
        yield Stage(
            name=stage.addressing,
            upstream=tuple(other.addressing for other in upstream if not other.is_data_source),
            sources=tuple(other.addressing for other in upstream if other.is_data_source),
            hints=_hints(stage.addressing, (stage.meta or {}).get("prefect", {})),
        )


def _hints(name: str, found: Any) -> Hints:
    try:
        return Hints.model_validate(found)
    except ValidationError as error:
        where = [".".join(["meta.prefect", *map(str, detail["loc"])]) for detail in error.errors()]
        faults = [
            f"{name}: {at} = {detail['input']!r}: {detail['msg']}"
            for at, detail in zip(where, error.errors(), strict=True)
        ]
        raise ParamsError("dvc.yaml", *faults) from None
