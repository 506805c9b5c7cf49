"""What every flow of ours does around its work: it signs its run, takes the workspace, and mends what a killed one left behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from flows import crashed, workspace
from tasks.shared import documents, params
from tasks.shared import stages as schema


@contextmanager
def workspace_for_run(root: Path, wait: float) -> Iterator[int]:
    """The checkout for this flow run alone; yields the descriptor of its lock, which children hold open too.

    Raises:
        PassingError: another is at work in it still after `wait` seconds.
    """
    logger = get_run_logger()
    crashed.sign(str(flow_run.id))
    with workspace.hold(root, wait) as held:
        held.sign(str(flow_run.id))
        for mended in held.mended:
            logger.warning("mended: %s", mended)
        if held.died and crashed.mark(held.died):
            logger.warning("mended: marked its flow run %s as Crashed", held.died)
        for name in crashed.sweep():
            logger.warning("mended: the process of flow run %s was killed; marked it so", name)
        yield held.file.fileno()


def tag(text: str) -> None:
    """Shows the text on the run's page and in the list of runs."""
    with get_client(sync_client=True) as client:
        client.update_flow_run(flow_run.id, tags=[*flow_run.tags, text])


def check_params(root: Path) -> None:
    """All of params.yaml, before anything runs, where the project has stages of its own to check it for.

    Raises:
        ParamsError: with every fault in it, or every file in which a merge is not finished.
    """
    documents.check_files(root)
    if (root / "tasks").is_dir():
        sections = {name: stage.Params for name, stage in schema.load_all().items()}
        params.check(params.read(root / "params.yaml"), sections, schema.kinds())
