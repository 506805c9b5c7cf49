"""A stage that fails or is stopped leaves its former result in place.

DVC takes it away before the stage begins, and would leave none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dvc.exceptions import DvcException

from flows.checkout import workspace
from flows.pipeline.graph import Graph


@contextmanager
def kept(graph: Graph, stage: str) -> Iterator[None]:
    """Puts back, if the `with` ends by an exception, what dvc.lock says the stage made last."""
    uncached = [Path(str(out)) for out in graph.outs(stage) if not out.use_cache]
    contents = {path: path.read_bytes() for path in uncached if path.is_file()}
    try:
        yield
    except BaseException:
        _put_back(graph, stage, contents)
        raise


def _put_back(graph: Graph, stage: str, contents: Mapping[Path, bytes]) -> None:
    """Metrics and plots from memory, for DVC's cache does not have them; the rest from there."""
    workspace.mend_locks(Path.cwd())
    for path, content in contents.items():
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    if not any(out.hash_info for out in graph.outs(stage)):
        return
    with graph.repo() as repo:
        try:
            repo.checkout(targets=[stage], force=True)
        except DvcException:  # it is in no cache: then the stage's place stays empty, as DVC left it
            return
