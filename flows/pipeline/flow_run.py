"""What every flow of ours does around its work.

It signs its run, takes the workspace, and mends what a killed one left behind.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from prefect import get_run_logger
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from flows.checkout import workspace
from flows.pipeline import crashed


class ReasonAlone(logging.Filter):
    """A run that failed ends with its reason, as its one error.

    Prefect tells it as news, and after it the code it came through.
    """

    told = False

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        if said.startswith("Finished in state Failed("):
            record.levelno, record.levelname, self.told = (
                logging.ERROR,
                logging.getLevelName(logging.ERROR),
                True,
            )
        return not (self.told and said.startswith("Engine execution exited with unexpected exception"))


logging.getLogger("prefect.flow_runs").addFilter(ReasonAlone())


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
        if (
            held.died and held.died != str(flow_run.id) and crashed.mark(held.died)
        ):  # it may be this run, before its *Retry*
            logger.warning("mended: marked its flow run %s as Crashed", held.died)
        for line in crashed.sweep():
            logger.warning("mended: %s", line)
        yield held.file.fileno()


def tag(*texts: str) -> None:
    """Shows the texts on the run's page and in the list of runs, in place of those with the same first word
    that a former try left there.

    Where the server cannot be asked the run has no tags; that is no reason to fail it.
    """
    begun = {text.partition(" ")[0] for text in texts}
    try:
        with get_client(sync_client=True) as client:
            tags = client.read_flow_run(UUID(str(flow_run.id))).tags
            kept = [one for one in tags if one.partition(" ")[0] not in begun]
            client.update_flow_run(UUID(str(flow_run.id)), tags=[*kept, *texts])
    except crashed.FAULTS as error:
        get_run_logger().warning("the server did not take the tags %s: %s", ", ".join(texts), error)
