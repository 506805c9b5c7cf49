"""Takes the pictures of the docs from the UI at work: a run of the smoke project, started from its form and
watched to its end.

    python -m tests.campaigns.screenshots docs/pictures/prefect

Works in a scratch folder and takes some minutes. Needs Chromium on the path.
"""

from __future__ import annotations

import argparse
import io
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image
from playwright.sync_api import expect

from flows.server.server import free_port
from tests import browser, smoke
from tests.browser import Operator
from tests.flows.station import kept_password

STAGES = 7
OVERRIDES = f"runs.{smoke.RUN}.prune.ffn=48", f"runs.{smoke.RUN}.pretrain.further.steps=1500"
"""The second makes pretraining long enough to be watched."""
MOST_BYTES = 120_000
COLOURS = 128
LIVE_SECONDS = 600


class Camera:
    """Keeps what an operator sees as small PNGs in a folder."""

    def __init__(self, operator: Operator, folder: Path) -> None:
        self.operator, self.folder = operator, folder
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, name: str) -> None:
        self.operator.page.wait_for_timeout(1500)
        picture = Image.open(io.BytesIO(self.operator.page.screenshot())).convert("RGB")
        file = self.folder / f"{name}.png"
        picture.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
        size = file.stat().st_size
        if size > MOST_BYTES:
            raise SystemExit(f"{file}: has {size} bytes; at most {MOST_BYTES} are wanted")
        print(f"{file}: {size} bytes", flush=True)


def start(operator: Operator, name: str, camera: Camera | None = None) -> str:
    """Where the page of the run is that was started from the form."""
    operator.open_deployment("compress", "compress-on-cpu")
    operator.open_form()
    operator.name_run(name)
    operator.choose("runs", smoke.RUN)
    for override in OVERRIDES:
        operator.add("overrides", override)
    if camera:
        operator.parameter("runs").scroll_into_view_if_needed()
        camera.take("form")
    operator.submit_and_view()
    return operator.page.url


def watch(operator: Operator, run: str, camera: Camera) -> None:
    """The run and the progress of its pretraining while that is at work, the run again when all is done."""
    operator.state("Running")
    key, deadline = f"pretrain-{smoke.RUN}", time.monotonic() + LIVE_SECONDS
    while not (operator.has_artifact(key) and operator.says(key, " left")):
        operator.page.goto(run)
        if time.monotonic() > deadline:
            raise SystemExit(f"pretraining was never seen at work: {operator.open_tab('Logs').inner_text()}")
    camera.take("progress")
    operator.page.goto(run)
    operator.open_tab("Task Runs")
    camera.take("running")
    if (state := operator.state()) != "Completed":
        raise SystemExit(f"the run ended as {state}: {operator.open_tab('Details').inner_text()}")
    operator.page.goto(run)
    operator.stages(STAGES)
    camera.take("completed")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.campaigns.screenshots",
        description=__doc__.partition("\n")[0] if __doc__ else None,
    )
    parser.add_argument("folder", type=Path, metavar="OUTDIR")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    if browser.CHROMIUM is None:
        sys.exit(browser.NO_CHROMIUM)
    with tempfile.TemporaryDirectory(prefix="slipway-screenshots-") as scratch:
        project = smoke.make_project(Path(scratch).resolve())
        with (
            browser.served(project, free_port(), smoke.environment(project)) as url,
            browser.operator(url, kept_password(project)) as operator,
        ):
            camera = Camera(operator, given.folder)
            run = start(operator, "slimmer", camera)
            watch(operator, run, camera)
            operator.open_artifact(f"{smoke.RUN}-report")
            expect(operator.page.get_by_role("img").last).to_be_visible()
            operator.page.get_by_role("img", name="confusion matrix").scroll_into_view_if_needed()
            camera.take("report")
            operator.page.goto(start(operator, "slimmer-again"))
            if operator.state() != "Cached" or set(operator.stages(STAGES).values()) != {"Cached"}:
                raise SystemExit("what was made was made again")
            camera.take("cached")
    return 0


if __name__ == "__main__":
    sys.exit(main())
