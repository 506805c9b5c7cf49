"""Results go to the DVC remote as they are made, so that another agent fetches them where it would have
trained.

`dvc push --run-cache` sends which result belongs to which inputs, and `dvc repro --pull` takes it. But it
leaves out what DVC does not cache, metrics and plots, and without them the other side's DVC refuses the
result and trains; so they are sent here too, and before the entry that names them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from dvc.repo import Repo

from flows.pipeline.graph import Graph
from tasks.core.errors import PassingError

TRIES_AFTER_SECONDS = (0, 5, 30)
OWED = Path(".dvc") / "tmp" / "unpushed"


def has_remote(graph: Graph) -> bool:
    with graph.repo() as repo:
        return bool(repo.config["core"].get("remote"))


class Unpushed:
    """The stages of a checkout whose results were not pushed yet, on disk, so that a kill in between forgets
    none of them.
    """

    def __init__(self, root: Path) -> None:
        self._file = root / OWED
        self._lock = threading.Lock()

    def stages(self) -> list[str]:
        return self._file.read_text(encoding="utf-8").splitlines() if self._file.exists() else []

    def add(self, stage: str) -> None:
        self._write(lambda stages: [*stages, stage])

    def remove(self, stage: str) -> None:
        self._write(lambda stages: [one for one in stages if one != stage])

    def _write(self, change: Callable[[list[str]], list[str]]) -> None:
        with self._lock:
            new = self._file.with_suffix(".new")
            new.write_text(
                "".join(f"{stage}\n" for stage in dict.fromkeys(change(self.stages()))), encoding="utf-8"
            )
            new.replace(self._file)


def push_unpushed(
    graph: Graph, owed: Unpushed, say: Callable[[str], object], stop: threading.Event
) -> list[str]:
    """Pushes what is still owed of stages that are up to date.

    Returns those that the remote still does not have.
    """
    left = []
    for stage in [stage for stage in owed.stages() if stage in graph.stages and not graph.why(stage)]:
        try:
            push(graph, stage, say, stop)
            owed.remove(stage)
        except PassingError:
            left.append(stage)
    return left


def fetch(graph: Graph) -> None:
    """Learns of the results that others pushed.

    Raises:
        PassingError: the remote cannot be read.
    """
    with graph.repo() as repo:
        try:
            repo.stage_cache.pull(None)
        except Exception as error:  # each kind of remote has errors of its own
            raise PassingError("DVC remote", f"cannot be read: {_line(error)}") from None


def push(graph: Graph, stage: str, say: Callable[[str], object], stop: threading.Event) -> None:
    """Sends a stage's result, then the run-cache.

    Raises:
        PassingError: the remote did not take it, several times.
    """
    why = ""
    for seconds in TRIES_AFTER_SECONDS:
        stop.wait(seconds)
        started = time.monotonic()
        try:
            with graph.repo() as repo:
                count = _push(repo, stage)
        except Exception as error:  # each kind of remote has errors of its own
            why = _line(error)
            say(f"{stage}: not pushed yet: {why}")
        else:
            say(f"{stage}: pushed to the DVC remote, {count} files in {time.monotonic() - started:.1f} s")
            return
    raise PassingError(
        "DVC remote", f"did not take the result of {stage}: {why}; `dvc push --run-cache` tries again"
    )


def _push(repo: Repo, stage: str) -> int:
    outs = repo.stage.get_target(stage).outs
    uncached = {out.hash_info for out in outs if not out.use_cache and out.hash_info}
    with repo.lock:
        if uncached:
            repo.cloud.push(uncached)
    count: int = repo.push(targets=[stage])
    repo.push(targets=[stage], run_cache=True)
    return count + len(uncached)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
