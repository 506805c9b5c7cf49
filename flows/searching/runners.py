"""Where trials run: processes of this machine, or those of a Dask cluster, on this machine or on others."""

from __future__ import annotations

import importlib.util
from typing import Any

from prefect.task_runners import ThreadPoolTaskRunner

from flows.searching.policy import Policy
from tasks.core.errors import ParamsError, PassingError


def task_runner(policy: Policy) -> Any:
    """What runs the trials.

    Raises:
        ParamsError: Dask is asked for and not installed.
        PassingError: the cluster does not answer.
    """
    if policy.runner == "local":
        return ThreadPoolTaskRunner(max_workers=policy.workers)
    if importlib.util.find_spec("prefect_dask") is None:
        remedy = (
            "`make search` installs it, or `pip install -r requirements/dask.lock`; or take runner: local"
        )
        raise ParamsError(
            "params.yaml", f"search: runner = 'dask' needs prefect-dask, which is not installed; {remedy}"
        )
    from prefect_dask import DaskTaskRunner

    if policy.dask_address:
        _must_answer(policy.dask_address)
        return DaskTaskRunner(address=policy.dask_address)
    cluster = {"n_workers": policy.workers, "threads_per_worker": 1, "dashboard_address": None}
    return DaskTaskRunner(cluster_kwargs=cluster)


def _must_answer(address: str) -> None:
    from distributed import Client

    try:
        Client(address, timeout=10).close()
    except (OSError, ValueError) as error:
        raise PassingError(
            address,
            f"no Dask scheduler answers at search.dask_address ({error}); start it, or take an empty address",
        ) from None
