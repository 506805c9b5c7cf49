"""A Prefect server with its UI, a worker for each pool, and the deployments of prefect.yaml, all on this
machine: `make ui`

    slipway ui [--port 4200] [--gpus 1]

It keeps them running: what dies is started again, and runs that died with it are marked. Ctrl-C ends all,
workers first. The server listens on 127.0.0.1 alone and wants a password; its state is in PREFECT_HOME, by
default .prefect/ of the checkout.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import flows.process.environment  # noqa: F401  # isort: skip  (before Prefect, which reads it when it is imported)
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectAlreadyExists
from prefect.workers.process import ProcessWorker

from flows.pipeline import crashed, form
from flows.pipeline.graph import GPU
from flows.process import child, private
from flows.server import deploying, missed, password, server, watch, worker
from tasks.core.errors import PassingError, SlipwayError
from tasks.launch import command
from tasks.launch.command import Command

LIMITS = {"gpu": 1, "cpu": 1, "control": 10}
"""Pool -> how many runs its worker takes at once. Those of `control` only start and watch others."""
TEMPLATE: dict[str, Any] = json.loads(Path(__file__).with_name("pool.json").read_text(encoding="utf-8"))
"""What a run of our pools is given; unlike Prefect's own it takes no command and no environment from whoever
starts the run."""
LOOK_SECONDS = 1
SWEEP_SECONDS = 30
AGAIN_SECONDS = 3
STOP_SECONDS = 25


class Service:
    """A process that is to live as long as we do."""

    def __init__(self, name: str, log: Path, start: Callable[[], subprocess.Popen[str]]) -> None:
        self.name, self._log, self._start_it = name, log, start
        self.process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        self._begin = self._log.stat().st_size if self._log.exists() else 0
        return self._start_it()

    def revive(self) -> bool:
        """Starts it again if it died; whether it had."""
        if self.process.poll() is None:
            return False
        words = server.last_words(self._log, self._begin)
        print(
            f"{self.name} ended with {self.process.returncode}{f' ({words})' if words else ''}; starting it "
            "again",
            flush=True,
        )
        time.sleep(AGAIN_SECONDS)
        self.process = self._start()
        return True


def prepare(gpus: int) -> None:
    """Makes the work pools and the limit `gpu`.

    What the operator has set stays; pools with Prefect's own template get ours.
    """
    with get_client(sync_client=True) as client:
        for pool in LIMITS:
            wanted = WorkPoolCreate(name=pool, type="process", base_job_template=TEMPLATE)
            _unless_there(partial(client.create_work_pool, wanted))
            found = client.read_work_pool(pool).base_job_template
            if found == ProcessWorker.get_default_base_job_template():
                client.update_work_pool(pool, WorkPoolUpdate(base_job_template=TEMPLATE))
                print(
                    f"mended: runs of the pool {pool} could be given a command of their own, no more",
                    flush=True,
                )
            elif "{{" in json.dumps(found.get("job_configuration")):
                told = "lets whoever starts a run change its command or environment, as you have set it"
                print(
                    f"the pool {pool} {told}; ours: prefect work-pool update {pool} --base-job-template "
                    "flows/server/pool.json",
                    flush=True,
                )
        _unless_there(
            lambda: client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=GPU, limit=gpus))
        )


def _unless_there(create: Callable[[], object]) -> None:
    try:
        create()
    except ObjectAlreadyExists:
        return


def deploy() -> None:
    """What of prefect.yaml has a worker here.

    Raises:
        SlipwayError: with Prefect's words.
    """
    for line in deploying.deploy(tuple(LIMITS)):
        print(line, flush=True)


def serve(port: int, gpus: int) -> None:
    """Until a signal comes.

    Raises:
        PassingError: the port is taken.
        ParamsError: the password that was set, or PREFECT_HOME, cannot be used.
        SlipwayError: the server does not start, or prefect.yaml cannot be deployed.
    """
    _must_be_free(port)
    url = server.address(port)
    ui = {
        server.UI_URL: os.environ.get(server.UI_URL, url),
        "PREFECT_SERVER_API_HOST": server.HOST,
        "PREFECT_SERVER_API_PORT": str(port),
    }
    said = password.of_operator()
    own = said or password.keep(server.home())
    services: list[Service] = []
    try:
        services.append(Service("server", server.home() / server.LOG, lambda: server.start(port, own, ui)))
        server.point_at(url, own)
        prepare(gpus)
        deploy()
        _tell_swept()
        services += [Service(f"worker of pool {pool}", _log(pool), partial(_worker, pool)) for pool in LIMITS]
        with _announced(url):
            print(
                f"Slipway is at http://{server.HOST}:{port}   (logs: {server.home()}; Ctrl-C ends it)",
                flush=True,
            )
            print(f"it asks for the password: {_shown(said, own)}", flush=True)
            _watch(services)
    finally:
        _stop(services)


def _shown(said: str | None, own: str) -> str:
    """The password on a terminal; in a file of output, which others may read, where it stands."""
    if said:
        return "the one that you have set"
    return own if sys.stdout.isatty() else f"it stands in {server.home() / password.FILE}"


def _must_be_free(port: int) -> None:
    try:
        socket.create_server((server.HOST, port)).close()
    except OSError:
        what = (
            "`make ui` runs in this checkout already"
            if server.running() == server.address(port)
            else "another program listens there"
        )
        raise PassingError(f"port {port}", f"{what}; end it, or name another: make ui PORT=4300") from None


def _log(pool: str) -> Path:
    return server.home() / f"worker-{pool}.log"


def _worker(pool: str) -> subprocess.Popen[str]:
    with _log(pool).open("a", encoding="utf-8") as output:
        return child.start("prefect", *worker.command(pool, LIMITS[pool]), env={**os.environ}, output=output)


def _tell_swept() -> None:
    for line in crashed.sweep():
        print(f"mended: {line}", flush=True)


def _look_into(inboxes: watch.Watch) -> None:
    try:
        for run in inboxes.look():
            print(f"something new in data/inbox/{run}: told the server", flush=True)
    except SlipwayError as error:  # somebody is at work on params.yaml
        print(error, flush=True)


def _tell_missed() -> None:
    for line in missed.announce():
        print(line, flush=True)


@contextmanager
def _announced(url: str) -> Iterator[None]:
    file = server.home() / server.WHERE
    private.write(file, json.dumps({"url": url, "pid": os.getpid()}))
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _offer_new_choices(offered: tuple[form.Choices, ...]) -> tuple[form.Choices, ...]:
    """The forms list the runs of params.yaml: another run there is offered within half a minute."""
    now = form.choices()
    if now == offered or not now[0]:  # somebody is at work on params.yaml
        return offered
    try:
        deploy()
        print("params.yaml or dvc.yaml has other runs or stages: the forms offer them now", flush=True)
    except crashed.FAULTS:  # the server is on its way up
        return offered
    except SlipwayError as error:
        print(error, flush=True)
    return now


def _watch(services: list[Service]) -> None:
    swept, inboxes, offered = time.monotonic(), watch.Watch(Path.cwd()), form.choices()
    while True:
        revived = [service.revive() for service in services]
        if any(revived) or time.monotonic() - swept > SWEEP_SECONDS:
            _tell_swept()
            _look_into(inboxes)
            _tell_missed()
            offered = _offer_new_choices(offered)
            swept = time.monotonic()
        time.sleep(LOOK_SECONDS)


def _stop(services: list[Service]) -> None:
    """Workers first: one whose server went away before it may never end."""
    workers = [service.process for service in services[1:]]
    for process in workers:
        process.terminate()
    for process in [*workers, *(service.process for service in services[:1])]:
        server.stop(process, STOP_SECONDS)


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--port", type=int, default=4200, help="of the UI and its server, on 127.0.0.1 (default: 4200)"
    )
    parser.add_argument(
        "--gpus", type=int, default=1, help="slots of the limit `gpu`, if there is none yet (default: 1)"
    )


def _run(given: argparse.Namespace) -> int:
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a script's background has it ignored, and so would the workers have
    command.end_on_termination()
    serve(given.port, given.gpus)
    return 0


COMMAND = Command("slipway ui", __doc__, _run, _arguments, interrupted=0)
main = COMMAND.main


if __name__ == "__main__":
    sys.exit(main())
